# SPDX-License-Identifier: Apache-2.0
"""The page of the Python package: every public name, by autodoc from its docstring."""
import inspect
import pkgutil


def directive(module, name):
    thing = getattr(module, name)
    if inspect.isclass(thing):
        if issubclass(thing, BaseException):
            return f".. autoexception:: {module.__name__}.{name}"
        return f".. autoclass:: {module.__name__}.{name}\n   :members:\n   :inherited-members: object, tuple, Exception"
    if callable(thing):
        return f".. autofunction:: {module.__name__}.{name}"
    return None


def public(module):
    names = getattr(module, "__all__", None)
    if names is None:
        names = [n for n, v in vars(module).items()
                 if not n.startswith("_") and getattr(v, "__module__", "") == module.__name__]
    return [n for n in names if not n.startswith("__")]


def module_section(module):
    lines = [f"## {module.__name__}", ""]
    for name in public(module):
        found = directive(module, name)
        if found:
            lines += ["```{eval-rst}", found, "```", ""]
    return lines


def write(tree, title, text):
    import importlib

    import glim
    lines = [f"# {title}", "", text, ""] + module_section(glim)
    for info in pkgutil.iter_modules(glim.__path__):
        if not info.name.startswith("_") and info.name not in ("model", "document"):
            try:
                module = importlib.import_module(f"glim.{info.name}")
            except ImportError:  # what needs more than NumPy is shown where that is installed
                continue
            if public(module) and not set(public(module)) <= set(glim.__all__):
                lines += module_section(module)
    tree.write("reference/python.md", "\n".join(lines))
