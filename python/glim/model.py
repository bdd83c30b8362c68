# SPDX-License-Identifier: Apache-2.0
"""A model: an opened weight file, what it says, what is inside, and why.

Sites carry TransformerLens names ("blocks.3.hook_resid_post"); arrays are float32 and have
TransformerLens' shapes without the batch axis. Letters: T tokens, S positions that are looked
at, L layers, H heads, C width, V vocabulary (or classes).
"""
import fnmatch
import json
import os
import weakref
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from . import _methods
from ._callback import callback
from ._library import Context, Options, UsageError, fail, ffi, lib, own, text, unit_number
from .document import Document
from .jobs import Jobs

_KINDS = {"text": 0, "special": 1, "template": 2, "generated": 3}
_TASKS = ["generate", "fill", "classify", "label", "span", "embed", "image", "translate"]


# A text, a chat (a list of {"role", "content"}), or a pair (question, context).
Source = Union[str, Sequence[dict], Tuple[str, str]]


class Token(NamedTuple):
    """A token: its id, its own text, its bytes in the source, and what it is."""

    id: int
    text: str
    start: int
    end: int
    kind: str


class Prediction(NamedTuple):
    """A next token or a class."""

    text: str
    id: int
    logit: float
    prob: float


class Look(NamedTuple):
    """What model(text) gives: attention (T, S), the mean over layers and heads, and logits (T, V)."""

    attention: np.ndarray
    logits: np.ndarray
    tokens: list


class _Tokens:
    """A tokenised input of C."""

    def __init__(self, model, source, template=None):
        out = ffi.new("glim_tokens **")
        c, m = model._context, model._open()
        if isinstance(source, str):
            raw = source.encode()
            c.call(lib.glim_model_tokenize, m, out, raw, len(raw))
        elif isinstance(source, (list, tuple)) and source and all(isinstance(x, dict) for x in source):
            raw = json.dumps(list(source), ensure_ascii=False).encode()
            name = template.encode() if template else ffi.NULL
            c.call(lib.glim_model_tokenize_chat, m, out, raw, len(raw), b"chat", name)
        elif isinstance(source, tuple) and len(source) == 2 and all(isinstance(x, str) for x in source):
            a, b = (x.encode() for x in source)
            c.call(lib.glim_model_tokenize_pair, m, out, a, len(a), b, len(b))
        else:
            raise UsageError("an input is a text, a chat (a list of {'role', 'content'}), or a pair "
                             "(question, context)")
        self.handle = own(c, out[0], lib.glim_tokens_free)
        self.owner = model  # tokens are freed before their context is

    def ids(self) -> np.ndarray:
        n = self.handle.count
        return np.array([self.handle.at[i].id for i in range(n)], dtype=np.int32)


@callback("glim_status (*)(void *, const glim_site *, glim_error *)",
          lambda data: ffi.from_handle(data).context, lib.GLIM_ECANCELLED)
def _visit(data, site, error):
    visitor = ffi.from_handle(data)
    try:
        visitor(site)
        return lib.GLIM_OK
    except BaseException as raised:  # the call that is under way raises it
        return fail(visitor.context, error, raised, "a hook")


@callback("bool (*)(void *, int32_t, double)", lambda data: ffi.from_handle(data)[0], False)
def _said(data, token, probability):
    context, each = ffi.from_handle(data)
    try:
        return each(token, probability) is not False
    except BaseException as raised:
        context.raised(raised)
        return False


def _view(site):
    dims = tuple(site.dims[i] for i in range(site.n_dims))
    count = int(np.prod(dims, dtype=np.int64))
    return np.frombuffer(ffi.buffer(site.data, 4 * count), dtype=np.float32).reshape(dims)


class _Reader:
    def __init__(self, context, found):
        self.context, self.found = context, found

    def __call__(self, site):
        self.found[text(site.name)] = _view(site).copy()


class _Changer:
    def __init__(self, context, function):
        self.context, self.function = context, function

    def __call__(self, site):
        here = _view(site)
        mine = here.copy()  # what a hook keeps stays valid
        given = self.function(mine, text(site.name))
        given = mine if given is None else np.asarray(given, dtype=np.float32)
        if given.shape != here.shape:
            raise UsageError(f"{text(site.name)}: a hook gave {given.shape} for {here.shape}")
        here[...] = given


class Model(Jobs):
    """An opened GGUF file, or a directory with safetensors.

    threads: workers (0: as many as processors). memory: a budget, "2G"; what does not fit is refused
    before it runs (BudgetError). progress: called with a `Progress` some times a second.
    """

    def __init__(self, path: Any, threads: int = 0, memory: Any = None, progress: Optional[Callable] = None,
                 kernels: Optional[str] = None) -> None:
        self._context = Context(threads, memory, progress, kernels)
        out = ffi.new("glim_model **")
        self._handle = None
        self._context.call(lib.glim_model_open, out, self._context.handle, os.fsencode(path))
        self._handle = out[0]
        self._close = weakref.finalize(self, _close, out[0], self._context)

    def close(self) -> None:
        """Closes the model; documents that it made stay whole."""
        with self._context.lock:
            self._close()
            self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        if self._handle is None:
            return "<glim.Model, closed>"
        info = self.info
        return f"<glim.Model {info['architecture']} {info['quantisation']}, {info['layers']} layers, {info['path']}>"

    def __getstate__(self):
        raise TypeError("a model is a mapped file and does not pickle (pass its path)")

    def _path(self):
        return text(lib.glim_model_facts(self._open()).path)

    def _open(self):
        if self._handle is None:
            raise UsageError("the model is closed")
        return self._handle

    @property
    def _facts(self):
        return lib.glim_model_facts(self._open())

    # ---- facts ----

    @property
    def info(self) -> dict:
        """Facts of the file: architecture, layers, heads, context_length, task, labels, ..."""
        facts, found = self._facts, {}
        for name in ("path", "format", "architecture", "name", "license", "languages", "digest", "quantisation",
                     "tokenizer", "pre", "chat_template", "warning"):
            found[name] = text(getattr(facts, name))
        for name in ("file_bytes", "parameters", "layers", "width", "heads", "kv_heads", "head_width", "feed_forward",
                     "vocabulary", "context_length", "sliding_window", "rope_base", "bos", "eos", "outputs",
                     "encoder_layers"):
            found[name] = getattr(facts, name)
        found["task"] = _TASKS[facts.task]
        found["labels"] = self._labels()
        return found

    def _labels(self):
        facts = self._facts
        if facts.labels == ffi.NULL:
            return None
        return [text(facts.labels[i]) for i in range(facts.outputs)]

    @property
    def sites(self) -> List[str]:
        """Names of all sites, in the order in which they are computed."""
        n = ffi.new("size_t *")
        names = lib.glim_model_sites(self._open(), n)
        return [text(names[i]) for i in range(n[0])]

    def token_text(self, token: int) -> str:
        """The text of a token by its id; of a part of a character U+FFFD."""
        n = ffi.new("size_t *")
        raw = lib.glim_model_token_bytes(self._open(), token, n)
        return ffi.unpack(raw, n[0]).decode(errors="replace") if raw != ffi.NULL else ""

    def tokenize(self, source: Source, template: Optional[str] = None) -> List[Token]:
        """Tokens of a text, a chat or a pair. start and end are bytes of the source."""
        tokens = _Tokens(self, source, template)
        kinds = list(_KINDS)
        return [Token(t.id, self.token_text(t.id), t.start, t.end, kinds[t.kind])
                for t in (tokens.handle.at[i] for i in range(tokens.handle.count))]

    # ---- running it ----

    def _pass(self, ids, hooks=(), keep=False, wanted=None):
        """One pass over ids; calls `read(session)` afterwards."""
        c = self._context
        held = ffi.from_buffer("int32_t[]", ids)
        rows = np.arange(len(ids), dtype=np.uint32) if wanted is None else np.asarray(wanted, dtype=np.uint32)
        asked = ffi.from_buffer("uint32_t[]", rows)
        q = ffi.new("glim_sequence *", {"ids": held, "count": len(ids), "wanted": asked, "n_wanted": len(rows)})
        kept = [ffi.new("char[]", name.encode()) for name, _, _ in hooks]
        handles = [ffi.new_handle(visitor) for _, _, visitor in hooks]
        table = ffi.new("glim_hook[]", [{"pattern": k, "actions": a, "visit": _visit, "data": h}
                                        for k, (_, a, _), h in zip(kept, hooks, handles)]) if hooks else ffi.NULL
        b = ffi.new("glim_batch *", {"sequences": q, "count": 1, "hooks": table, "n_hooks": len(hooks), "keep": keep})
        run = c.make("glim_session", lib.glim_session_new, lib.glim_session_free, self._open(), 0)
        c.call(lib.glim_session_forward, run, b)
        return run, (held, asked, q, kept, handles, table, b), rows

    def _logits(self, run, rows):
        V = self._facts.outputs
        return np.stack([np.frombuffer(ffi.buffer(lib.glim_session_logits(run, 0, i), 4 * V), dtype=np.float32)
                         for i in range(len(rows))]).copy()

    def _ids(self, source, template=None):
        if self._facts.task in (lib.GLIM_TASK_IMAGE, lib.GLIM_TASK_TRANSLATE):
            raise UsageError(f"a model of the task '{_TASKS[self._facts.task]}' has no single pass over a text")
        return _Tokens(self, source, template).ids()

    def logits(self, source: Source, template: Optional[str] = None) -> np.ndarray:
        """(T, V): row t is about the token behind t; of a classifier (1, classes)."""
        ids = self._ids(source, template)
        run, _, rows = self._pass(ids, wanted=[0] if self._facts.task == lib.GLIM_TASK_CLASSIFY else None)
        return self._logits(run, rows)

    def predict(self, source: Source, top: int = 10, template: Optional[str] = None) -> List[Prediction]:
        """The likeliest next tokens, or classes, as `Prediction`s."""
        ids = self._ids(source, template)
        if self._facts.task not in (lib.GLIM_TASK_GENERATE, lib.GLIM_TASK_CLASSIFY):
            raise UsageError(f"predict is for decoders and classifiers (this model's task is '{_TASKS[self._facts.task]}')")
        classify = self._facts.task == lib.GLIM_TASK_CLASSIFY
        run, _, rows = self._pass(ids, wanted=[0 if classify else len(ids) - 1])
        z = self._logits(run, rows)[0].astype(np.float64)
        p = np.exp(z - z.max())
        p /= p.sum()
        names = self._labels() if classify else None
        best = np.argsort(-z, kind="stable")[:top]
        return [Prediction(names[i] if names else self.token_text(int(i)), int(i), float(z[i]), float(p[i]))
                for i in best]

    def generate(self, source: Source, max_tokens: int = 64, temperature: float = 0.0, top_k: int = 0,
                 top_p: float = 1.0, seed: int = 0, template: Optional[str] = None,
                 each: Optional[Callable] = None) -> str:
        """The text that the model writes behind a text or a chat. each(text, probability) sees every
        token as it is made, and may return False to end."""
        tokens, c = _Tokens(self, source, template), self._context
        before = tokens.handle.count
        how = Options("glim_sampling", temperature=float(temperature), top_k=top_k, top_p=float(top_p), seed=seed)
        told = ffi.new_handle((c, lambda i, p: each(self.token_text(i), p))) if each else ffi.NULL
        call = lib.glim_translate if self._facts.task == lib.GLIM_TASK_TRANSLATE else lib.glim_generate
        how = ffi.new("glim_writing *", {"beams": 1, "sampling": how.struct}) if call is lib.glim_translate else how.struct
        c.call(call, self._open(), tokens.handle, max_tokens, how, _said if each else ffi.NULL, told)
        source = ffi.unpack(tokens.handle.text, tokens.handle.text_len)
        made = [tokens.handle.at[i] for i in range(before, tokens.handle.count)]
        return source[made[0].start:made[-1].end].decode(errors="replace") if made else ""

    # ---- inside ----

    def capture(self, source: Source, names: Union[str, Sequence[str]] = "*",
                template: Optional[str] = None) -> Dict[str, np.ndarray]:
        """Values of sites by name, in one pass: {"blocks.0.hook_resid_post": (T, C), ...}. names: a
        pattern with `*`, or several; UsageError when one matches nothing."""
        return self._captured(source, names, template)[1]

    def run_with_cache(self, source: Source, names: Union[str, Sequence[str]] = "*",
                       template: Optional[str] = None) -> Tuple[np.ndarray, Dict[str, np.ndarray]]:
        """TransformerLens' name: (logits (T, V), what `capture` gives)."""
        return self._captured(source, names, template)

    def _matching(self, names):
        names, sites = [names] if isinstance(names, str) else list(names), self.sites
        for name in names:
            if not any(fnmatch.fnmatchcase(site, name.replace("[", "[[]")) for site in sites):
                near = _near(name, sites)
                raise UsageError(f"no site is called '{name}'" + (f" (near: {', '.join(near)})" if near else ""))
        return names

    def _captured(self, source, names, template):
        found = {}
        hooks = [(name, lib.GLIM_HOOK_READ, _Reader(self._context, found)) for name in self._matching(names)]
        run, _, rows = self._pass(self._ids(source, template), hooks)
        return self._logits(run, rows), found

    def run_with_hooks(self, source: Source, fwd_hooks: Sequence[Tuple[str, Callable]],
                       template: Optional[str] = None) -> np.ndarray:
        """Logits (T, V) of a pass in which hooks change sites. fwd_hooks: (pattern, function) pairs;
        function(value, name) gets a copy and returns what stands there instead, or changes it in place."""
        hooks = [(self._matching(name)[0], lib.GLIM_HOOK_READ | lib.GLIM_HOOK_WRITE,
                  _Changer(self._context, function)) for name, function in fwd_hooks]
        run, _, rows = self._pass(self._ids(source, template), hooks)
        return self._logits(run, rows)

    def gradient(self, source: Source, target: Union[str, int, None] = None, against: Union[str, int, None] = None,
                 sites: Union[str, Sequence[str], None] = None, template: Optional[str] = None) -> Any:
        """The gradient of a next token's logit (less another's) with respect to the embeddings (T, C),
        or to sites: a dictionary. target: a token's text or id; None is the likeliest."""
        ids, c, found = self._ids(source, template), self._context, {}
        if self._facts.task != lib.GLIM_TASK_GENERATE:
            raise UsageError("gradient is for decoders; `explain` has gradients of all kinds of models")
        hooks = [(name, lib.GLIM_HOOK_GRAD, _Reader(c, found)) for name in self._matching(sites)] if sites else []
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

    def _token(self, wanted):
        if isinstance(wanted, (int, np.integer)):
            if not 0 <= wanted < self._facts.outputs:
                raise UsageError(f"{wanted} is no token (there are {self._facts.outputs})")
            return int(wanted)
        out = ffi.new("int32_t *")
        self._context.call(lib.glim_model_token, self._open(), ffi.new("char[]", wanted.encode()), out)
        return out[0]

    def attentions(self, source: Source, template: Optional[str] = None) -> np.ndarray:
        """All attention patterns (L, H, T, S)."""
        found = self.capture(source, "blocks.*.attn.hook_pattern", template)
        return np.stack(list(found.values()))

    def __call__(self, source: Source, template: Optional[str] = None) -> Look:
        """A look at a text: [0] is attention (T, S), the mean over layers and heads; then logits, tokens."""
        seen = _Mean(self._context)
        hooks = [("blocks.*.attn.hook_pattern", lib.GLIM_HOOK_READ, seen)]
        run, _, rows = self._pass(self._ids(source, template), hooks)
        return Look(seen.mean(), self._logits(run, rows), self.tokenize(source, template))

    # ---- why ----

    def _predictor(self, tokens, units=None, **target):
        how = Options("glim_target_options", auto_units=units is None,
                      units=unit_number(units) if units else 0, **target)
        made = self._context.make("glim_predictor", lib.glim_predictor_lm, lib.glim_predictor_free, self._open(),
                                  tokens.handle, how.struct)
        return made, (how, tokens)

    def explain(self, source: Source, method: Optional[str] = None, target: Union[str, int, None] = None,
                against: Union[str, int, None] = None, continuation: Optional[str] = None, generate: int = 0,
                labels: Union[str, Sequence[str], None] = None, output: Optional[str] = None,
                units: Optional[str] = None, seed: int = 0, template: Optional[str] = None,
                **parameters: Any) -> Document:
        """Which parts of the input made the model say it. method: a name of `glim.methods()` (None: what
        evidence recommends); its parameters are keywords. target: the next token (or class), None the
        likeliest; continuation or generate: a row each token. Returns a `Document`."""
        tokens = _Tokens(self, source, template)
        if isinstance(labels, (list, tuple)):
            labels = ", ".join(labels)
        predictor, kept = self._predictor(tokens, units, target=target, against=against, continuation=continuation,
                                          generate=generate, labels=labels, output=output)
        return _methods.explain(self._context, predictor, method, seed, parameters)

    def attention(self, source: Source, layer: int = -1, head: int = -1, sink: Any = None, generate: int = 0,
                  continuation: Optional[str] = None, units: Optional[str] = None, template: Optional[str] = None,
                  **options: Any) -> Document:
        """Where heads look: a `Document` (L3 H7 with layer=3, head=7; -1 is the mean)."""
        tokens = _Tokens(self, source, template)
        how = Options("glim_attention_options", layer=layer, head=head, sink=sink, generate=generate,
                      continuation=continuation, auto_units=units is None, units=unit_number(units) if units else 0, **options)
        return Document._made(self._context, lib.glim_attention_read, self._open(), tokens.handle, how.struct)

    def lens(self, source: Source, target: Union[str, int, None] = None, top: int = 5,
             template: Optional[str] = None) -> Document:
        """The logit lens: what each layer would say at each position. A `Document`."""
        predictor, kept = self._predictor(_Tokens(self, source, template), target=target, output="logit")
        how = Options("glim_lens_options", top=top)
        return Document._made(self._context, lib.glim_lens_read, predictor, how.struct)

    def patch(self, clean: Source, corrupted: Source, target: Union[str, int, None] = None,
              against: Union[str, int, None] = None, template: Optional[str] = None, **options: Any) -> Document:
        """Activation patching between two inputs (`sites`, `noise`, `estimate`, `check`, `top` as in
        glim/patch.h). A `Document`."""
        a, b = _Tokens(self, clean, template), _Tokens(self, corrupted, template)
        target = self.predict(clean, 1, template)[0].text if target is None else target
        p, kept = self._predictor(a, target=target, against=against, output="logit")
        q, also = self._predictor(b, target=target, against=against, output="logit")
        how = Options("glim_patch_options", **options)
        return Document._made(self._context, lib.glim_patch_read, p, q, how.struct)


def _near(name, sites):
    import difflib
    return difflib.get_close_matches(name, sites, 3, 0.5)


class _Mean:
    """The mean of patterns as they come by, a layer at a time."""

    def __init__(self, context):
        self.context, self.sum, self.n = context, None, 0

    def __call__(self, site):
        pattern = _view(site)
        here = pattern.sum(axis=0, dtype=np.float64)
        self.sum = here if self.sum is None else self.sum + here
        self.n += pattern.shape[0]

    def mean(self):
        return (self.sum / self.n).astype(np.float32)


def _close(handle, context):
    if os.getpid() == context.process:  # a forked process leaves it to its parent
        lib.glim_model_close(handle)
