# SPDX-License-Identifier: Apache-2.0
"""How a `Model` explains itself: methods, attention, lens, patching. Each gives a `Document`."""
from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple, Union, overload

from . import _methods
from ._inside import Inside
from ._library import Options, UsageError, ffi, lib, unit_number
from ._sources import Source, Sources, Tokens, over_several
from .document import Document

Target = Union[str, int, None]


class Why(Inside):
    """Documents of one input, or of two."""

    def _text_of(self, target: Target) -> Optional[str]:
        """A target's text of its number, which is a token's or a class's."""
        if target is None or isinstance(target, str):
            return target
        number, labels = self._token(target), self._labels()
        text = labels[number] if labels else self.token_text(number)
        if not labels and self._token(text) != number:
            raise UsageError(f"token {number} cannot be named by its text {text!r}: give another target")
        return text

    def _predictor(self, tokens: Tokens, units: Optional[str] = None, **target: Any) -> Tuple[Any, Any]:
        target.update({name: self._text_of(target.get(name)) for name in ("target", "against")})
        how = Options("glim_target_options", auto_units=units is None,
                      units=unit_number(units) if units else 0, **target)
        made = self._context.make("glim_predictor", lib.glim_predictor_lm, lib.glim_predictor_free, self._open(),
                                  tokens.handle, how.struct)
        return made, (how, tokens)

    @overload
    def explain(self, source: Source, method: Optional[str] = None, target: Target = None, against: Target = None,
                continuation: Optional[str] = None, generate: int = 0, labels: Union[str, Sequence[str], None] = None,
                output: Optional[str] = None, units: Optional[str] = None, seed: int = 0,
                template: Optional[str] = None, **parameters: Any) -> Document: ...

    @overload
    def explain(self, source: Sources, method: Optional[str] = None, target: Union[Target, Sequence[Target]] = None,
                against: Union[Target, Sequence[Target]] = None, continuation: Union[None, str, Sequence[str]] = None,
                generate: int = 0, labels: Union[str, Sequence[str], None] = None, output: Optional[str] = None,
                units: Optional[str] = None, seed: int = 0, template: Optional[str] = None,
                **parameters: Any) -> List[Document]: ...

    @over_several
    def explain(self, source: Any, method: Optional[str] = None, target: Any = None, against: Any = None,
                continuation: Any = None, generate: int = 0, labels: Union[str, Sequence[str], None] = None,
                output: Optional[str] = None, units: Optional[str] = None, seed: int = 0,
                template: Optional[str] = None, **parameters: Any) -> Any:
        """Which parts of the input made the model say it. method: a name of `glim.methods()` (None: what
        evidence recommends); its parameters are keywords. target: the next token (or class), None the
        likeliest; continuation or generate: a row each token. Returns a `Document`; of a list of inputs a
        list of them, and target, against and continuation may then be lists as well."""
        tokens = Tokens(self, source, template)
        if isinstance(labels, (list, tuple)):
            labels = ", ".join(labels)
        predictor, kept = self._predictor(tokens, units, target=target, against=against, continuation=continuation,
                                          generate=generate, labels=labels, output=output)
        return _methods.explain(self._context, predictor, method, seed, parameters)

    @over_several
    def attention(self, source: Source, layer: int = -1, head: int = -1, sink: Any = None, generate: int = 0,
                  continuation: Optional[str] = None, units: Optional[str] = None, template: Optional[str] = None,
                  **options: Any) -> Document:
        """Where heads look: a `Document` (L3 H7 with layer=3, head=7; -1 is the mean)."""
        tokens = Tokens(self, source, template)
        how = Options("glim_attention_options", layer=layer, head=head, sink=sink, generate=generate,
                      continuation=continuation, auto_units=units is None, units=unit_number(units) if units else 0, **options)
        return Document._made(self._context, lib.glim_attention_read, self._open(), tokens.handle, how.struct)

    @over_several
    def lens(self, source: Source, target: Target = None, top: int = 5, template: Optional[str] = None) -> Document:
        """The logit lens: what each layer would say at each position. A `Document`."""
        tokens = Tokens(self, source, template)
        predictor, kept = self._predictor(tokens, target=target, output="logit")
        how = Options("glim_lens_options", top=top)
        return Document._made(self._context, lib.glim_lens_read, predictor, how.struct)

    def patch(self, clean: Source, corrupted: Source, target: Target = None, against: Target = None,
              template: Optional[str] = None, **options: Any) -> Document:
        """Activation patching between two inputs (`sites`, `noise`, `estimate`, `check`, `top` as in
        glim/patch.h). A `Document`."""
        a, b = (Tokens(self, x, template) for x in (clean, corrupted))
        target = self.token_text(int(self._last([clean], template)[0].argmax())) if target is None else target
        p, kept = self._predictor(a, target=target, against=against, output="logit")
        q, also = self._predictor(b, target=target, against=against, output="logit")
        how = Options("glim_patch_options", **options)
        return Document._made(self._context, lib.glim_patch_read, p, q, how.struct)
