# SPDX-License-Identifier: Apache-2.0
"""The C library: where it lies, what its errors become in Python, and contexts.

A context (threads, memory budget, progress, cancelling) belongs to one model. Its calls are
taken one at a time; the interpreter's lock is free meanwhile. Ctrl-C is noticed at the next
report of progress, some twenty times a second, and stops the call.
"""
import ctypes.util
import os
import pathlib
import threading
import weakref
from typing import Any, Optional

from ._abi import ffi
from ._callback import callback


def _find():
    here = pathlib.Path(__file__).parent
    given = os.environ.get("GLIM_LIBRARY")
    inside = [str(p) for p in sorted(here.glob("libglim*.so*")) + sorted(here.glob("libglim*.dylib"))]
    for path in [given] if given else [*inside, ctypes.util.find_library("glim")]:
        if path:
            return ffi.dlopen(path, ffi.RTLD_LAZY)  # half the time of binding all at once
    raise ImportError("libglim is not here (install glim-lm, or name the file in GLIM_LIBRARY)")


lib = _find()


class Error(Exception):
    """A call of the library failed. The message says what, why, and what to do."""


class UsageError(Error, ValueError):
    """A wrong argument."""


class FormatError(Error, ValueError):
    """A file contradicts its own format."""


class Unsupported(Error, NotImplementedError):
    """Well formed, but not supported."""


class LimitError(Error, ValueError):
    """A stated limit is passed."""


class IOFailure(Error, OSError):
    """The system refused a read or a write."""


class OutOfMemory(Error, MemoryError):
    """Memory was refused."""


class BudgetError(OutOfMemory):
    """The memory budget is too small; the message names what would do."""


class Cancelled(Error):
    """The call was stopped."""


class NumericError(Error, ArithmeticError):
    """A value is not finite."""


class InternalError(Error):
    """A fault of glim itself."""


_KINDS = {
    lib.GLIM_EUSAGE: UsageError, lib.GLIM_EFORMAT: FormatError, lib.GLIM_EUNSUPPORTED: Unsupported,
    lib.GLIM_ELIMIT: LimitError, lib.GLIM_EIO: IOFailure, lib.GLIM_ENOMEM: OutOfMemory,
    lib.GLIM_EBUDGET: BudgetError, lib.GLIM_ECANCELLED: Cancelled, lib.GLIM_ENUMERIC: NumericError,
    lib.GLIM_EINTERNAL: InternalError,
}
__version__ = ffi.string(lib.glim_version()).decode()

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size(value):
    """Bytes of 2_000_000, "2G" or "512 MiB"; None is 0, which means no limit."""
    if value is None:
        return 0
    if isinstance(value, str):
        text = value.strip().lower().replace(" ", "")
        for end in ("ib", "b"):
            if text.endswith(end):
                text = text[:-len(end)]
                break
        number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS and text[-1:] else (text, "")
        try:
            value = int(float(number) * _UNITS[unit])
        except ValueError:
            raise UsageError(f"memory: '{value}' is no size (write 2G or 512M)") from None
    if value < 0:
        raise UsageError("memory: a size is not negative")
    return int(value)


@callback("void (*)(void *, const glim_progress *)", ffi.from_handle)
def _report(data, report):
    context = ffi.from_handle(data)
    try:
        if context.progress is not None:
            context.progress(Progress(report))
    except BaseException as error:  # told by the call that is under way, KeyboardInterrupt as well
        context.raised(error)


class Progress:
    """One report of a long call: stage, fraction (None: unknown), done, total (0: unknown), bytes,
    seconds, seconds_left."""

    __slots__ = ("stage", "done", "total", "bytes", "seconds", "seconds_left", "fraction")

    def __init__(self, report):
        self.stage = ffi.string(report.stage).decode() if report.stage else ""
        self.done, self.total, self.bytes = report.done, report.total, report.bytes
        self.seconds = report.seconds
        self.seconds_left = report.seconds_left if report.seconds_left >= 0 else None
        self.fraction = self.done / self.total if self.total else None

    @classmethod
    def of(cls, stage, fraction, seconds_left):
        """A report that a command wrote."""
        report = cls.__new__(cls)
        report.stage, report.fraction, report.seconds_left = stage, fraction, seconds_left
        report.done, report.total, report.bytes, report.seconds = 0, 0, 0, None
        return report


class Context:
    """Threads (0: as many as processors), a budget of memory, and who is told of progress."""

    def __init__(self, threads=None, memory=None, progress=None, kernels=None):
        self.progress, self.threads, self.memory = progress, threads, size(memory) or None
        self.lock = threading.RLock()
        self.process = os.getpid()
        self._raised = None
        self._self = ffi.new_handle(_Weak(self))
        self._kernels = ffi.new("char[]", kernels.encode()) if kernels else ffi.NULL
        options = ffi.new("glim_context_options *", {
            "threads": threads or 0, "memory": size(memory), "kernels": self._kernels,
            "progress": _report, "progress_data": self._self})
        out, error = ffi.new("glim_context **"), ffi.new("glim_error *")
        check(lib.glim_context_new(out, options, error), error)
        self.handle = own((self._self, self._kernels), out[0], lib.glim_context_free)

    def raised(self, error):
        """A callback failed: the call that is under way ends with its exception."""
        if self._raised is None:
            self._raised = error
        lib.glim_context_cancel(self.handle)

    def call(self, function, *arguments, partial=False):
        """Calls function(*arguments, &error) and raises what went wrong. `partial`: a call that
        was stopped gave something all the same, so False comes back instead of Cancelled."""
        if os.getpid() != self.process:
            raise UsageError("this was opened before the process forked (open the model again here)")
        with self.lock:
            error = ffi.new("glim_error *")
            status = function(*arguments, error)
            raised, self._raised = self._raised, None
            if raised is not None or status == lib.GLIM_ECANCELLED:
                lib.glim_context_reset(self.handle)
            if raised is not None:
                raise raised
            if partial and status == lib.GLIM_ECANCELLED:
                return False
            check(status, error)
            return True

    def make(self, kind, function, free, *arguments, partial=False):
        """What function(kind **out, *arguments, &error) makes, owned."""
        out = ffi.new(f"{kind} **")
        self.call(function, out, *arguments, partial=partial)
        return own(self, out[0], free)

    def cancel(self):
        """Asks the running call to stop, from any thread."""
        lib.glim_context_cancel(self.handle)

    @property
    def bytes(self):
        """Memory in use."""
        return lib.glim_context_bytes(self.handle)

    @property
    def peak(self):
        """The most memory that was in use."""
        return lib.glim_context_peak(self.handle)


def own(context, pointer, free):
    """The pointer, freed when nobody holds it any more, and before its context: cycles of objects are
    collected in any order, so what is to be freed lives in the registry of weakref.finalize. A forked
    process leaves it alone: the threads that would be joined are the parent's."""
    alias = ffi.cast(ffi.typeof(pointer), pointer)
    weakref.finalize(pointer, _free, free, alias, context, os.getpid())
    return pointer


def _free(free, alias, context, process):
    if os.getpid() == process:
        free(alias)


class _Weak:
    """What the C side holds of a context: no reason to keep it alive."""

    def __init__(self, context):
        self._context = weakref.ref(context)

    @property
    def progress(self):
        context = self._context()
        return context.progress if context else None

    def raised(self, error):
        context = self._context()
        if context:
            context.raised(error)


def fail(context, error, raised, who):
    """A function of Python that C called raised: the call that is under way raises it again."""
    context.raised(raised)
    return lib.glim_fail(error, lib.GLIM_ECANCELLED, b"%s", ffi.new("char[]", f"{who} raised".encode()))


def unit_number(name):
    """The number of a kind of units, by its name."""
    known = []
    while lib.glim_unit_kind_name(len(known)) != ffi.NULL:
        known.append(text(lib.glim_unit_kind_name(len(known))))
    if name not in known:
        raise UsageError(f"'{name}' is no unit (there are {', '.join(known)})")
    return known.index(name)


def check(status, error):
    """Raises the exception of a status that is not GLIM_OK."""
    if status != lib.GLIM_OK:
        message = ffi.string(error.message).decode(errors="replace")
        raise _KINDS.get(status, Error)(message or ffi.string(lib.glim_status_text(status)).decode())


class Options:
    """A C struct of options filled from keywords, and the strings that it borrows."""

    def __init__(self, name, **values):
        self.struct = ffi.new(f"{name} *")
        self._kept = []
        for key, value in values.items():
            if value is None:
                continue
            try:
                setattr(self.struct, key, self._convert(value))
            except (AttributeError, TypeError) as error:
                raise UsageError(f"{key}: {error}") from None

    def _convert(self, value):
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, (bytes, bytearray)):
            if 0 in value:
                raise UsageError("a text holds a NUL byte")
            value = ffi.new("char[]", bytes(value))
            self._kept.append(value)
        return value


def parameters(table):
    """Rows of a table of parameters as dictionaries: name, type, default, choices, help."""
    rows = []
    while table != ffi.NULL and table.type != lib.GLIM_PARAM_END:
        kind = {lib.GLIM_BOOL: bool, lib.GLIM_INT: int, lib.GLIM_REAL: float,
                lib.GLIM_SIZE: int}.get(table.type, str)
        given = getattr(table, "def")
        default = {bool: False, int: given.i, float: given.r, str: text(given.s)}[kind]
        rows.append({"name": text(table.name).replace("-", "_"), "type": kind, "default": default,
                     "choices": text(table.choices).split("|") if table.choices else None,
                     "help": text(table.help)})
        table = table + 1
    return rows


def fill(table, opts_size, values):
    """The options struct of a method with keywords over its defaults: (memory, kept strings)."""
    memory = ffi.new("char[]", max(opts_size, 1))
    kept = [memory]
    if table == ffi.NULL:
        if values:
            raise UsageError(f"'{next(iter(values))}' is no parameter (there are none)")
        return memory, kept
    lib.glim_param_defaults(table, memory)
    names = [row["name"] for row in parameters(table)]
    for key, value in values.items():
        param = lib.glim_param_find(table, key.replace("_", "-").encode())
        if param == ffi.NULL:
            raise UsageError(f"'{key}' is no parameter (there are {', '.join(names)})")
        if value is None or value is False:
            continue
        held = ffi.NULL if value is True else ffi.new("char[]", str(value).encode())
        kept.append(held)
        error = ffi.new("glim_error *")
        check(lib.glim_param_set(param, memory, held, error), error)
    return memory, kept


def text(pointer: Any) -> Optional[str]:
    """A C string, or None."""
    return None if pointer == ffi.NULL else string(pointer)


def string(pointer: Any) -> str:
    """A C string."""
    return bytes(ffi.string(pointer)).decode(errors="replace")
