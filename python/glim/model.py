# SPDX-License-Identifier: Apache-2.0
"""A model: an opened weight file, what it says, what is inside, and why.

Sites carry TransformerLens names ("blocks.3.hook_resid_post"); arrays are float32 and have
TransformerLens' shapes without the batch axis. Letters: T tokens, S positions that are looked
at, L layers, H heads, C width, V vocabulary (or classes).
"""
from __future__ import annotations

import codecs
from typing import Any, Callable, List, NamedTuple, Optional, overload

import numpy as np

from ._hooks import said
from ._inside import Look
from ._library import Options, UsageError, ffi, lib
from ._opened import TASKS
from ._sources import Source, Sources, Token, Tokens, over_several, several
from ._why import Why
from .jobs import Jobs

__all__ = ["Look", "Model", "Prediction", "Token"]


class Prediction(NamedTuple):
    """A next token or a class."""

    text: str
    id: int
    logit: float
    prob: float


class Model(Why, Jobs):
    """An opened GGUF file, or a directory with safetensors.

    threads: workers (0: as many as processors). memory: a budget, "2G"; what does not fit is refused
    before it runs (BudgetError). progress: called with a `Progress` some times a second.

    What takes an input takes a list of them too (texts, chats, pairs), and then gives a list.
    """

    # ---- what it says ----

    @overload
    def predict(self, source: Source, top: int = 10, template: Optional[str] = None) -> List[Prediction]: ...

    @overload
    def predict(self, source: Sources, top: int = 10, template: Optional[str] = None) -> List[List[Prediction]]: ...

    def predict(self, source: Any, top: int = 10, template: Optional[str] = None) -> Any:
        """The likeliest next tokens, or classes, as `Prediction`s; of a list of inputs a list of them,
        several a pass."""
        if self._facts.task not in (lib.GLIM_TASK_GENERATE, lib.GLIM_TASK_CLASSIFY):
            raise UsageError(f"predict is for decoders and classifiers (this model's task is '{TASKS[self._facts.task]}')")
        sources = several(source)
        found = [self._best(z, top) for z in self._last([source] if sources is None else sources, template)]
        return found[0] if sources is None else found

    def _best(self, logits: np.ndarray, top: int) -> List[Prediction]:
        z = logits.astype(np.float64)
        p = np.exp(z - z.max())
        p /= p.sum()
        names = self._labels()
        return [Prediction(names[i] if names else self.token_text(int(i)), int(i), float(z[i]), float(p[i]))
                for i in np.argsort(-z, kind="stable")[:top]]

    @over_several
    def generate(self, source: Source, max_new_tokens: int = 64, temperature: float = 0.0, top_k: int = 0,
                 top_p: float = 1.0, seed: int = 0, template: Optional[str] = None,
                 each: Optional[Callable] = None) -> str:
        """The text that the model writes behind a text or a chat. each(text, probability) sees every
        token as it is made, and may return False to end."""
        tokens, c = Tokens(self, source, template), self._context
        before = tokens.handle.count
        sampling = Options("glim_sampling", temperature=float(temperature), top_k=top_k, top_p=float(top_p), seed=seed)
        told = ffi.new_handle((c, lambda i, p: each(self.token_text(i), p))) if each else ffi.NULL
        call = lib.glim_translate if self._facts.task == lib.GLIM_TASK_TRANSLATE else lib.glim_generate
        how = sampling.struct
        if call is lib.glim_translate:
            how = ffi.new("glim_writing *", {"beams": 1, "sampling": sampling.struct})
        c.call(call, self._open(), tokens.handle, max_new_tokens, how, said if each else ffi.NULL, told)
        whole = bytes(ffi.unpack(tokens.handle.text, tokens.handle.text_len))
        made = [tokens.handle.at[i] for i in range(before, tokens.handle.count)]
        if not made:
            return ""
        # Not final: a character that the last token leaves unfinished is not shown.
        return codecs.getincrementaldecoder("utf-8")("replace").decode(whole[made[0].start:made[-1].end])
