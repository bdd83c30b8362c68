# SPDX-License-Identifier: Apache-2.0
"""An opened weight file: its facts, its tokens, and how it is closed."""
from __future__ import annotations

import os
import weakref
from typing import Any, Callable, List, Optional, TypeVar, Union

from ._library import Context, UsageError, ffi, lib, string, text
from ._sources import Source, Token, Tokens, over_several

TASKS = ["generate", "fill", "classify", "label", "span", "embed", "image", "translate"]
_TOKEN_KINDS = ["text", "special", "template", "generated"]
Self = TypeVar("Self", bound="Opened")


class Opened:
    """What `Model` is before anything runs."""

    def __init__(self, path: Any, threads: int = 0, memory: Any = None, progress: Optional[Callable] = None,
                 kernels: Optional[str] = None) -> None:
        self._context = Context(threads, memory, progress, kernels)
        out = ffi.new("glim_model **")
        self._handle: Any = None
        self._context.call(lib.glim_model_open, out, self._context.handle, os.fsencode(path))
        self._handle = out[0]
        self._close = weakref.finalize(self, _close, out[0], self._context)

    def close(self) -> None:
        """Closes the model; documents that it made stay whole."""
        with self._context.lock:
            self._close()
            self._handle = None

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._handle is None:
            return "<glim.Model, closed>"
        info = self.info
        return f"<glim.Model {info['architecture']} {info['quantisation']}, {info['layers']} layers, {info['path']}>"

    def __getstate__(self) -> Any:
        raise TypeError("a model is a mapped file and does not pickle (pass its path)")

    def _path(self) -> str:
        return string(lib.glim_model_facts(self._open()).path)

    def _open(self) -> Any:
        if self._handle is None:
            raise UsageError("the model is closed")
        return self._handle

    @property
    def _facts(self) -> Any:
        return lib.glim_model_facts(self._open())

    # ---- facts ----

    @property
    def info(self) -> dict:
        """Facts of the file: architecture, layers, heads, context_length, task, labels, ..."""
        facts = self._facts
        found: dict = {}
        for name in ("path", "format", "architecture", "name", "license", "languages", "digest", "quantisation",
                     "tokenizer", "pre", "chat_template", "warning"):
            found[name] = text(getattr(facts, name))
        for name in ("file_bytes", "parameters", "layers", "width", "heads", "kv_heads", "head_width", "feed_forward",
                     "vocabulary", "context_length", "sliding_window", "rope_base", "bos", "eos", "outputs",
                     "encoder_layers"):
            found[name] = getattr(facts, name)
        found["task"] = TASKS[facts.task]
        found["labels"] = self._labels()
        return found

    def _labels(self) -> Optional[List[str]]:
        facts = self._facts
        if facts.labels == ffi.NULL:
            return None
        return [string(facts.labels[i]) for i in range(facts.outputs)]

    @property
    def sites(self) -> List[str]:
        """Names of all sites, in the order in which they are computed."""
        n = ffi.new("size_t *")
        names = lib.glim_model_sites(self._open(), n)
        return [string(names[i]) for i in range(n[0])]

    def token_text(self, token: int) -> str:
        """The text of a token by its id; of a part of a character U+FFFD."""
        n = ffi.new("size_t *")
        raw = lib.glim_model_token_bytes(self._open(), token, n)
        return bytes(ffi.unpack(raw, n[0])).decode(errors="replace") if raw != ffi.NULL else ""

    def _token(self, wanted: Union[str, int]) -> int:
        """A token's or a class's number, by its text or itself."""
        if not isinstance(wanted, str):
            if not 0 <= wanted < self._facts.outputs:
                raise UsageError(f"{wanted} is no token (there are {self._facts.outputs})")
            return int(wanted)
        out = ffi.new("int32_t *")
        self._context.call(lib.glim_model_token, self._open(), ffi.new("char[]", wanted.encode()), out)
        return int(out[0])

    @over_several
    def tokenize(self, source: Source, template: Optional[str] = None) -> List[Token]:
        """Tokens of a text, a chat or a pair. start and end are bytes of the source."""
        tokens = Tokens(self, source, template)
        return [Token(t.id, self.token_text(t.id), t.start, t.end, _TOKEN_KINDS[t.kind])
                for t in (tokens.handle.at[i] for i in range(tokens.handle.count))]


def _close(handle: Any, context: Context) -> None:
    if os.getpid() == context.process:  # a forked process leaves it to its parent
        lib.glim_model_close(handle)
