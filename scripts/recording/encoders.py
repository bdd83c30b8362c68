# SPDX-License-Identifier: Apache-2.0
"""Encoders of BERT's kind: published directories and their recordings."""
import json
from types import SimpleNamespace as Parts

import torch
import transformers as tf

from recording import families, sites

SMALL = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=64)
DISTIL = dict(dim=32, hidden_dim=40, n_layers=2, n_heads=4, max_position_embeddings=64)
CLASSES = dict(id2label={0: "bad", 1: "good", 2: "odd"}, label2id={"bad": 0, "good": 1, "odd": 2})


def bert_parts(layer):
    a = layer.attention
    return Parts(q=a.self.query, k=a.self.key, v=a.self.value, o=a.output.dense,
                 ln1=a.output.LayerNorm, fc=layer.intermediate.dense, down=layer.output.dense,
                 ln2=layer.output.LayerNorm, attention=a.self)


def distilbert_parts(layer):
    a, f = layer.attention, layer.ffn
    return Parts(q=a.q_lin, k=a.k_lin, v=a.v_lin, o=a.out_lin, ln1=layer.sa_layer_norm, fc=f.lin1,
                 down=f.lin2, ln2=layer.output_layer_norm, attention=a)


def bert_head(model, h):
    return model.classifier(torch.tanh(model.bert.pooler.dense(h)))


def distilbert_head(model, h):
    return model.classifier(torch.relu(model.pre_classifier(h)))


def roberta_head(model, h):
    return model.classifier.out_proj(torch.tanh(model.classifier.dense(h)))


BERT = dict(parts=bert_parts, config=tf.BertConfig, options=SMALL)
ROBERTA = dict(parts=bert_parts, config=tf.RobertaConfig,
               options=SMALL | dict(type_vocab_size=1, layer_norm_eps=1e-5))
DISTILBERT = dict(parts=distilbert_parts, config=tf.DistilBertConfig, options=DISTIL)
CASES = {
    "bert-classes": BERT | dict(model=tf.BertForSequenceClassification, head=bert_head, row=0,
                                labels=True),
    "bert-labels": BERT | dict(model=tf.BertForTokenClassification, labels=True, row=4),
    "bert-span": BERT | dict(model=tf.BertForQuestionAnswering, row=3),
    "bert-fill": BERT | dict(model=tf.BertForMaskedLM, row=5),
    "bert-embed": BERT | dict(model=tf.BertModel),
    "distilbert-classes": DISTILBERT | dict(model=tf.DistilBertForSequenceClassification,
                                            head=distilbert_head, row=0, labels=True),
    "distilbert-fill": DISTILBERT | dict(model=tf.DistilBertForMaskedLM, row=5),
    "roberta-classes": ROBERTA | dict(model=tf.RobertaForSequenceClassification,
                                      head=roberta_head, row=0, labels=True),
    "roberta-fill": ROBERTA | dict(model=tf.RobertaForMaskedLM, row=5),
}


def build(case, seed, vocabulary):
    options = case["options"] | (CLASSES if case.get("labels") else {})
    config = case["config"](attn_implementation="eager", vocab_size=vocabulary, pad_token_id=1,
                            bos_token_id=0, eos_token_id=2, **options)
    model = case["model"](config).eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.normal_(0, 0.2 if p.dim() == 1 else 0.5 if "embeddings" in name else 0.2)
            if p.dim() == 1 and "orm" in name and name.endswith("weight"):
                p.add_(1)
    return model


class Recorder(families.Recorder):
    def __init__(self, model, case):
        self.model, self.case, self.family = model, case, {"layer_norm": True, "arch": "bert"}
        self.sites, self.nodes, self.visible = {}, {}, {}
        self.base = getattr(model, model.base_model_prefix, model)
        config = model.config
        self.width = config.hidden_size // config.num_attention_heads
        self.heads_q = self.heads_kv = config.num_attention_heads
        self.cap, self.eps = None, getattr(config, "layer_norm_eps", 1e-12)

    def attention(self, module, query, key, value, mask, scaling=None, **_):
        at = f"blocks.{self.layer_of[module]}.attn."
        scores = torch.matmul(query, key.transpose(2, 3)) * query.shape[-1] ** -0.5
        pattern = scores.softmax(-1)
        self.sites[at + "hook_attn_scores"] = scores[0]
        self.keep(at + "hook_pattern", pattern)
        self.visible[at + "hook_pattern"] = torch.ones_like(scores[0, 0], dtype=torch.bool)
        return torch.matmul(pattern, value).transpose(1, 2).contiguous(), pattern

    def hook_layer(self, i, layer):
        at, p, before = f"blocks.{i}.", self.case["parts"](layer), "register_forward_pre_hook"
        self.layer_of[p.attention] = i
        yield layer, before, lambda m, a: self.keep(at + "hook_resid_pre", a[0])
        for name in "qkv":
            yield getattr(p, name), "", self.heads(f"{at}attn.hook_{name}")
        yield p.o, before, self.before_o(at + "attn.")
        yield p.o, "", self.output(at + "hook_attn_out")
        yield p.ln1, before, lambda m, a: self.keep(at + "hook_resid_mid", a[0])
        yield p.ln1, before, self.norm_input(at + "ln1")
        yield p.fc, "", self.output(at + "mlp.hook_pre")
        yield p.down, before, lambda m, a: self.keep(at + "mlp.hook_post", a[0])
        yield p.down, "", self.output(at + "hook_mlp_out")
        yield p.ln2, before, lambda m, a: self.keep(at + "hook_resid_post", a[0])
        yield p.ln2, before, self.norm_input(at + "ln2")
        yield p.ln2, "", self.output(at + "hook_normalized_resid_post")

    def modules(self):
        e = self.base.embeddings
        self.layer_of = {}
        yield e.word_embeddings, "", self.output("hook_embed")
        yield e.position_embeddings, "", lambda m, a, o: self.sites.__setitem__(
            "hook_pos_embed", o.reshape(-1, o.shape[-1]))
        if hasattr(e, "token_type_embeddings"):
            yield e.token_type_embeddings, "", lambda m, a, o: self.sites.__setitem__(
                "hook_token_type_embed", o.reshape(-1, o.shape[-1]))
        yield e.LayerNorm, "register_forward_pre_hook", self.norm_input("embed.ln")
        stack = self.base.encoder if hasattr(self.base, "encoder") else self.base.transformer
        for i, layer in enumerate(stack.layer):
            yield from self.hook_layer(i, layer)

    def run(self, ids):
        self.T = len(ids)
        with self.attached():
            out = self.model(input_ids=torch.tensor([ids]))
        last = self.nodes[f"blocks.{self.model.config.num_hidden_layers - 1}"
                          ".hook_normalized_resid_post"]
        if self.case.get("head"):
            rows = self.case["head"](self.model, last)
            assert (rows[0, 0] - out.logits[0]).abs().max() < 1e-6
        elif hasattr(out, "start_logits"):
            rows = torch.stack([out.start_logits, out.end_logits], -1)
        elif hasattr(out, "logits"):
            rows = out.logits
        else:
            mean = last[0].mean(0)
            return mean / mean.norm()
        self.keep("hook_logits", rows)
        return rows[0]


def record(case, model, ids):
    recorder = Recorder(model, case)
    out = recorder.run(ids)
    found = {"ids": torch.tensor(ids)}
    wanted = ["hook_embed"] + [n for n in recorder.nodes if n.startswith("blocks.") and
                               n.split(".", 2)[2] in sites.MORE_GRADIENTS]
    if "row" in case:
        row = out[case["row"]]
        target, foil = (int(i) for i in row.topk(2).indices)
        found |= {"row": torch.tensor([case["row"]]), "target": torch.tensor([target, foil])}
        values = {"grad.": (row[target], wanted),
                  "grad.logprob.": (row.log_softmax(-1)[target], ["hook_embed"]),
                  "grad.contrast.": (row[target] - row[foil], ["hook_embed"])}
    else:
        direction = torch.randn(out.shape, generator=torch.Generator().manual_seed(5))
        found |= {"direction": direction, "hook_embedding": out[None]}
        values = {"grad.direction.": ((out * direction).sum(), ["hook_embed"])}
    found |= recorder.sites
    for prefix, (value, names) in values.items():
        for name, g in recorder.gradients(value, names).items():
            found[prefix + name] = g
    return found


def publish(path, model, vocabulary):
    vocabulary.publish(path, model)
    config = json.loads((path / "tokenizer_config.json").read_text())
    config.pop("chat_template")
    if "MaskedLM" in type(model).__name__:
        config["mask_token"] = "<|special_5|>"
    (path / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
