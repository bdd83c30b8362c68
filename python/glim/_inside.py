# SPDX-License-Identifier: Apache-2.0
"""What a `Model` shows of its inside: logits, sites, hooks, gradients, in single passes."""
from __future__ import annotations

import fnmatch
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from ._hooks import Changer, Mean, Reader, visit
from ._library import BudgetError, UsageError, ffi, lib
from ._opened import TASKS, Opened
from ._sources import Source, Tokens, over_several

_AT_ONCE = 16  # texts in one pass


class Look(NamedTuple):
    """What model(text) gives: attention (T, S), the mean over layers and heads, and logits (T, V)."""

    attention: np.ndarray
    logits: np.ndarray
    tokens: list


class Inside(Opened):
    """Passes over one input."""

    def _run(self, rows: Sequence[Tuple[np.ndarray, np.ndarray]], hooks: Sequence[tuple] = (), keep: bool = False) -> Any:
        """One pass over inputs, each (ids, rows whose logits are wanted): the session, and what it borrows."""
        c = self._context
        held = [(ffi.from_buffer("int32_t[]", ids), ffi.from_buffer("uint32_t[]", wanted)) for ids, wanted in rows]
        q = ffi.new("glim_sequence[]", [{"ids": ids, "count": len(ids), "wanted": wanted, "n_wanted": len(wanted)}
                                        for ids, wanted in held])
        kept = [ffi.new("char[]", name.encode()) for name, _, _ in hooks]
        handles = [ffi.new_handle(visitor) for _, _, visitor in hooks]
        table = ffi.new("glim_hook[]", [{"pattern": k, "actions": a, "visit": visit, "data": h}
                                        for k, (_, a, _), h in zip(kept, hooks, handles)]) if hooks else ffi.NULL
        b = ffi.new("glim_batch *", {"sequences": q, "count": len(rows), "hooks": table, "n_hooks": len(hooks),
                                     "keep": keep})
        run = c.make("glim_session", lib.glim_session_new, lib.glim_session_free, self._open(), 0)
        c.call(lib.glim_session_forward, run, b)
        return run, (held, q, kept, handles, table, b)

    def _pass(self, ids: np.ndarray, hooks: Sequence[tuple] = (), keep: bool = False, wanted: Any = None) -> Any:
        rows = np.arange(len(ids), dtype=np.uint32) if wanted is None else np.asarray(wanted, dtype=np.uint32)
        run, held = self._run([(ids, rows)], hooks, keep)
        return run, held, rows

    def _logits(self, run: Any, rows: Any, sequence: int = 0) -> np.ndarray:
        V = self._facts.outputs
        return np.stack([np.frombuffer(ffi.buffer(lib.glim_session_logits(run, sequence, i), 4 * V), dtype=np.float32)
                         for i in range(len(rows))]).copy()

    def _ids(self, source: Any, template: Optional[str] = None) -> np.ndarray:
        if self._facts.task in (lib.GLIM_TASK_IMAGE, lib.GLIM_TASK_TRANSLATE):
            raise UsageError(f"a model of the task '{TASKS[self._facts.task]}' has no single pass over a text")
        return Tokens(self, source, template).ids()

    def _last(self, sources: Sequence[Any], template: Optional[str]) -> List[np.ndarray]:
        """The outputs at the end of each input (V), or its classes; several inputs a pass."""
        classify = self._facts.task == lib.GLIM_TASK_CLASSIFY
        ids = [self._ids(one, template) for one in sources]
        rows = [(x, np.array([0 if classify else len(x) - 1], dtype=np.uint32)) for x in ids]
        found, at, size = [], 0, _AT_ONCE
        while at < len(rows):
            part = rows[at:at + size]
            try:
                run, _ = self._run(part)
            except BudgetError:
                if len(part) == 1:
                    raise
                size = len(part) // 2  # fewer at a time need less memory
                continue
            found += [self._logits(run, [0], i)[0] for i in range(len(part))]
            at += len(part)
        return found

    @over_several
    def logits(self, source: Source, template: Optional[str] = None) -> np.ndarray:
        """(T, V): row t is about the token behind t; of a classifier (1, classes)."""
        ids = self._ids(source, template)
        run, _, rows = self._pass(ids, wanted=[0] if self._facts.task == lib.GLIM_TASK_CLASSIFY else None)
        return self._logits(run, rows)

    @over_several
    def capture(self, source: Source, names: Union[str, Sequence[str]] = "*",
                template: Optional[str] = None) -> Dict[str, np.ndarray]:
        """Values of sites by name, in one pass: {"blocks.0.hook_resid_post": (T, C), ...}. names: a
        pattern with `*`, or several; UsageError when one matches nothing."""
        return self._captured(source, names, template)[1]

    @over_several
    def run_with_cache(self, source: Source, names: Union[str, Sequence[str]] = "*",
                       template: Optional[str] = None) -> Tuple[np.ndarray, Dict[str, np.ndarray]]:
        """TransformerLens' name: (logits (T, V), what `capture` gives)."""
        return self._captured(source, names, template)

    def _matching(self, names: Union[str, Sequence[str]]) -> List[str]:
        names, sites = [names] if isinstance(names, str) else list(names), self.sites
        for name in names:
            if not any(fnmatch.fnmatchcase(site, name.replace("[", "[[]")) for site in sites):
                near = _near(name, sites)
                raise UsageError(f"no site is called '{name}'" + (f" (near: {', '.join(near)})" if near else ""))
        return names

    def _captured(self, source: Source, names: Union[str, Sequence[str]],
                  template: Optional[str]) -> Tuple[np.ndarray, Dict[str, np.ndarray]]:
        found: Dict[str, np.ndarray] = {}
        hooks = [(name, lib.GLIM_HOOK_READ, Reader(self._context, found)) for name in self._matching(names)]
        run, _, rows = self._pass(self._ids(source, template), hooks)
        return self._logits(run, rows), found

    @over_several
    def run_with_hooks(self, source: Source, fwd_hooks: Sequence[Tuple[str, Callable]],
                       template: Optional[str] = None) -> np.ndarray:
        """Logits (T, V) of a pass in which hooks change sites. fwd_hooks: (pattern, function) pairs;
        function(value, name) gets a copy and returns what stands there instead, or changes it in place."""
        hooks = [(self._matching(name)[0], lib.GLIM_HOOK_READ | lib.GLIM_HOOK_WRITE,
                  Changer(self._context, function)) for name, function in fwd_hooks]
        run, _, rows = self._pass(self._ids(source, template), hooks)
        return self._logits(run, rows)

    @over_several
    def gradient(self, source: Source, target: Union[str, int, None] = None, against: Union[str, int, None] = None,
                 sites: Union[str, Sequence[str], None] = None, template: Optional[str] = None) -> Any:
        """The gradient of a next token's logit (less another's) with respect to the embeddings (T, C),
        or to sites: a dictionary. target: a token's text or id; None is the likeliest."""
        ids, c = self._ids(source, template), self._context
        found: Dict[str, np.ndarray] = {}
        if self._facts.task != lib.GLIM_TASK_GENERATE:
            raise UsageError("gradient is for decoders; `explain` has gradients of all kinds of models")
        hooks = [(name, lib.GLIM_HOOK_GRAD, Reader(c, found)) for name in self._matching(sites)] if sites else []
        run, held, rows = self._pass(ids, hooks, keep=True, wanted=[len(ids) - 1])
        z = self._logits(run, rows)[0]
        seeds = [int(np.argmax(z)) if target is None else self._token(target)]
        seeds += [] if against is None else [self._token(against)]
        which = ffi.new("int32_t[]", seeds)
        weights = ffi.new("float[]", [1, -1][:len(seeds)])
        seed = ffi.new("glim_seed *", {"ids": which, "weights": weights, "n": len(seeds)})
        out = np.empty((len(ids), self._facts.width), dtype=np.float32)
        c.call(lib.glim_session_backward, run, seed, 1, ffi.from_buffer("float[]", out))
        return found if sites else out

    @over_several
    def attentions(self, source: Source, template: Optional[str] = None) -> np.ndarray:
        """All attention patterns (L, H, T, S)."""
        found = self.capture(source, "blocks.*.attn.hook_pattern", template)
        return np.stack(list(found.values()))

    @over_several
    def __call__(self, source: Source, template: Optional[str] = None) -> Look:
        """A look at a text: [0] is attention (T, S), the mean over layers and heads; then logits, tokens."""
        seen = Mean(self._context)
        hooks = [("blocks.*.attn.hook_pattern", lib.GLIM_HOOK_READ, seen)]
        run, _, rows = self._pass(self._ids(source, template), hooks)
        return Look(seen.mean(), self._logits(run, rows), self.tokenize(source, template))


def _near(name: str, sites: Sequence[str]) -> List[str]:
    import difflib
    return difflib.get_close_matches(name, sites, 3, 0.5)
