#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim compare as a user meets it: methods beside each other, and two models."""
import csv
import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np
import scipy.stats
from browser import AXE, Browser, glim
from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA = MODELS / "llama.gguf"
# one model in three quantisations; llama-q4_0 is another
F16, Q8, Q5, Q4 = (MODELS / f"llama-{n}.gguf" for n in ("f16", "q8_0", "q5_1", "q4_0"))
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
TEXT = "Hello small world, hello again"
SCHEMA, PLAN = (json.loads((ROOT / f"docs/schema/glim.{n}-1.schema.json").read_text())
                for n in ("comparison", "plan"))
SLOW = """
import json, sys, time
import pathlib
asked = 0
for line in sys.stdin:
    q = json.loads(line)
    texts = q["inputs"]
    time.sleep(0.01)
    asked += 1
    if asked == 8:
        pathlib.Path(__file__ + ".seen").write_text("")
    print(json.dumps({"outputs": [[len(t) / 100, 1 - len(t) / 100] for t in texts],
                      "classes": ["a", "b"], "scale": "prob"}), flush=True)
"""


def run(*args, **more):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                          env=dict(os.environ, LC_ALL="C.UTF-8"), **more)


class Case(unittest.TestCase):
    def ok(self, *args):
        r = run(*args)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def compared(self, *args):
        c = json.loads(self.ok("compare", "--json", "-q", *args))
        Draft202012Validator.check_schema(SCHEMA)
        Draft202012Validator(SCHEMA).validate(c)
        return c

    def file(self, name, text):
        path = os.path.join(self.folder.name, name)
        pathlib.Path(path).write_text(text, encoding="utf-8")
        return path

    def texts(self, n):
        return self.file(f"{n}.csv", "text\n" + "".join(
            f'"Hello {"small " * (i % 3)}world number {i}, hello again"\n' for i in range(n)))

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def refused(self, *args, says):
        r = run("compare", *args)
        self.assertEqual(r.returncode, 2, r.stderr.decode())
        self.assertIn(says, r.stderr.decode())


class Methods(Case):
    def test_scores_are_those_of_explain(self):
        c = self.compared("-m", LLAMA, "--methods", "occlusion,gradient,shapley", TEXT)
        self.assertEqual([r["method"] for r in c["runs"]], ["occlusion", "gradient", "shapley"])
        for r in c["runs"]:
            alone = json.loads(self.ok("explain", "-m", LLAMA, "--method", r["method"], "--json",
                                       "-q", TEXT))
            told = [s if isinstance(s, (int, float)) else None for s in r["scores"]]
            np.testing.assert_allclose(told, np.ravel(alone["scores"]), rtol=1e-6)
            best = max(range(len(told)),
                       key=lambda u: told[u] if r["signed"] else abs(told[u]))
            self.assertEqual(r["top"][0], best)

    def test_agreement_is_a_symmetric_table_with_ones_on_its_diagonal(self):
        c = self.compared("-m", LLAMA, TEXT)
        n = len(c["runs"])
        self.assertGreater(n, 5)
        for name in ("kendall", "jaccard", "rbo"):
            m = np.array(c["agreement"][name], dtype=float)
            self.assertEqual(m.shape, (n, n))
            np.testing.assert_allclose(m, m.T, atol=1e-12)
            np.testing.assert_allclose(np.diag(m), 1, atol=1e-12)

    def test_tau_is_that_of_all_pairs(self):
        c = self.compared("-m", LLAMA, "--methods", "occlusion,shapley", TEXT)
        a, b = (r["scores"] for r in c["runs"])
        pairs = [(i, k) for i in range(len(a)) for k in range(i)]
        tau = sum(np.sign(a[i] - a[k]) * np.sign(b[i] - b[k]) for i, k in pairs) / len(pairs)
        self.assertAlmostEqual(c["agreement"]["kendall"][0][1], tau, 9)
        flips = sum(x * y < 0 for x, y in zip(a, b))
        self.assertEqual(c["agreement"]["sign_flips"][0][1], flips)

    def test_what_costs_too_much_is_left_out_with_the_reason_unless_it_is_named(self):
        c = self.compared("-m", LLAMA, "--passes", "20", TEXT)
        left = {x["method"]: x["why"] for x in c["left_out"]}
        self.assertIn("above --passes 20", left["lime"])
        self.assertIn("--accept-patent-note", left["lrp"])
        self.assertNotIn("lime", [r["method"] for r in c["runs"]])
        named = self.compared("-m", LLAMA, "--passes", "20", "--methods", "lime,gradient", TEXT)
        self.assertEqual(len(named["runs"]), 2)

    def test_terminal_fits_and_csv_stands_side_by_side(self):
        page = self.ok("compare", "-m", LLAMA, "--width", "80", TEXT)
        self.assertLessEqual(max(map(len, page.splitlines())), 80)
        self.assertIn("occlusion", page)
        with tempfile.TemporaryDirectory() as d:
            file = pathlib.Path(d) / "c.csv"
            self.ok("compare", "-m", LLAMA, "--methods", "occlusion,gradient", "--csv", file, TEXT)
            with open(file, newline="", encoding="utf-8") as f:
                rows = list(csv.DictReader(f))
        self.assertEqual("".join(r["text"] for r in rows), TEXT)
        self.assertTrue(all(float(r["gradient"]) >= 0 for r in rows))

    def test_slips_are_told(self):
        self.refused("-m", LLAMA, "--methods", "occlusion,occlusion", TEXT, says="twice")
        self.refused("-m", LLAMA, "--methods", "oclusion", TEXT, says="no method 'oclusion'")
        self.refused("-m", LLAMA, "--methods", "occlusion", TEXT, says="not two methods")
        self.refused("-m", LLAMA, "--methods", "lrp,gradient", TEXT, says="--accept-patent-note")
        self.refused("-m", LLAMA, "--method", "gradient", TEXT, says="--other")

    def test_a_black_box_is_asked_by_methods_that_need_no_more(self):
        box = f"process:{sys.executable} {ROOT / 'examples/predictors/naive_bayes.py'}"
        c = self.compared("--predictor", box, "a fine film")
        self.assertIn("shapley", [r["method"] for r in c["runs"]])
        self.assertNotIn("gradient", [r["method"] for r in c["runs"]])
        self.refused("--predictor", box, "--other", LLAMA, "a fine film", says="--other")


    def test_targets_are_compared_each_and_their_mean_is_told(self):
        for model, args in ((LLAMA, ["--generate", "3", TEXT]),
                            (MODELS / "stacks/marian", ["the cat is red"])):
            c = self.compared("-m", model, "--methods", "occlusion,gradient", *args)
            self.assertGreater(len(c["rows"]), 2)
            self.assertEqual("".join(r["text"] for r in c["rows"]).strip(),
                             c["target"]["text"].strip())
            taus = []
            for r, row in enumerate(c["rows"]):
                a, b = (np.array([x[r] for x in [q["scores"]]][0], dtype=float) for q in c["runs"])
                told = ~np.isnan(a)
                tau = scipy.stats.kendalltau(abs(a[told]), abs(b[told])).statistic
                self.assertAlmostEqual(row["kendall"][0][1], tau, 9)
                taus.append(tau)
            self.assertAlmostEqual(c["agreement"]["kendall"][0][1], np.mean(taus), 9)
        self.assertIn("Target by target", self.ok("compare", "-m", model, "--methods",
                                                  "occlusion,gradient", *args))

    def test_methods_over_inputs_differ_by_a_paired_bootstrap(self):
        c = self.compared("-m", LLAMA, "--methods", "occlusion,gradient,shapley", "--data",
                          self.texts(8))
        many = c["many"]
        self.assertEqual((many["compared"], many["failed"], many["empty"]), (8, 0, 0))
        self.assertFalse(many["enough_to_rank"])
        self.assertEqual([j["metric"] for j in many["judged"]],
                         ["aopc-comprehensiveness", "aopc-sufficiency"])
        for j in many["judged"]:
            alone = json.loads(self.ok("evaluate", "-m", LLAMA, "--method", "occlusion",
                                       "--metrics", j["metric"], "--data", self.texts(8),
                                       "--json", "-q"))
            self.assertAlmostEqual(j["means"][0]["mean"], alone["measures"][0]["value"], 9)
            self.assertEqual([(d["first"], d["second"]) for d in j["differences"]],
                             [(0, 1), (0, 2), (1, 2)])
            for d in j["differences"]:
                means = [j["means"][d[k]]["mean"] for k in ("first", "second")]
                self.assertAlmostEqual(d["mean"], means[0] - means[1], 9)
            ps = sorted((d["p"], d["p_holm"]) for d in j["differences"])
            holm = np.maximum.accumulate([min(1, p * (3 - i)) for i, (p, _) in enumerate(ps)])
            np.testing.assert_allclose([q for _, q in ps], holm)
        taus = [x["kendall"][1] for x in many["inputs"]]
        self.assertAlmostEqual(c["agreement"]["kendall"][0][1], np.mean(taus), 9)
        page = self.ok("compare", "-m", LLAMA, "--methods", "occlusion,gradient", "--data",
                       self.texts(8), "--width", "80")
        self.assertIn("Fewer than 30 inputs", page)
        self.assertNotIn("is better\n", page)
        self.assertLessEqual(max(map(len, page.splitlines())), 80)

    def test_thirty_inputs_are_enough_to_rank(self):
        args = ["-m", F16, "--methods", "occlusion,gradient", "--data", self.texts(30)]
        c = self.compared(*args)
        self.assertTrue(c["many"]["enough_to_rank"])
        d = c["many"]["judged"][0]["differences"]
        self.assertAlmostEqual(d[0]["p"], d[0]["p_holm"], 12) # one pair: no correction
        self.assertLess(d[0]["p"], 0.05)
        better = 1 if d[0]["mean"] > 0 else 2 # the more is lost, the better
        self.assertIn(f": {better} is better\n", self.ok("compare", *args, "--width", "120"))

    def test_rows_of_a_table_are_inputs(self):
        box = f"process:{sys.executable} {ROOT / 'examples/predictors/rows.py'}"
        table = self.file("t.csv", "age,income\n30,1000\n50,2000\n41,10\n")
        c = self.compared("--predictor", box, "--table", table, "--methods", "occlusion,shapley")
        self.assertEqual(c["many"]["compared"], 3)
        c = self.compared("--predictor", box, "--table", table, "--row", "2", "--methods",
                          "occlusion,shapley")
        self.assertIsNone(c["many"])

    def test_every_kind_of_input_is_compared(self):
        tasks = MODELS / "published"
        picture = ROOT / "tests/golden/images"
        chat = self.file("chat.json", '[{"role": "user", "content": "hello small world"}]')
        for args in ([tasks / "bert-classes", "the cat is red"],
                     [tasks / "bert-labels", "the cat is red"],
                     [tasks / "bert-span", "--context", "the cat is red and blue", "what is red"],
                     [tasks / "bert-fill", "the <|special_5|> is red"],
                     [tasks / "bert-embed", "--against", "a dog", "the cat is red"],
                     [LLAMA, "--labels", "a,b", "hello world"],
                     [LLAMA, "--chat", chat],
                     [picture / "efficientnet-lite", "--patch", "8",
                      picture / "pictures/small.jpg"]):
            with self.subTest(args=args):
                c = self.compared("-m", args[0], "--methods", "gradient,occlusion", *args[1:])
                self.assertIsNotNone(c["agreement"]["kendall"][0][1])
                c = self.compared("-m", args[0], "--other", args[0], *args[1:])
                self.assertEqual([m["kendall"] for m in c["models"]], [1, 1])
                self.assertIn(c["models"][1]["flips"], [0, None])


class Models(Case):
    def same(self, c):
        for m in c["models"]:
            for name in ("kendall", "jaccard", "rbo"):
                self.assertEqual(m[name], 1)
            self.assertEqual((m["kl"], m["flips"], m["drift_last"]), (0, 0, 0))
        for run in c["runs"][1:]:
            self.assertEqual(run["scores"], c["runs"][0]["scores"])

    def test_a_model_beside_itself_is_the_same(self):
        for method in ("occlusion", "gradient", "attention-rollout"):
            c = self.compared("-m", LLAMA, "--other", LLAMA, "--method", method, TEXT)
            self.same(c)
            self.assertEqual(c["models"][1]["drift"], [0, 0])
            self.assertEqual(c["agreement"]["kendall"], [[1, 1], [1, 1]])
        self.same(self.compared("-m", LLAMA, "--other", LLAMA, "--generate", "4", TEXT))
        self.same(self.compared("-m", F16, "--other", F16, "--other", F16, "--data",
                                self.texts(5)))

    def test_three_models_stand_in_one_table(self):
        c = self.compared("-m", F16, "--other", Q8, "--other", Q5, "--data", self.texts(8))
        first, q8, q5 = c["models"]
        self.assertEqual([m["name"] for m in c["models"]], [f.name for f in (F16, Q8, Q5)])
        for m, file in zip(c["models"], (F16, Q8, Q5)):
            size = os.path.getsize(file)
            self.assertEqual(m["file_bytes"], size)
            self.assertAlmostEqual(m["pass_ratio"], m["pass_rate"] / first["pass_rate"], 9)
            self.assertGreater(m["explain_rate"], 0)
        self.assertLess(q5["bits_per_weight"], q8["bits_per_weight"])
        self.assertLess(0, q8["kl"])
        self.assertLess(q8["kl"], q5["kl"])
        self.assertLess(q8["drift_last"], q5["drift_last"])
        self.assertLess(q5["kendall"], 1)
        inputs = c["many"]["inputs"]
        for i, m in enumerate(c["models"]):
            self.assertAlmostEqual(m["kl"], np.mean([x["kl"][i] for x in inputs]), 12)
            self.assertAlmostEqual(m["flips"], np.mean([x["flips"][i] for x in inputs]), 12)
            self.assertAlmostEqual(m["kendall"], np.mean([x["kendall"][i] for x in inputs]), 9)
        for x in inputs:
            self.assertEqual([f > 0 for f in x["flips"]],
                             [a != x["likeliest"][0] for a in x["likeliest"]])

    def test_labels_say_who_is_right(self):
        """The explained class is then the table's."""
        tasks = MODELS / "published"
        data = self.file("l.csv", "text,mood\nthe cat is red,bad\nthe dog is red,good\n")
        c = self.compared("-m", tasks / "bert-classes", "--other", tasks / "roberta-classes",
                          "--data", data, "--label", "mood")
        says = [x["likeliest"] for x in c["many"]["inputs"]]
        for i, m in enumerate(c["models"]):
            self.assertEqual(m["accuracy"], np.mean([a[i] == b for a, b in zip(says,
                                                                             ("bad", "good"))]))
        self.assertEqual([x["target"] for x in c["many"]["inputs"]], ["bad", "good"])

    def test_divergence_and_drift_are_those_of_captured_values(self):
        c = self.compared("-m", F16, "--other", Q8, TEXT)
        logits, rows = [], []
        with tempfile.TemporaryDirectory() as d:
            for model in (F16, Q8):
                raw, st = pathlib.Path(d) / "x.npy", pathlib.Path(d) / "x.safetensors"
                self.ok("predict", "-m", model, "--raw", raw, TEXT)
                self.ok("capture", "-m", model, "-o", st, "--site", "blocks.0.hook_resid_post", TEXT)
                logits.append(np.load(raw)[-1].astype(float))
                data = st.read_bytes()
                size = int.from_bytes(data[:8], "little")
                head = json.loads(data[8:8 + size])["blocks.0.hook_resid_post"]
                begin, end = head["data_offsets"]
                rows.append(np.frombuffer(data[8 + size + begin:8 + size + end], "<f4")
                            .reshape(head["shape"])[-1].astype(float))
        p, q = (np.exp(x - x.max()) / np.exp(x - x.max()).sum() for x in logits)
        kl = float((p * np.log(p / q)).sum())
        self.assertGreater(kl, 0)
        self.assertAlmostEqual(c["models"][1]["kl"] / kl, 1, 4)
        drift = 1 - rows[0] @ rows[1] / math.sqrt((rows[0] @ rows[0]) * (rows[1] @ rows[1]))
        self.assertAlmostEqual(c["models"][1]["drift"][0], drift, 9)
        self.assertGreater(drift, 0)

    def test_what_the_first_wrote_is_given_to_the_others(self):
        c = self.compared("-m", F16, "--other", Q5, "--generate", "4", TEXT)
        raw = []
        with tempfile.TemporaryDirectory() as d:
            file = pathlib.Path(d) / "x.npy"
            for model in (F16, Q5):
                self.ok("predict", "-m", model, "--raw", file, TEXT + c["target"]["text"])
                raw.append(np.load(file)[-5:-1].astype(float))
        said = [x.argmax(-1) for x in raw]
        logs = [x - np.log(np.exp(x).sum(-1, keepdims=True)) for x in raw]
        kl = (np.exp(logs[0]) * (logs[0] - logs[1])).sum(-1)
        np.testing.assert_allclose([r["kl"][1] for r in c["rows"]], kl, rtol=1e-3)
        self.assertAlmostEqual(c["models"][1]["flips"], np.mean(said[0] != said[1]), 12)
        self.assertEqual([r["likeliest"][0] for r in c["rows"]], [r["text"] for r in c["rows"]])

    def test_many_texts_are_continued_or_translated(self):
        toy = MODELS / "stacks/marian"
        data = self.file("t.csv", "text\nthe cat is red\nthe house and the river\n")
        for args in (["-m", toy, "--other", toy], ["-m", F16, "--other", F16, "--generate", "2"],
                     ["-m", toy, "--methods", "occlusion,gradient"]):
            c = self.compared(*args, "--data", data)
            self.assertEqual([x["text"] for x in c["many"]["inputs"]],
                             ["the cat is red", "the house and the river"])
            self.assertGreater(len(c["rows"]), 1)
            if c["models"]:
                self.same(c)

    def test_the_target_is_the_first_models_on_both(self):
        c = self.compared("-m", F16, "--other", Q4, TEXT)
        self.assertEqual(c["target"]["text"], c["models"][0]["likeliest"])
        self.assertEqual(c["models"][1]["flips"],
                         c["models"][0]["likeliest"] != c["models"][1]["likeliest"])
        alone = json.loads(self.ok("explain", "-m", Q4, "--target", c["target"]["text"], "--json",
                                   "-q", TEXT))
        self.assertAlmostEqual(c["runs"][1]["value"], alone["target"]["value"], 6)
        self.assertAlmostEqual(c["models"][1]["logprob"], math.log(alone["target"]["prob"]), 9)
        self.assertEqual(c["runs"][1]["model"]["quantisation"], "Q4_0")

    def test_other_shapes_have_no_drift_and_other_words_no_divergence(self):
        c = self.compared("-m", LLAMA, "--other", F16, TEXT)
        self.assertEqual(c["models"][1]["drift"], [])
        self.assertIn("shapes", c["models"][1]["no_drift"])
        c = self.compared("-m", LLAMA, "--other", MODELS / "gemma3.gguf", "--target", "s",
                          "--units", "word", TEXT)
        self.assertIsNone(c["models"][1]["kl"])
        self.assertIn("vocabularies", c["models"][1]["no_kl"])

    def test_answers_of_other_kinds_flip_too(self):
        published = MODELS / "published"
        c = self.compared("-m", published / "bert-classes", "--other",
                          published / "roberta-classes", "the cat is red")
        self.assertGreater(c["models"][1]["kl"], 0)
        self.assertEqual(c["models"][1]["flips"], 1)
        self.assertEqual(c["models"][0]["likeliest"], c["target"]["text"])
        self.assertEqual(len(c["models"][1]["drift"]), 2)
        c = self.compared("-m", F16, "--other", Q4, "--labels", "a,b", "hello world")
        self.assertIn(c["models"][1]["likeliest"], ("a", "b"))
        self.assertGreater(c["models"][1]["kl"], 0)

    def test_terminal_says_what_flips_and_fits(self):
        for width in (80, 40):
            page = self.ok("compare", "-m", F16, "--other", Q4, "--width", str(width), TEXT)
            self.assertIn("llama-q4_0.gguf", page)
            self.assertIn("flips", page)
            self.assertIn("tau_b", page)
            self.assertLessEqual(max(map(len, page.splitlines())), width)
        self.assertIn("!", page)

    def test_csv_of_models_is_their_table(self):
        file = self.file("m.csv", "")
        self.ok("compare", "-m", F16, "--other", Q8, "--csv", file, TEXT)
        with open(file, newline="", encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual([r["model"] for r in rows], [F16.name, Q8.name])
        self.assertEqual(float(rows[0]["kl"]), 0)

    def test_units_that_differ_and_other_slips_are_told(self):
        self.refused("-m", LLAMA, "--other", MODELS / "gemma3.gguf", "--target", "s", "--units",
                     "token", TEXT, says="--units word")
        self.refused("-m", LLAMA, "--other", LLAMA, "--methods", "gradient,occlusion", TEXT,
                     says="--method NAME")
        self.refused("-m", LLAMA, *["--other", LLAMA] * 8, TEXT, says="7 times")
        for other in (LLAMA, MODELS / "published/bert-labels", MODELS / "stacks/marian",
                      ROOT / "tests/golden/images/mobilenet-v2"):
            self.refused("-m", MODELS / "published/bert-classes", "--other", other, "a cat",
                         says="do different things")
        self.refused("-m", LLAMA, "--other", MODELS / "gemma3.gguf", "--target", "s", "--other",
                     MODELS / "gpt2.gguf", "--data", self.texts(2), "--label", "mood", says="mood")
        bytes_of = run("compare", "-m", F16, "--other", MODELS / "gemma3.gguf", "--generate", "3",
                       "Hello small world") # what it writes is no text
        self.assertIn("to '" + str(MODELS / "gemma3.gguf"), bytes_of.stderr.decode())
        piped = run("compare", "-m", LLAMA, "--other", LLAMA, "--file", "-", input=b"Hello")
        self.assertIn("twice", piped.stderr.decode())
        with tempfile.TemporaryDirectory() as d:
            copy = shutil.copy(LLAMA, d)
            self.refused("-m", LLAMA, "--other", F16, "--other", copy, f"--json={copy}", TEXT,
                         says="would overwrite the other model")


class Reports(Browser):
    """The page of a comparison, in Chromium."""

    def compared(self, name, *args):
        """The page, opened, and what --json says; the words of text are dangerous."""
        html, file = self.path / f"{name}.html", self.path / f"{name}.json"
        glim("compare", *args, "--html", html, f"--json={file}", "-q")
        page = self.open(html)
        return page, json.loads(file.read_text())

    def accessible(self, page):
        page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = page.evaluate("(tags) => axe.run(document, {runOnly: tags}).then((r) => "
                                  "r.violations.map((v) => v.id + ' ' + v.nodes.map((n) => "
                                  "n.target.join()).slice(0, 3)))", WCAG)
            self.assertEqual(found, [], scheme)

    def test_models_stand_in_tables_with_their_answers_strips_and_lines(self):
        data = self.path / "texts.csv"
        data.write_text("text\n" + "".join(f"\"Hello <b>world</b> {i}, again\"\n" for i in range(9)))
        page, c = self.compared("models", "-m", F16, "--other", Q8, "--other", Q4, "--data", data)
        self.assertClean(page)
        self.accessible(page)
        rows = page.locator("#glim-models tbody tr").all_inner_texts()
        self.assertEqual(len(rows), 9) # three tables
        for i, m in enumerate(c["models"]):
            self.assertIn(m["name"], rows[i])
            self.assertIn(f"{m['bits_per_weight']:.3g}", rows[i])
            self.assertIn(f"{m['kl']:.3g}", rows[3 + i])
            self.assertIn(f"{m['kendall']:.2f}", rows[6 + i])
        flipped = [x for x in c["many"]["inputs"] if max(x["flips"]) > 0]
        told = page.locator("#glim-flips tbody tr")
        self.assertEqual(told.count(), len(flipped))
        self.assertGreater(len(flipped), 0)
        self.assertIn(flipped[0]["text"], told.first.inner_text())
        self.assertEqual(page.locator("#glim-flips strong").count(),
                         sum(f > 0 for x in flipped for f in x["flips"]))
        strips = page.locator("#glim-strips .strip")
        self.assertEqual(strips.count(), 3)
        shades = [[s.split()[1] for s in strips.nth(i).locator(".u").evaluate_all(
            "(all) => all.map((u) => u.className)")] for i in range(3)]
        most = max(abs(x) for r in c["runs"] for x in r["scores"])
        for r, told in zip(c["runs"], shades): # one scale for all
            self.assertEqual(told, [f"s{5 + int(math.copysign(math.floor(abs(x) / most * 5 + 0.5), x))}"
                                    for x in r["scores"]])
        self.assertEqual(page.locator("#glim-drift path.line").count(), 2)
        points = page.locator("#glim-scatter circle title").all_text_contents()
        self.assertEqual(len(points), 2 * len(c["units"]))
        a, b = (r["scores"] for r in c["runs"][:2])
        self.assertIn(f"{a[0]:.4g}, {b[0]:.4g}", points[0])
        embedded = json.loads(page.locator("#glim-data").text_content())
        self.assertEqual(embedded, c)

    def test_methods_have_a_map_of_agreement_in_either_language(self):
        page, c = self.compared("methods", "-m", LLAMA, "--methods", "occlusion,gradient,shapley",
                                "--lang", "zh-CN", "--generate", "2", TEXT)
        self.assertClean(page)
        self.accessible(page)
        self.assertEqual(page.get_attribute("html", "lang"), "zh-CN")
        cells = page.locator("#glim-alike table").first.locator("tbody td")
        taus = np.ravel(c["agreement"]["kendall"])
        self.assertEqual([float(x.replace("\u2212", "-")) for x in cells.all_inner_texts()],
                         [round(t, 2) for t in taus])
        for cell, t in zip(cells.evaluate_all("(all) => all.map((u) => u.className)"), taus):
            self.assertEqual(cell, f"s{5 + round(t * 5)}")
        self.assertEqual(page.locator("#glim-targets tbody tr").count(), 2)
        self.assertIn("3 种方法", page.locator("h1").inner_text())


class Saved(Case):
    def test_what_was_saved_is_shown_as_the_run_shows_it(self):
        data = self.texts(3)
        saved, first, again = (os.path.join(self.folder.name, n) for n in ("c.json", "a", "b"))
        for args in ((LLAMA, "--methods", "occlusion,gradient", "--target", "s", TEXT),
                     (LLAMA, "--methods", "occlusion,gradient", "--target", "s", "--data", data),
                     (F16, "--other", Q8, "--other", Q4, "--target", "s", "--data", data),
                     (F16, "--other", Q4, "--target", "s", TEXT),
                     (F16, "--other", Q4, "--continuation", " again", TEXT)):
            self.ok("compare", "-m", *args, "-q", "--json", saved, "--html", f"{first}.html",
                    "--csv", f"{first}.csv", "--svg", f"{first}.svg")
            self.ok("view", saved, "-q", "--json", f"{again}.json", "--html", f"{again}.html",
                    "--csv", f"{again}.csv", "--svg", f"{again}.svg")
            for kind in ("html", "csv", "svg"):
                # half a character is U+FFFD in JSON
                one, two = (re.sub("⟨[0-9A-F ]+⟩|\ufffd+", "?", pathlib.Path(f"{f}.{kind}")
                                   .read_text(encoding="utf-8")) for f in (first, again))
                self.assertEqual(one, two, (kind, args))
            told, page = (self.ok(*c).splitlines() for c in
                          (("view", saved), ("compare", "-m", *args)))
            keep = [[x for x in lines if " s): " not in x and ".gguf  " not in x]
                    for lines in (told, page)] # what takes time differs
            self.assertEqual(keep[0][:4], keep[1][:4])
            self.assertEqual(len(told), len(page))
        c = json.loads(pathlib.Path(saved).read_text(encoding="utf-8"))
        for wrong in ({"runs": []}, {"units": ["a"]}, {"models": []}, {"many": {}}):
            bad = self.file("bad.json", json.dumps(c | wrong))
            self.assertEqual(run("view", bad).returncode, 3, wrong)


class Plans(Case):
    def test_what_is_planned_is_enough(self):
        chat = self.file("chat.json", '[{"role": "user", "content": "hello small world"}]')
        for args in (["-m", LLAMA, TEXT], ["-m", LLAMA, "--generate", "3", "--methods",
                                           "occlusion,gradient", TEXT],
                     ["-m", F16, "--other", Q8, "--other", Q5, TEXT],
                     ["-m", F16, "--other", Q8, "--generate", "3", "--method", "gradient", TEXT],
                     ["-m", LLAMA, "--other", LLAMA, "--chat", chat],
                     ["-m", F16, "--other", Q8, "--data", self.texts(6)],
                     ["-m", MODELS / "stacks/marian", "--other", MODELS / "stacks/marian",
                      "--method", "gradient", "the house and the river"],
                     ["-m", LLAMA, "--methods", "gradient,attention-rollout,lime", TEXT],
                     ["-m", F16, "--methods", "occlusion,gradient", "--data", self.texts(6)]):
            plan = json.loads(self.ok("compare", *args, "--dry-run", "--json"))
            Draft202012Validator(PLAN).validate(plan)
            self.assertGreater(plan["forward_tokens"], 0)
            self.ok("compare", *args, "--memory", plan["bytes"], "-q")
        self.assertIn("masked_inputs", plan)
        self.assertIn("masked inputs", self.ok("compare", *args, "--dry-run"))


class Interrupted(Case):
    def test_what_was_reached_is_a_whole_document(self):
        """A box that answers slowly, so that the signal comes between two inputs."""
        slow = self.file("slow.py", SLOW)
        box = f"process:{sys.executable} {slow}"
        table = self.file("t.csv", "text\n" + "".join(f"a fine film {i}\n" for i in range(200)))
        file = self.file("out.json", "")
        p = subprocess.Popen([GLIM, "compare", "--predictor", box, "--methods",
                              "occlusion,shapley", "--data", table, "--inputs", "200",
                              f"--json={file}", "-q"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.time() + 60
        while not os.path.exists(slow + ".seen") and time.time() < deadline:
            time.sleep(0.02)
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)
        self.assertEqual(p.returncode, 130)
        c = json.loads(pathlib.Path(file).read_text())
        Draft202012Validator(SCHEMA).validate(c)
        self.assertTrue(c["partial"])
        self.assertGreater(c["many"]["compared"], 0)
        self.assertLess(c["many"]["compared"], 200)


if __name__ == "__main__":
    sys.exit(unittest.main())
