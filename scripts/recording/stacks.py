# SPDX-License-Identifier: Apache-2.0
"""Encoder-decoders: published directories, tokenizers and all, and their recordings."""
import json
import math

import gguf
import numpy as np
import sentencepiece
import torch
import transformers as tf

from recording import families, sites, toy

SOURCE = "The old river was high."
TARGET = "Der alte Fluss war hoch."
ENGLISH = [
    "The old river was high and the bridge was closed, so we walked the long way home.",
    "She reads the letter, then reads it again, and the answer is not in the letter.",
    "The house is red, the garden is green, and the old cat sleeps in the sun.",
]
GERMAN = [
    "Der alte Fluss war hoch und die Brücke war zu, also gingen wir den langen Weg nach Hause.",
    "Sie liest den Brief, dann liest sie ihn noch einmal, und die Antwort steht nicht im Brief.",
    "Das Haus ist rot, der Garten ist grün, und die alte Katze schläft in der Sonne.",
]

T5 = dict(d_model=32, d_kv=12, d_ff=40, num_layers=2, num_decoder_layers=3, num_heads=4,
          dropout_rate=0.0, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)
CASES = {
    "t5": dict(kind="t5", options=T5 | dict(feed_forward_proj="relu")),
    "t5-gated": dict(kind="t5", own_head=True, options=T5 | dict(
        d_kv=8, num_layers=3, num_decoder_layers=2, feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=8, relative_attention_max_distance=20,
        tie_word_embeddings=False)),
    "marian": dict(kind="marian", steps=1500, source="you have found the letter",
                   target="du hast den Brief gefunden", options=dict(
        d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, dropout=0.0,
        max_position_embeddings=64, activation_function="swish", scale_embedding=True)),
}


# ---- tokenizers ----

def train(path, lines, size, **options):
    text = path.with_suffix(".txt")
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(path.with_suffix("")), vocab_size=size,
        model_type="unigram", character_coverage=1.0, num_threads=1, hard_vocab_limit=False,
        minloglevel=2, normalization_rule_name="identity", **options)
    path.with_suffix("").with_suffix(".model").rename(path)
    path.with_suffix(".vocab").unlink()
    text.unlink()
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


class T5Pieces:
    """spiece.model; the sentinels come behind its pieces."""
    sentinels = 100

    def __init__(self, path):
        self.sp = train(path / "spiece.model", ENGLISH + GERMAN, 110, pad_id=0, eos_id=1,
                        unk_id=2, bos_id=-1)
        self.size = self.sp.vocab_size() + self.sentinels
        config = {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "unk_token": "<unk>",
                  "pad_token": "<pad>", "extra_ids": self.sentinels}
        (path / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")

    def read(self, text):
        return self.sp.encode(text) + [1]

    def write(self, text):
        return self.sp.encode(text)


class MarianPieces:
    """source.spm and target.spm number their pieces by vocab.json."""
    def __init__(self, path):
        english, german = zip(*toy.pairs())
        self.source = train(path / "source.spm", english, 80)
        self.target = train(path / "target.spm", german, 100)
        pieces = ["</s>", "<unk>", ">>de<<"]
        for sp in (self.source, self.target):
            pieces += [sp.id_to_piece(i) for i in range(sp.vocab_size())
                       if sp.id_to_piece(i) not in pieces and not sp.is_control(i)]
        pieces.append("<pad>")
        self.ids = {p: i for i, p in enumerate(pieces)}
        self.size = len(pieces)
        (path / "vocab.json").write_text(json.dumps(self.ids, ensure_ascii=False, indent=0) + "\n")
        config = {"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "de",
                  "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
        (path / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")

    def of(self, sp, text):
        return [self.ids.get(p, 1) for p in sp.encode(text, out_type=str)]

    def read(self, text):
        return self.of(self.source, text) + [0]

    def write(self, text):
        return self.of(self.target, text)


# ---- the GGUF twin of a T5 ----

def t5_tensors(model):
    ff = {"wi": "ffn_up", "wi_0": "ffn_gate", "wi_1": "ffn_up", "wo": "ffn_down"}
    yield "token_embd", model.shared
    for side, stack in (("enc", model.encoder), ("dec", model.decoder)):
        yield f"{side}.output_norm", stack.final_layer_norm
        for i, block in enumerate(stack.block):
            at, first, last = f"{side}.blk.{i}.", block.layer[0], block.layer[-1]
            parts = [("attn", first.SelfAttention, first.layer_norm)]
            if len(block.layer) == 3:
                cross = block.layer[1]
                parts.append(("cross_attn", cross.EncDecAttention, cross.layer_norm))
            for name, attention, norm in parts:
                yield f"{at}{name}_norm", norm
                for which in "qkvo":
                    yield f"{at}{name}_{which}", getattr(attention, which)
            if i == 0:
                yield at + "attn_rel_b", first.SelfAttention.relative_attention_bias
            yield at + "ffn_norm", last.layer_norm
            for theirs, ours in ff.items():
                if hasattr(last.DenseReluDense, theirs):
                    yield at + ours, getattr(last.DenseReluDense, theirs)


def write_gguf(path, model, pieces):
    c, w, sp = model.config, gguf.GGUFWriter(str(path), "t5"), pieces.sp
    w.add_name(path.stem)
    w.add_vocab_size(c.vocab_size)
    w.add_context_length(512)
    w.add_embedding_length(c.d_model)
    w.add_feed_forward_length(c.d_ff)
    w.add_block_count(c.num_layers)
    w.add_decoder_block_count(c.num_decoder_layers)
    w.add_head_count(c.num_heads)
    w.add_key_length(c.d_kv)
    w.add_value_length(c.d_kv)
    w.add_layer_norm_eps(c.layer_norm_epsilon)
    w.add_layer_norm_rms_eps(c.layer_norm_epsilon)
    w.add_relative_attn_buckets_count(c.relative_attention_num_buckets)
    w.add_decoder_start_token_id(c.decoder_start_token_id)
    ids, more = range(sp.vocab_size()), range(pieces.sentinels)
    w.add_tokenizer_model("t5")
    w.add_tokenizer_pre("default")
    w.add_token_list([sp.id_to_piece(i) for i in ids] +
                     [f"<extra_id_{pieces.sentinels - 1 - i}>" for i in more])
    w.add_token_scores([sp.get_score(i) for i in ids] + [-1000.0 for _ in more])
    kinds = gguf.TokenType
    w.add_token_types([kinds.UNKNOWN if sp.is_unknown(i) else kinds.CONTROL if sp.is_control(i)
                       else kinds.NORMAL for i in ids] + [kinds.USER_DEFINED for _ in more])
    w.add_pad_token_id(0)
    w.add_eos_token_id(1)
    w.add_unk_token_id(2)
    w.add_add_bos_token(False)
    w.add_add_eos_token(True)
    w.add_add_space_prefix(True)
    w.add_remove_extra_whitespaces(True)
    for name, module in t5_tensors(model):
        w.add_tensor(name + ".weight",
                     np.ascontiguousarray(module.weight.detach().numpy().astype(np.float32)))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    path.chmod(0o644)


# ---- models ----

def build(case, seed, size):
    options = case["options"] | dict(vocab_size=size, attn_implementation="eager")
    if case["kind"] == "marian":
        options |= dict(pad_token_id=size - 1, decoder_start_token_id=size - 1, eos_token_id=0,
                        forced_eos_token_id=0)
        config = tf.MarianConfig(**options)
        model = tf.MarianMTModel(config)
        model.generation_config.bad_words_ids = [[size - 1]]
    else:
        config = tf.T5Config(**options)
        model = tf.T5ForConditionalGeneration(config)
    model.eval()
    torch.manual_seed(seed)
    if case.get("own_head"):
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "embed_positions" in name:
                continue
            embedding = "shared" in name or "embed_tokens" in name
            spread = (0.5 if embedding else 0.6 if "relative" in name else
                      0.25 * math.sqrt(32 / p.shape[-1]))
            p.normal_(0, 0.2 if p.dim() == 1 else spread)
            if case.get("own_head") and name.endswith("Attention.q.weight"):
                p.mul_(0.4)  # scores are not scaled
            if p.dim() == 1 and "norm" in name and name.endswith("weight"):
                p.add_(1)
        if case["kind"] == "marian":
            model.final_logits_bias.normal_(0, 0.3)
        elif case.get("own_head"):
            model.lm_head.weight.mul_(3)
    return model


def taught(case, pieces, seed):
    """A model that was trained on the toy pair; its directory says so."""
    model = build(case, seed, pieces.size)
    for name, p in model.named_parameters():
        if p.dim() > 1 and "embed_positions" not in name:
            p.data.mul_(0.5)
    encoded = [(pieces.read(a), pieces.write(b)) for a, b in toy.pairs()]
    return toy.train(model, encoded, case["steps"], seed)


# ---- sites ----

class Recorder(families.Recorder):
    """Runs source and target from their embeddings, which are leaves."""
    def __init__(self, model, case):
        self.model, self.case = model, case
        self.marian = case["kind"] == "marian"
        self.family = {"layer_norm": self.marian}
        self.sites, self.nodes, self.visible, self.name_of = {}, {}, {}, {}
        config = model.config
        self.heads_q = getattr(config, "num_heads", None) or config.encoder_attention_heads
        self.width = getattr(config, "d_kv", None) or config.d_model // self.heads_q
        self.eps = 1e-5 if self.marian else config.layer_norm_epsilon

    def attention(self, module, query, key, value, mask, scaling=None, position_bias=None, **_):
        at = self.name_of[module]
        scores = torch.matmul(query, key.transpose(2, 3)) * scaling
        if position_bias is not None:
            scores = scores + position_bias
        visible = torch.ones(scores.shape[2:], dtype=torch.bool)
        if at.startswith("decoder.") and "cross" not in at:
            visible = visible.tril()
        scores = scores.masked_fill(~visible, float("-inf"))
        pattern = scores.softmax(-1)
        self.sites[at + "hook_attn_scores"] = scores[0]
        self.keep(at + "hook_pattern", pattern)
        self.visible[at + "hook_pattern"] = visible
        return torch.matmul(pattern, value).transpose(1, 2).contiguous(), pattern

    def hook_attention(self, at, module, o):
        self.name_of[module] = at
        for name in "qkv":
            part = getattr(module, name, None) or getattr(module, name + "_proj")
            yield part, "", self.heads(f"{at}hook_{name}")
        yield o, "register_forward_pre_hook", self.before_o(at)

    def input_of(self, name):
        return lambda m, a: self.keep(name, a[0])

    def hook_t5_block(self, at, block):
        before = "register_forward_pre_hook"
        first, last = block.layer[0], block.layer[-1]
        cross = block.layer[1] if len(block.layer) == 3 else None
        ff, third = last.DenseReluDense, "ln3" if cross else "ln2"
        yield first.layer_norm, before, self.input_of(at + "hook_resid_pre")
        yield first.layer_norm, before, self.norm_input(at + "ln1")
        yield from self.hook_attention(at + "attn.", first.SelfAttention, first.SelfAttention.o)
        yield first.SelfAttention.o, "", self.output(at + "hook_attn_out")
        if cross:
            yield cross.layer_norm, before, self.input_of(at + "hook_resid_mid")
            yield cross.layer_norm, before, self.norm_input(at + "ln2")
            yield from self.hook_attention(at + "cross_attn.", cross.EncDecAttention,
                                           cross.EncDecAttention.o)
            yield cross.EncDecAttention.o, "", self.output(at + "hook_cross_attn_out")
        mid = "hook_resid_mid_cross" if cross else "hook_resid_mid"
        yield last.layer_norm, before, self.input_of(at + mid)
        yield last.layer_norm, before, self.norm_input(at + third)
        if hasattr(ff, "wi"):
            yield ff.wi, "", self.output(at + "mlp.hook_pre")
        else:
            yield ff.wi_0, "", self.output(at + "mlp.hook_pre")
            yield ff.wi_1, "", self.output(at + "mlp.hook_pre_linear")
        yield ff.wo, before, self.input_of(at + "mlp.hook_post")
        yield ff.wo, "", self.output(at + "hook_mlp_out")
        yield last, "", self.output(at + "hook_resid_post")

    def hook_marian_block(self, at, layer):
        before = "register_forward_pre_hook"
        attention, cross = layer.self_attn, getattr(layer, "encoder_attn", None)
        norms = [(layer.self_attn_layer_norm, "hook_resid_mid")]
        yield attention.q_proj, before, self.input_of(at + "hook_resid_pre")
        yield from self.hook_attention(at + "attn.", attention, attention.out_proj)
        yield attention.out_proj, "", self.output(at + "hook_attn_out")
        if cross:
            yield from self.hook_attention(at + "cross_attn.", cross, cross.out_proj)
            yield cross.out_proj, "", self.output(at + "hook_cross_attn_out")
            norms.append((layer.encoder_attn_layer_norm, "hook_resid_mid_cross"))
        norms.append((layer.final_layer_norm, "hook_resid_post"))
        for i, (norm, site) in enumerate(norms):
            yield norm, before, self.input_of(at + site)
            yield norm, before, self.norm_input(f"{at}ln{i + 1}")
        yield layer.fc1, "", self.output(at + "mlp.hook_pre")
        yield layer.fc2, before, self.input_of(at + "mlp.hook_post")
        yield layer.fc2, "", self.output(at + "hook_mlp_out")
        yield layer.final_layer_norm, "", self.output(at + "hook_normalized_resid_post")

    def modules(self):
        base = self.model.model if self.marian else self.model
        for side in ("encoder", "decoder"):
            stack = getattr(base, side)
            if self.marian:
                yield stack.embed_positions, "", lambda m, a, o, s=side: self.sites.__setitem__(
                    s + ".hook_pos_embed", o.reshape(-1, o.shape[-1]))
            else:
                yield (stack.final_layer_norm, "register_forward_pre_hook",
                       self.norm_input(side + ".ln_final"))
            hook = self.hook_marian_block if self.marian else self.hook_t5_block
            for i, block in enumerate(stack.layers if self.marian else stack.block):
                yield from hook(f"{side}.blocks.{i}.", block)

    def run(self, ids, target):
        table = self.model.get_input_embeddings()
        scale = 1.0
        if self.marian and self.model.config.scale_embedding:
            scale = math.sqrt(self.model.config.d_model)
        source = (table(torch.tensor([ids])) * scale).detach().requires_grad_()
        leaf = table(torch.tensor([target])).detach().requires_grad_()
        with self.attached():
            logits = self.model(inputs_embeds=source, decoder_inputs_embeds=leaf,
                                use_cache=False).logits
        self.keep("encoder.hook_embed", source)
        self.keep("decoder.hook_embed", leaf)
        self.sites["decoder.hook_embed"] = (leaf * scale)[0]
        self.scale = scale
        self.keep("hook_logits", logits)
        with torch.no_grad():
            own = self.model(input_ids=torch.tensor([ids]),
                             decoder_input_ids=torch.tensor([target]), use_cache=False).logits
        assert (own - logits).abs().max() < 2e-6 * own.abs().max()
        return logits[0]


GRADIENTS = set(sites.MORE_GRADIENTS) | {
    "attn.hook_q", "attn.hook_k", "cross_attn.hook_q", "cross_attn.hook_k", "cross_attn.hook_v",
    "cross_attn.hook_z", "cross_attn.hook_pattern", "hook_cross_attn_out", "hook_resid_mid_cross"}


def wanted(recorder):
    for name in recorder.nodes:
        if name == "encoder.hook_embed" or (".blocks." in name and
                                            name.split(".", 3)[3] in GRADIENTS):
            yield name


def written(model, ids, n, **options):
    """Without a cache, which the package gives too few layers when the decoder is deeper."""
    with torch.no_grad():
        out = model.generate(torch.tensor([ids]), max_new_tokens=n, do_sample=False,
                             use_cache=False, **options)
    return out[0].tolist()[1:]


def record(case, model, ids, target):
    recorder = Recorder(model, case)
    logits = recorder.run(ids, target)
    last = logits[-1]
    best, foil = (int(i) for i in last.topk(2).indices)
    found = {"ids": torch.tensor(ids), "target_ids": torch.tensor(target),
             "target": torch.tensor([best, foil])} | recorder.sites
    values = {"grad.": (last[best], list(wanted(recorder))),
              "grad.logprob.": (last.log_softmax(-1)[best], ["encoder.hook_embed"]),
              "grad.contrast.": (last[best] - last[foil], ["encoder.hook_embed"])}
    for prefix, (value, names) in values.items():
        for name, g in recorder.gradients(value, names).items():
            found[prefix + name] = g
    leaf = torch.autograd.grad(last[best], recorder.nodes["decoder.hook_embed"])[0][0]
    found["grad.decoder.hook_embed"] = leaf / recorder.scale
    return {k: v.detach() for k, v in found.items()}


WAYS = {"greedy": dict(num_beams=1), "beams2": dict(num_beams=2),
        "beams4": dict(num_beams=4), "beams4.long": dict(num_beams=4, length_penalty=2.0),
        "beams3.short": dict(num_beams=3, length_penalty=0.3),
        "beams3.early": dict(num_beams=3, early_stopping=True)}


def buckets():
    """The package's buckets at distances -300 .. 300, both ways and causal."""
    from transformers.models.t5.modeling_t5 import T5Attention
    far = torch.arange(-300, 301)
    return torch.stack([T5Attention._relative_position_bucket(
        far, bidirectional=both, num_buckets=n, max_distance=most)
        for n, most in ((32, 128), (8, 20), (32, 200)) for both in (True, False)])
