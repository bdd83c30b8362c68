# SPDX-License-Identifier: Apache-2.0
"""Inputs as the library reads them: a text, a chat or a pair as tokens; and lists of inputs."""
from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, TypeVar, Union

import numpy as np

from ._library import UsageError, ffi, lib, own

if TYPE_CHECKING:
    from ._opened import Opened

# A text, a chat (a list of {"role", "content"}), or a pair (question, context).
Source = Union[str, Sequence[dict], Tuple[str, str]]
# Several of them: a list, an array or a column of texts, a list of chats or of pairs.
Sources = Union[List[str], List[Tuple[str, str]], List[Sequence[dict]], np.ndarray]

F = TypeVar("F", bound=Callable[..., Any])
_EACH = ("target", "against", "continuation")  # may be lists, one for each input


class Token(NamedTuple):
    """A token: its id, its own text, its bytes in the source, and what it is."""

    id: int
    text: str
    start: int
    end: int
    kind: str


class Tokens:
    """A tokenised input of C."""

    def __init__(self, model: Opened, source: Any, template: Optional[str] = None) -> None:
        out = ffi.new("glim_tokens **")
        c, m = model._context, model._open()
        if isinstance(source, str):
            raw = source.encode()
            c.call(lib.glim_model_tokenize, m, out, raw, len(raw))
        elif isinstance(source, (list, tuple)) and source and all(isinstance(x, dict) for x in source):
            import json
            raw = json.dumps(list(source), ensure_ascii=False).encode()
            name = template.encode() if template else ffi.NULL
            c.call(lib.glim_model_tokenize_chat, m, out, raw, len(raw), b"chat", name)
        elif isinstance(source, tuple) and len(source) == 2 and all(isinstance(x, str) for x in source):
            a, b = (x.encode() for x in source)
            c.call(lib.glim_model_tokenize_pair, m, out, a, len(a), b, len(b))
        else:
            raise UsageError("an input is a text, a chat (a list of {'role', 'content'}), or a pair "
                             "(question, context); several are a list of them")
        self.handle = own(c, out[0], lib.glim_tokens_free)
        self.owner = model  # tokens are freed before their context is

    def ids(self) -> np.ndarray:
        n = self.handle.count
        return np.array([self.handle.at[i].id for i in range(n)], dtype=np.int32)


def several(source: Any) -> Optional[list]:
    """The inputs of a list of them, or None of a single one."""
    if not isinstance(source, (str, tuple, list)) and hasattr(source, "tolist"):  # an array, a column
        source = source.tolist()
    if not isinstance(source, list) or source and all(isinstance(x, dict) for x in source):
        return None
    return source


def over_several(method: F) -> F:
    """A method of one input that takes a list of them as well, and then gives a list. What belongs to
    one input (target, against, continuation) may be a list too."""
    @functools.wraps(method)
    def call(self: Any, source: Any, *given: Any, **options: Any) -> Any:
        sources = several(source)
        if sources is None:
            return method(self, source, *given, **options)
        options.update(zip(_names(method), given))
        own_of = {name: options.pop(name) for name in _EACH if isinstance(options.get(name), (list, tuple))}
        for name, values in own_of.items():
            if len(values) != len(sources):
                raise UsageError(f"{name}: there are {len(values)} for {len(sources)} inputs")
        return [method(self, one, **options, **{name: values[i] for name, values in own_of.items()})
                for i, one in enumerate(sources)]
    return call  # type: ignore[return-value]


def _names(method: Callable[..., Any]) -> Tuple[str, ...]:
    code = method.__code__
    return code.co_varnames[2:code.co_argcount]
