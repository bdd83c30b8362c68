#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""EK-FAC of glim and of kronfluence on one small transformer: factors and pairwise scores.

    bench/ekfac.py [TOKENS [WIDTH]]

Needs kronfluence, transformers and torch, and build/release/bench/bench_ekfac. Both have
one thread, the same weights, tokens and labels. Times are processor seconds of factors and
scores together, memory is the most that the process had.
"""
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import warnings

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "build/release/bench/bench_ekfac"
N, Q, LAYERS = 256, 8, 4
MODULES = ["gate_proj", "up_proj", "down_proj"]


def make(folder, T, width):
    import numpy as np
    import torch
    import transformers
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=LAYERS,
        num_attention_heads=8, num_key_value_heads=4, vocab_size=300, max_position_embeddings=128,
        tie_word_embeddings=True, initializer_range=0.05)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "tests/golden/models/published/llama" / name, folder)
    rng = np.random.default_rng(2)
    rng.integers(8, 292, (N + Q, T)).astype("<i4").tofile(f"{folder}/ids.bin")


def peer(folder, T):
    import numpy as np
    import torch
    import transformers
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task
    from torch.nn.functional import cross_entropy
    from torch.utils.data import TensorDataset
    torch.set_num_threads(1)

    class Language(Task):
        def compute_train_loss(self, batch, model, sample=False):
            logits = model(input_ids=batch[0], use_cache=False).logits[:, :-1]
            return cross_entropy(logits.flatten(0, 1), batch[0][:, 1:].flatten(), reduction="sum")

        def compute_measurement(self, batch, model):
            return self.compute_train_loss(batch, model)

        def get_influence_tracked_modules(self):
            return [f"model.layers.{i}.mlp.{m}" for i in range(LAYERS) for m in MODULES]

    ids = torch.from_numpy(np.fromfile(f"{folder}/ids.bin", "<i4").astype(int)).view(N + Q, T)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    task = Language()
    model = prepare_model(model, task)
    idle = resource.getrusage(resource.RUSAGE_SELF)
    analyzer = Analyzer("bench", model, task, cpu=True, output_dir=f"{folder}/kept",
                        disable_tqdm=True)
    analyzer.fit_all_factors("f", TensorDataset(ids[:N]), per_device_batch_size=16,
                             factor_args=FactorArguments(use_empirical_fisher=True))
    analyzer.compute_pairwise_scores("s", "f", TensorDataset(ids[N:]), TensorDataset(ids[:N]),
                                     per_device_query_batch_size=Q, per_device_train_batch_size=16,
                                     score_args=ScoreArguments(damping_factor=None))
    used = resource.getrusage(resource.RUSAGE_SELF)
    scores = analyzer.load_pairwise_scores("s")["all_modules"]
    scores.numpy().astype("<f4").tofile(f"{folder}/peer.bin")
    print(json.dumps({"seconds": used.ru_utime - idle.ru_utime, "most": used.ru_maxrss / 1024,
                      "idle": idle.ru_maxrss / 1024}))


def main(T, width):
    import numpy as np
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "make", folder, str(T), str(width)], check=True,
                       capture_output=True)
        out = subprocess.run([sys.executable, __file__, "peer", folder, str(T)], check=True,
                             capture_output=True, text=True).stdout
        other = json.loads(out.strip().splitlines()[-1])
        out = subprocess.run([BENCH, folder, str(N), str(T), str(Q)], check=True,
                             capture_output=True, text=True).stdout
        found = re.search(r"(\S+) s of factors, (\S+) s of scores, (\S+) MiB", out)
        factors, scores, most = map(float, found.groups())
        a = np.fromfile(f"{folder}/glim.bin", "<f4")
        b = np.fromfile(f"{folder}/peer.bin", "<f4")
        off = np.abs(a - b).max() / np.abs(b).max()
        print(f"**EK-FAC, {LAYERS} layers of {width} and {4 * width}, {N} samples of {T} tokens, "
              f"{Q} queries, one thread**\n")
        print("| | glim | kronfluence | ratio |\n|---|--:|--:|--:|")
        print(f"| processor time | {factors + scores:.1f} s | {other['seconds']:.1f} s | "
              f"{other['seconds'] / (factors + scores):.1f} |")
        print(f"| memory | {most:.0f} MiB | {other['most']:.0f} MiB ({other['idle']:.0f} before it "
              f"begins) | {other['most'] / most:.1f} |")
        print(f"\nScores differ by {off:.1e} of the largest; glim's factors took {factors:.1f} s.")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["make"]:
        make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] == ["peer"]:
        peer(sys.argv[2], int(sys.argv[3]))
    else:
        main(*(int(x) for x in sys.argv[1:3] + ["32", "256"][len(sys.argv) - 1:]))
