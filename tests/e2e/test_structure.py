#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim lens, glim patch and glim explain --why: documents, forms, every kind of model, and what is refused."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA, GPT2, GLM = (str(MODELS / name) for name in ("llama.gguf", "gpt2.gguf", "glm4.gguf"))
BERT, FILL, MARIAN = (str(MODELS / name) for name in ("published/bert-classes", "published/bert-fill", "stacks/marian"))
SCHEMA = json.loads((ROOT / "docs/schema/glim.explanation-1.schema.json").read_text())
TEXT, OTHER = "Hello small world, hello again", "Hello shall world, hello again"


def run(*args, timeout=120):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, text=True, timeout=timeout)


class Structure(unittest.TestCase):
    def ok(self, *args):
        r = run(*args)
        self.assertEqual(r.returncode, 0, f"{args}: {r.stderr}")
        return r.stdout

    def document(self, *args):
        d = json.loads(self.ok(*args, "--json"))
        jsonschema.validate(d, SCHEMA)
        return d, {p["name"]: p for p in d["panels"]}

    def refused(self, code, *args, says):
        r = run(*args)
        self.assertEqual(r.returncode, code, r.stderr)
        self.assertIn(says, r.stderr)
        self.assertEqual(r.stdout, "")

    def test_lens(self):
        for model in (LLAMA, GPT2, GLM, MARIAN):
            d, panels = self.document("lens", "-m", model, "--direct", TEXT)
            self.assertEqual(d["kind"], "lens")
            grid = panels["lens"]
            self.assertEqual(grid["rows"]["labels"][-1], "embed")
            self.assertEqual(set(panels["lens-rank"]["values"][0]), {1})
            parts = [x for row in panels["direct"]["values"] for x in row if x is not None]
            if model != MARIAN:  # whose target is all that it writes
                rest = d["checks"]["values"]["direct_residual"]["value"]
                self.assertAlmostEqual(sum(parts) + rest, d["target"]["value"], 3)
            self.assertEqual(len(panels["direct-neurons"]["cells"]), 10)
        d, panels = self.document("lens", "-m", FILL, "a <|special_5|> film")
        self.assertNotIn("direct", panels)
        d, panels = self.document("lens", "-m", LLAMA, "--first", 2, "--count", 3, TEXT)
        self.assertEqual(len(panels["lens"]["columns"]["labels"]), 3)
        self.assertIn("embed", self.ok("lens", "-m", LLAMA, TEXT))
        plan = json.loads(self.ok("lens", "-m", LLAMA, TEXT, "--dry-run", "--json"))
        self.assertEqual(plan["schema"], "glim.plan/1")
        self.refused(2, "lens", "-m", BERT, TEXT, says="writes no tokens")
        self.refused(2, "lens", "-m", BERT, TEXT, "--direct", says="writes no tokens")
        self.refused(2, "lens", "-m", LLAMA, "--first", 999, TEXT, says="positions")

    def test_tuned_lens(self):
        with tempfile.TemporaryDirectory() as d:
            text, out = pathlib.Path(d) / "text.txt", pathlib.Path(d) / "lens.safetensors"
            text.write_text("the small world says hello again to all of us, " * 300)
            self.assertIn("translators are used", self.ok("lens", "-m", LLAMA, "--fit", text, "--out", out))
            doc, panels = self.document("lens", "-m", LLAMA, "--tuned", out, TEXT)
            self.assertEqual(doc["method"]["name"], "tuned-lens")
            self.refused(2, "lens", "-m", GPT2, "--tuned", out, TEXT, says="another model")
            self.refused(2, "lens", "-m", LLAMA, "--fit", text, says="--out")
            out.write_bytes(out.read_bytes()[:1000])
            self.refused(3, "lens", "-m", LLAMA, "--tuned", out, TEXT, says="lens.safetensors")
            self.refused(3, "lens", "-m", LLAMA, "--fit", text, "--out", "/dev/full/x", says="/dev/full")

    def test_patch(self):
        for model in (LLAMA, GPT2, GLM, BERT):
            d, panels = self.patch(model)
            self.assertEqual(d["kind"], "patch")
            self.assertTrue({"inputs", "resid_pre", "attn_out", "mlp_out", "z", "strongest"} <= set(panels))
            first = panels["resid_pre"]["values"][-1]
            same = [a == b for a, b in zip(*(t["values"] for t in panels["inputs"]["texts"]))]
            self.assertTrue(any(x is not None for x in first) and same)
        self.refused(2, "patch", "-m", LLAMA, TEXT, says="--corrupt")
        self.refused(2, "patch", "-m", LLAMA, "--corrupt", OTHER, "--site", "residpre", TEXT, says="residpre")
        self.refused(2, "patch", "-m", LLAMA, "--corrupt", TEXT, TEXT, says="too near")
        self.refused(2, "patch", "-m", LLAMA, "--subject", "world", "--noise", TEXT, says="--corrupt")
        self.refused(2, "patch", "-m", LLAMA, "--subject", "nowhere", TEXT, says="nowhere")

    def patch(self, model, *more):
        """A target whose value differs between the two inputs: of the few likeliest."""
        outputs = json.loads(self.ok("predict", "-m", model, TEXT, "--json", "--top", 20))["outputs"]
        other = "Bad bad bad, never again" if model == BERT else OTHER
        for o in outputs:
            args = ["patch", "-m", model, "--corrupt", other, "--target", o["text"], *more, TEXT]
            r = run(*args, "--json")
            if r.returncode == 0:
                d = json.loads(r.stdout)
                jsonschema.validate(d, SCHEMA)
                return d, {p["name"]: p for p in d["panels"]}
        self.fail(r.stderr)

    def test_both_ways_and_guesses(self):
        _, clean = self.patch(LLAMA)
        _, noise = self.patch(LLAMA, "--noise")
        self.assertNotEqual(clean["resid_pre"]["values"], noise["resid_pre"]["values"])
        d, guess = self.patch(LLAMA, "--estimate", "--check", 5)
        self.assertEqual(guess["strongest"]["columns"]["labels"][-1], "exact")
        self.assertEqual(len(guess["strongest"]["cells"]), 5)
        self.assertIn("estimate_agreement", d["checks"]["values"])
        d, paths = self.patch(LLAMA, "--path", "blocks.0.attn.hook_z[1] -> logits", "--path",
                              "blocks.0.hook_mlp_out -> blocks.1.attn.hook_q[0]")
        self.assertEqual(len(paths["paths"]["cells"]), 2)

    def test_translations(self):
        d, panels = self.document("patch", "-m", MARIAN, "--corrupt", "the dog is old", "--continuation",
                                  "die Katze ist alt", "the cat is old")
        self.assertIn("encoder-resid_pre", panels)
        self.assertEqual(len(panels["encoder-resid_pre"]["rows"]["labels"]), 2)

    def test_tracing_and_ablation(self):
        target = json.loads(self.ok("predict", "-m", LLAMA, TEXT, "--json"))["outputs"][0]["text"]
        r = run("patch", "-m", LLAMA, "--subject", "small", "--draws", 3, "--target", target, TEXT, "--json")
        self.assertIn(r.returncode, (0, 2), r.stderr)  # noise need not move a random model
        if r.returncode == 0:
            self.assertIn("resid_pre", {p["name"] for p in json.loads(r.stdout)["panels"]})
        with tempfile.TemporaryDirectory() as d:
            lines = pathlib.Path(d) / "lines.txt"
            lines.write_text("one small step\nanother world again\n")
            for how in ("mean", "zero", "resample"):
                _, panels = self.document("patch", "-m", LLAMA, "--ablate", how, "--data", lines, TEXT)
                self.assertIn("ablated-heads", panels)
        self.refused(2, "patch", "-m", LLAMA, "--ablate", "resample", TEXT, says="--data")

    def test_why(self):
        outputs = json.loads(self.ok("predict", "-m", LLAMA, TEXT, "--json", "--top", 20))["outputs"]
        a, b = [o["text"] for o in outputs if o["text"].isascii() and o["text"].strip().isalnum()][:2]
        d, panels = self.document("explain", "-m", LLAMA, "--why", a, "--not", b, TEXT)
        self.assertEqual(d["target"]["against"], b)
        self.assertTrue({"lens-target", "lens-top", "direct", "direct-heads", "direct-tokens", "ablated",
                         "ablated-heads"} <= set(panels))
        self.assertTrue(d["scores"])
        html = pathlib.Path(tempfile.gettempdir()) / f"why-{os.getpid()}.html"
        self.ok("explain", "-m", LLAMA, "--why", a, "--not", b, TEXT, "--html", html)
        self.assertIn("Direct parts", html.read_text())
        html.unlink()
        d, panels = self.document("explain", "-m", BERT, "--why", "bad", TEXT)
        self.assertIn("ablated", panels)
        self.assertTrue(any("no lens" in n for n in d["notes"]))
        self.refused(2, "explain", "-m", LLAMA, "--not", b, TEXT, says="--why")
        self.refused(2, "explain", "-m", LLAMA, "--why", a, "--target", b, TEXT, says="--target")

    def test_neurons(self):
        d, panels = self.document("lens", "-m", LLAMA, "--neuron", "1:3,0:5", "--neuron", "1:0", "--top", 2)
        self.assertEqual((d["kind"], d["input"]["text"], d["scores"]), ("structure", "", None))
        says = panels["neurons-say"]["cells"]
        self.assertEqual([row[0] for row in says[::2]], ["1:3", "0:5", "1:0"])
        self.assertTrue(says[0][2] >= says[1][2] > 0 > says[1][4] >= says[0][4])
        self.assertEqual(len(panels["neurons-read"]["cells"]), 6)
        self.assertIn("Tokens that neurons say", self.ok("lens", "-m", GPT2, "--neuron", "0:1"))
        self.refused(2, "lens", "-m", LLAMA, "--neuron", "1-3", says="LAYER:NUMBER")
        self.refused(2, "lens", "-m", LLAMA, "--neuron", "9:3", says="there is no block 9")
        self.refused(2, "lens", "-m", LLAMA, "--neuron", "1:3", TEXT, says="takes no text")
        self.refused(2, "lens", "-m", BERT, "--neuron", "0:1", says="writes no tokens")

    def test_heads(self):
        with tempfile.TemporaryDirectory() as where:
            html = pathlib.Path(where) / "heads.html"
            d, panels = self.document("attention", "-m", GPT2, "--detect", "--length", 12, "--draws", 2, "--html", html)
            self.assertIn("归纳头", self.report_in_chinese(d, where))
            self.assertIn("Heads that look at the token before", html.read_text(encoding="utf-8"))
        self.assertEqual((d["kind"], d["method"]["params"]), ("structure", {"length": 12, "draws": 2}))
        for name in ("previous", "duplicate", "induction"):
            grid = panels["heads-" + name]
            self.assertTrue(all(0 <= x <= 1 for row in grid["values"] for x in row))
            best = max((x, -i, j) for i, row in enumerate(grid["values"]) for j, x in enumerate(row))
            first = next(row for row in panels["heads"]["cells"] if row[0] == name)
            self.assertAlmostEqual(first[2], best[0], 6)
        again, same = self.document("attention", "-m", GPT2, "--detect", "--length", 12, "--draws", 2, "--threads", 1)
        self.assertEqual(same, panels)
        plan = json.loads(self.ok("attention", "-m", GPT2, "--detect", "--dry-run", "--json"))
        self.assertGreater(plan["forward_tokens"], 100)
        self.refused(2, "attention", "-m", GPT2, "--detect", TEXT, says="takes no text")
        self.refused(2, "attention", "-m", MARIAN, "--detect", says="one run of tokens")
        self.refused(3, "attention", "-m", GPT2, "--detect", "--length", 1000, says="context")

    def report_in_chinese(self, document, where):
        saved, html = pathlib.Path(where) / "d.json", pathlib.Path(where) / "d.html"
        saved.write_text(json.dumps(document))
        self.ok("view", saved, "--html", html, "--lang", "zh-CN")
        return html.read_text(encoding="utf-8")

    def test_same_bits_for_any_number_of_threads(self):
        one = json.loads(self.ok("patch", "-m", LLAMA, "--ablate", "mean", TEXT, "--threads", 1, "--json"))
        two = json.loads(self.ok("patch", "-m", LLAMA, "--ablate", "mean", TEXT, "--threads", 2, "--json"))
        self.assertEqual(one["panels"], two["panels"])

    def test_small_memory_is_an_error(self):
        self.refused(4, "patch", "-m", LLAMA, "--corrupt", OTHER, TEXT, "--memory", "1M", says="--memory")


if __name__ == "__main__":
    unittest.main()
