#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The memory that --dry-run names is enough: every command runs within just that."""
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
CACHE = pathlib.Path(os.environ.get("GLIM_CACHE") or
                     (os.environ.get("XDG_CACHE_HOME") or "~/.cache") + "/glim").expanduser()
TEXT = "Hello small world, hello again"
LONG = ("The old bridge had been closed since the flood, and the people of the valley went the "
        "long way round by the mill. ")
PROMPT = str(ROOT / "tests/golden/prompt.txt")
TINY = ["llama", "gemma2", "gemma3", "gpt2", "chatglm", "glm4moe-q8_0"]
REAL = ["SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-Q4_K_M.gguf"]

EXPLAIN = [
    ["--method", "gradient"],
    ["--method", "gradient", "--output", "prob"],
    ["--method", "input-x-gradient", "--generate", "5"],
    ["--method", "integrated-gradients", "--refine", "none", "--steps", "6"],
    ["--method", "integrated-gradients", "--refine", "none", "--steps", "6", "--generate", "5"],
    ["--method", "integrated-gradients", "--refine", "adaptive", "--max-steps", "60"],
    ["--method", "integrated-gradients", "--baseline", "mean", "--steps", "7", "--max-steps", "20"],
    ["--method", "smoothgrad", "--n-samples", "5"],
    ["--method", "occlusion"],
    ["--method", "occlusion", "--generate", "5"],
    ["--method", "occlusion", "--absent", "mean"],
    ["--method", "occlusion", "--absent", "attention", "--window", "2"],
    ["--method", "occlusion", "--absent", "mask", "--continuation", " and so on"],
    ["--method", "shapley", "--pairs", "2", "--generate", "3"],
    ["--method", "kernel-shap", "--n-samples", "40"],
    ["--method", "owen", "--max-evals", "40", "--generate", "3"],
    ["--method", "lime", "--num-samples", "40"],
]
ATTENTION = [
    ["--method", "attention"],
    ["--method", "attention", "--generate", "5", "--sink", "renormalise"],
    ["--method", "attention-rollout"],
    ["--method", "attention-rollout", "--generate", "5"],
    ["--method", "attention-flow"],
    ["--method", "attention-gradient"],
    ["--method", "attention-gradient", "--generate", "5", "--output", "logit"],
    ["--method", "attention-norm", "--generate", "5"],
    ["--method", "weighted-sum"],
    ["--method", "value-zeroing", "--generate", "2"],
]
WALKS = [
    ["--method", "owen", "--max-evals", "5000", "--fixed-context", "0"],
    ["--method", "expected-gradients", "--n-samples", "9"],
    ["--method", "expected-gradients", "--n-samples", "4", "--backgrounds", "2", "--generate", "5"],
    ["--method", "lrp", "--accept-patent-note", "--output", "logit"],
    ["--method", "lrp", "--accept-patent-note", "--rule", "cp", "--generate", "5"],
    ["--method", "guided-backprop", "--rule", "deconvnet"],
    ["--method", "reagent", "--probes", "2", "--max-steps", "1", "--generate", "2"],
]
LABELS = [
    ["--labels", "a,bc de,bc df", "--prompt-file", PROMPT],
    ["--labels", "a,bc de,bc df", "--prompt-file", PROMPT, "--absent", "mean", "--method",
     "occlusion"],
    ["--labels", "a,bc de,bc df", "--prompt-file", PROMPT, "--method", "shapley", "--pairs", "2"],
    ["--labels", "a,bc de,bc df", "--prompt-file", PROMPT, "--method", "gradient"],
    ["--labels", "a,b", "--prompt-file", PROMPT, "--method", "integrated-gradients", "--refine",
     "none", "--steps", "6", "--against", "b", "--target", "a"],
]
SITES = ["blocks.*.hook_resid_post", "blocks.*.attn.hook_*", "hook_logits", "*"]


def run(*args):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=300)


class Memory(unittest.TestCase):
    def within_plan(self, *args):
        """Asks for the plan, runs within it."""
        asked = run(*args, "--dry-run", *([] if args[0] == "capture" else ["--json"]))
        self.assertEqual(asked.returncode, 0, asked.stderr.decode())
        if args[0] == "capture":
            least = int(re.search(rb"memory +(\d+) MiB", asked.stdout)[1]) << 20
        else:
            least = json.loads(asked.stdout)["bytes"]
        for more in (0, 5 << 20):
            r = run(*args, "--memory", least + more, "--quiet")
            self.assertEqual(r.returncode, 0, f"{least} + {more}: {r.stderr.decode()}")
        return least

    def check(self, model, text, explain=None, sites=SITES):
        with tempfile.TemporaryDirectory() as folder:
            out = f"{folder}/out.safetensors"
            for options in explain or EXPLAIN + LABELS:
                with self.subTest(model=model.name, options=options):
                    self.within_plan("explain", "-m", model, *options, text)
            for site in sites:
                for grad in ([], ["--grad"]):
                    with self.subTest(model=model.name, site=site, grad=grad):
                        self.within_plan("capture", "-m", model, "--site", site, "-o", out, *grad,
                                         text)
            for command in (["predict"], ["predict", "--raw", f"{folder}/raw.npy"],
                            ["generate", "--tokens", "9"]):
                with self.subTest(model=model.name, command=command):
                    self.within_plan(command[0], "-m", model, *command[1:], text)

    def test_tiny_models(self):
        for name in TINY:
            self.check(MODELS / f"{name}.gguf", TEXT)

    def test_attention(self):
        for model, text in ((MODELS / "llama.gguf", TEXT), (MODELS / "gemma3.gguf", TEXT),
                            (MODELS / "stacks/marian", "the house and the river"),
                            (MODELS / "stacks/t5.gguf", TEXT),
                            (MODELS / "published/bert-classes", TEXT)):
            for options in ATTENTION:
                encoder = model.name == "bert-classes"
                with self.subTest(model=model.name, options=options):
                    self.within_plan("explain", "-m", model,
                                     *(options[:2] if encoder else options), text)

    def test_evaluations(self):
        for options in ([], ["--method", "integrated-gradients", "--refine", "none", "--steps", "6"],
                        ["--generate", "3", "--draws", "200"]):
            with self.subTest(options=options):
                self.within_plan("evaluate", "-m", MODELS / "gemma3.gguf", *options, TEXT)

    def test_walks_by_rules_and_other_words(self):
        models = [(MODELS / f"{name}.gguf", TEXT, WALKS) for name in TINY]
        models.append((MODELS / "stacks/marian", "the house and the river", WALKS[3:6:2]))
        for net in ("mobilenet-v2", "efficientnet-lite"):
            picture = ROOT / "tests/golden/images/pictures/small.jpg"
            models.append((ROOT / "tests/golden/images" / net, picture,
                           [["--patch", "8", *w] for w in WALKS[1:6:2]]))
        for model, text, walks in models:
            for options in walks:
                with self.subTest(model=model.name, options=options):
                    self.within_plan("explain", "-m", model, *options, text)

    def test_encoder_decoders(self):
        stacks = MODELS / "stacks"
        self.check(stacks / "marian", "the house and the river", EXPLAIN[::3], ["hook_logits", "*"])
        self.check(stacks / "t5.gguf", LONG, EXPLAIN[:9:4], ["*attn.hook_*"])

    def rows(self, path, n, classes):
        """A table whose columns are numbers and words."""
        draw = random.Random(n)
        with open(path, "w", encoding="utf-8") as f:
            f.write("a,b,where,y\n")
            for _ in range(n):
                a, b, where = draw.random(), draw.random(), draw.choice(("east", "west", "north"))
                y = a - 2 * b + (where == "east") + draw.random()
                f.write(f"{a:.4f},{b:.4f},{where},{('no', 'yes')[y > 0] if classes else f'{y:.4f}'}\n")
        return path

    def test_memory_does_not_grow_with_training_samples(self):
        with tempfile.TemporaryDirectory() as folder:
            for classes in (False, True):
                few = self.rows(f"{folder}/few.csv", 20000, classes)
                many = self.rows(f"{folder}/many.csv", 200000, classes)
                options = ["--label", "y", *(["--table", few, "--row", "3"] if classes else [])]
                least = self.within_plan("influence", "--train", few, *options)
                peaks = []
                for path in (few, many):
                    r = run("influence", "--train", path, *options, "--json", "--memory",
                            least + (1 << 20), "-q")
                    self.assertEqual(r.returncode, 0, r.stderr.decode())
                    answer = json.loads(r.stdout)
                    peaks.append(answer["cost"]["peak_bytes"])
                self.assertEqual(answer["train"]["samples"], 200000)
                self.assertLess(peaks[1] - peaks[0], 200000)  # a byte a sample

    def test_influence(self):
        with tempfile.TemporaryDirectory() as folder:
            table = self.rows(f"{folder}/a.csv", 3000, True)
            for options in ([], ["--table", table, "--row", "2", "--check", "4", "--group", "where"],
                            ["--method", "diagnostics", "--dfbetas"],
                            ["--label", "where", "--columns", "a,b"]):
                with self.subTest(options=options):
                    self.within_plan("influence", "--train", table,
                                     *([] if "--label" in options else ["--label", "y"]), *options)
            texts = pathlib.Path(f"{folder}/t.csv")
            texts.write_text("text,label\n" + "".join(
                f"{LONG[:9 + 3 * (i % 9)]},{'xy'[i % 2]}\n" for i in range(40)))
            head, bert = f"{folder}/t.fit", MODELS / "published/bert-embed"
            self.assertEqual(run("fit", "-m", bert, "--data", texts, "--strength", "1", "-o",
                                 head).returncode, 0)
            self.within_plan("influence", "-m", bert, "--predictor", f"fit:{head}", "--train",
                             texts, "the old bridge")
            for method in ("loss", "similarity", "gradient-cosine", "datainf", "trak", "ekfac"):
                with self.subTest(method=method):
                    self.within_plan("influence", "-m", MODELS / "llama.gguf", "--train", texts,
                                     "--method", method, TEXT)

    def real(self, name):
        path = CACHE / name
        if not path.exists():
            self.assertFalse(os.environ.get("CI") or os.environ.get("GLIM_REQUIRE_MODELS"),
                             f"{path} is not here (scripts/fetch)")
            self.skipTest(f"{path} is not here (scripts/fetch)")
        return path

    def test_a_real_model(self):
        self.check(self.real(REAL[0]), TEXT, EXPLAIN[:5:4] + EXPLAIN[9::9] + LABELS[:1] + ATTENTION[1:2],
                   ["hook_logits", "*"])

    def test_a_large_vocabulary(self):
        self.check(self.real(REAL[1]), TEXT, EXPLAIN[1:2] + EXPLAIN[9:10], ["hook_logits"])

    def test_a_long_text(self):
        path = self.real(REAL[0])
        for options in (EXPLAIN[0], ATTENTION[2]):
            with self.subTest(options=options):
                self.within_plan("explain", "-m", path, *options, LONG * 12)


if __name__ == "__main__":
    unittest.main()
