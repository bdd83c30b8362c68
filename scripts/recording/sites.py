# SPDX-License-Identifier: Apache-2.0
"""Runs a reference model and collects every site under TransformerLens' names.

Values come from hooks on modules; rotated queries and keys, scores and patterns
from an attention function put in the place of the package's eager one, with the
same arithmetic.
"""
import contextlib
import sys

import torch

GRADIENTS = ["hook_resid_pre", "attn.hook_z", "mlp.hook_post", "attn.hook_pattern"]
MORE_GRADIENTS = GRADIENTS + ["hook_resid_mid", "hook_attn_out", "hook_mlp_out", "attn.hook_rot_q",
                              "attn.hook_rot_k", "attn.hook_v", "mlp.hook_pre",
                              "mlp.hook_pre_linear"]


class Recorder:
    """Sites by name: without batch axis in `sites`, as they lie in the graph in `nodes`."""

    def __init__(self, model):
        self.model = model
        self.sites = {}
        self.nodes = {}
        self.visible = {}
        self.eps = model.config.rms_norm_eps
        first = model.model.layers[0]
        self.width = first.self_attn.head_dim
        self.post_norms = hasattr(first, "pre_feedforward_layernorm")

    def keep(self, name, node, shape=None):
        self.nodes[name] = node
        value = node[0] if node.dim() > 2 else node
        self.sites[name] = value.reshape(shape) if shape else value

    def keep_norm(self, name, x):
        scale = (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt()
        self.sites[name + ".hook_scale"] = scale[0]
        self.sites[name + ".hook_normalized"] = (x / scale)[0]

    def attention(self, module, query, key, value, mask, scaling=None, **_):
        at = f"blocks.{module.layer_idx}.attn."
        groups = query.shape[1] // key.shape[1]
        scores = torch.matmul(query, key.repeat_interleave(groups, 1).transpose(2, 3)) * scaling
        T = query.shape[2]
        visible = torch.ones(T, T, dtype=torch.bool).tril()
        if mask is not None:
            visible = mask[0, 0, :, :T] == 0
        pattern = scores.masked_fill(~visible, float("-inf")).softmax(-1)
        self.sites[at + "hook_attn_scores"] = scores.masked_fill(~visible, float("-inf"))[0]
        self.keep(at + "hook_pattern", pattern)
        self.visible[at + "hook_pattern"] = visible
        self.nodes[at + "hook_rot_q"] = query
        self.nodes[at + "hook_rot_k"] = key
        self.sites[at + "hook_rot_q"] = query[0].transpose(0, 1)
        self.sites[at + "hook_rot_k"] = key[0].transpose(0, 1)
        z = torch.matmul(pattern, value.repeat_interleave(groups, 1))
        return z.transpose(1, 2).contiguous(), pattern

    def heads(self, name):
        def hook(module, args, out):
            self.keep(name, out, (out.shape[1], -1, self.width))
        return hook

    def output(self, name):
        return lambda module, args, out: self.keep(name, out)

    def norm_input(self, name):
        return lambda module, args: self.keep_norm(name, args[0])

    def before_o(self, at):
        def hook(module, args):
            z = args[0]
            self.keep(at + "hook_z", z, (z.shape[1], -1, self.width))
            heads = self.sites[at + "hook_z"].shape[1]
            w = module.weight.reshape(-1, heads, self.width)
            self.sites[at + "hook_result"] = torch.einsum(
                "thd,chd->thc", self.sites[at + "hook_z"], w)
        return hook

    def hook_layer(self, i, layer):
        at = f"blocks.{i}."
        attn, mlp = layer.self_attn, layer.mlp
        before = "register_forward_pre_hook"
        yield layer, before, lambda m, a, at=at: self.keep(at + "hook_resid_pre", a[0])
        yield layer, "", lambda m, a, o, at=at: self.keep(
            at + "hook_resid_post", o[0] if isinstance(o, tuple) else o)
        yield layer.input_layernorm, before, self.norm_input(at + "ln1")
        yield attn.q_proj, "", self.heads(at + "attn.hook_q")
        yield attn.k_proj, "", self.heads(at + "attn.hook_k")
        yield attn.v_proj, "", self.heads(at + "attn.hook_v")
        if hasattr(attn, "q_norm"):
            for which in "qk":
                yield (getattr(attn, which + "_norm"), "",
                       lambda m, a, o, n=f"{at}attn.hook_{which}_normed":
                       self.sites.__setitem__(n, o[0].transpose(0, 1)))
        yield attn.o_proj, before, self.before_o(at + "attn.")
        second = layer.post_attention_layernorm
        attn_out, mlp_out = attn.o_proj, mlp.down_proj
        if self.post_norms:
            second = layer.pre_feedforward_layernorm
            attn_out, mlp_out = layer.post_attention_layernorm, layer.post_feedforward_layernorm
            yield attn_out, before, self.norm_input(at + "ln1_post")
            yield mlp_out, before, self.norm_input(at + "ln2_post")
        yield attn_out, "", self.output(at + "hook_attn_out")
        yield second, before, lambda m, a, at=at: self.keep(at + "hook_resid_mid", a[0])
        yield second, before, self.norm_input(at + "ln2")
        yield mlp.gate_proj, "", self.output(at + "mlp.hook_pre")
        yield mlp.up_proj, "", self.output(at + "mlp.hook_pre_linear")
        yield (mlp.down_proj, before,
               lambda m, a, at=at: self.keep(at + "mlp.hook_post", a[0]))
        yield mlp_out, "", self.output(at + "hook_mlp_out")

    def modules(self):
        yield self.model.model.embed_tokens, "", self.output("hook_embed")
        for i, layer in enumerate(self.model.model.layers):
            yield from self.hook_layer(i, layer)
        yield self.model.model.norm, "register_forward_pre_hook", self.norm_input("ln_final")

    @contextlib.contextmanager
    def attached(self):
        module = sys.modules[type(self.model).__module__]
        eager = module.eager_attention_forward
        handles = []

        def attach(target, kind, hook):
            handles.append(getattr(target, kind or "register_forward_hook")(hook))

        for target, kind, hook in self.modules():
            attach(target, kind, hook)
        module.eager_attention_forward = self.attention
        try:
            yield
        finally:
            module.eager_attention_forward = eager
            for h in handles:
                h.remove()

    def run(self, ids):
        with self.attached():
            logits = self.model(input_ids=torch.tensor([ids]), use_cache=False).logits
        self.keep("hook_logits", logits)
        return logits[0]

    def shape_like_site(self, name, gradient):
        if name.endswith(("hook_rot_q", "hook_rot_k")):
            return gradient[0].transpose(0, 1)
        if name.endswith("hook_pattern"):
            return gradient[0].masked_fill(~self.visible[name], 0)
        return gradient[0].reshape(self.sites[name].shape)

    def gradients(self, value, names):
        """{name: d value / d site}."""
        found = torch.autograd.grad(value, [self.nodes[n] for n in names], retain_graph=True)
        return {n: self.shape_like_site(n, g) for n, g in zip(names, found)}


def check_against_package(model, ids, logits):
    """The hooked run must be the package's own."""
    with torch.no_grad():
        own = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    worst = float((own - logits.detach()).abs().max() / own.abs().max())
    assert worst < 2e-6, worst


def greedy(model, ids, n):
    """n ids, each the most likely, without a cache."""
    ids = list(ids)
    with torch.no_grad():
        for _ in range(n):
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
            ids.append(int(logits.argmax()))
    return ids[-n:]
