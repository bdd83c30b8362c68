#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record kronfluence's EK-FAC scores on tiny published models, with labels that are recorded too.

    scripts/record-kronfluence.py

Writes tests/golden/influence/*.safetensors. Tensors, for a Fisher information `kind` that is
"empirical" (the labels of the data) or "sampled" (labels drawn from the model's answers):

  ids (N, T), queries (Q, T)   token ids; what each says next is its label
  drawn (N, T - 1)             the labels of `sampled`
  KIND.pairwise (Q, N), KIND.self (N)          with a tenth of the mean eigenvalue as damping
  KIND.tokens (Q, N, T)                        the parts of each position
  KIND.damped (Q, N)                           with DAMPING
  KIND.module.NAME (Q, N)                      the parts of each matrix, in glim's names
"""
import pathlib
import tempfile

import kronfluence
import torch
import transformers
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset

ROOT = pathlib.Path(__file__).resolve().parents[1] / "tests/golden"
MODELS = ["llama-biases", "llama"]
N, T, Q, DAMPING = 40, 12, 3, 1e-3
NAMES = {"mlp.gate_proj": "mlp.W_gate", "mlp.up_proj": "mlp.W_in", "mlp.down_proj": "mlp.W_out",
         "self_attn.q_proj": "attn.W_Q", "self_attn.k_proj": "attn.W_K",
         "self_attn.v_proj": "attn.W_V", "self_attn.o_proj": "attn.W_O"}
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__,
            "kronfluence": kronfluence.__version__}


class Rows(Dataset):
    def __init__(self, ids, drawn):
        self.ids, self.drawn = ids, drawn

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        return {"ids": self.ids[i], "drawn": self.drawn[i]}


class Language(Task):
    def loss(self, batch, model, labels):
        logits = model(input_ids=batch["ids"], use_cache=False).logits[:, :-1]
        return cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")

    def compute_train_loss(self, batch, model, sample=False):
        return self.loss(batch, model, batch["drawn"] if sample else batch["ids"][:, 1:])

    def compute_measurement(self, batch, model):
        return self.loss(batch, model, batch["ids"][:, 1:])

    def get_influence_tracked_modules(self):
        return [f"model.layers.{i}.{n}" for i in range(2) for n in NAMES]


def glim_name(module):
    layer, rest = module.removeprefix("model.layers.").split(".", 1)
    return f"blocks.{layer}.{NAMES[rest]}"


def scores(analyzer, rows, queries, kind, out):
    def one(name, per_module=False, per_token=False, damping=None):
        args = ScoreArguments(damping_factor=damping, compute_per_module_scores=per_module,
                              compute_per_token_scores=per_token)
        analyzer.compute_pairwise_scores(
            name, kind, queries, rows, per_device_query_batch_size=1, score_args=args,
            per_device_train_batch_size=8, overwrite_output_dir=True)
        return analyzer.load_pairwise_scores(name)

    out[f"{kind}.pairwise"] = one("plain")["all_modules"]
    out[f"{kind}.damped"] = one("damped", damping=DAMPING)["all_modules"]
    out[f"{kind}.tokens"] = one("tokens", per_token=True)["all_modules"]
    for module, s in one("modules", per_module=True).items():
        out[f"{kind}.module.{glim_name(module)}"] = s
    analyzer.compute_self_scores("self", kind, rows, per_device_train_batch_size=8,
                                 score_args=ScoreArguments(damping_factor=None),
                                 overwrite_output_dir=True)
    out[f"{kind}.self"] = analyzer.load_self_scores("self")["all_modules"]


def record(name):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        ROOT / "models/published" / name, dtype=torch.float32, attn_implementation="eager").eval()
    torch.manual_seed(5)
    V = model.config.vocab_size
    ids = torch.randint(8, V - 8, (N, T))
    asked = torch.randint(8, V - 8, (Q, T))
    asked[0, :6] = ids[7, :6]
    with torch.no_grad():
        p = model(input_ids=ids).logits[:, :-1].softmax(-1)
    drawn = torch.multinomial(p.flatten(0, 1), 1).view(N, T - 1)
    out = {"ids": ids.int(), "queries": asked.int(), "drawn": drawn.int()}
    rows, queries = Rows(ids, drawn), Rows(asked, asked[:, 1:])
    task = Language()
    model = prepare_model(model, task)
    with tempfile.TemporaryDirectory() as folder:
        analyzer = Analyzer("tiny", model, task, cpu=True, output_dir=folder,
                            disable_tqdm=True)
        for kind in ("empirical", "sampled"):
            args = FactorArguments(strategy="ekfac", use_empirical_fisher=kind == "empirical")
            analyzer.fit_all_factors(kind, rows, per_device_batch_size=8, factor_args=args,
                                     overwrite_output_dir=True)
            scores(analyzer, rows, queries, kind, out)
    out = {k: v.contiguous() if not v.is_floating_point() else v.float().contiguous()
           for k, v in out.items()}
    (ROOT / "influence").mkdir(exist_ok=True)
    save_file(out, ROOT / f"influence/kronfluence-{name}.safetensors", metadata=VERSIONS)
    print(name, {k: tuple(v.shape) for k, v in out.items() if "module" not in k})
    print(out["sampled.pairwise"][0, :10], out["sampled.self"][:10])


if __name__ == "__main__":
    for each in MODELS:
        record(each)
