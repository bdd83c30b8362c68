#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim attention: numbers against the patterns that capture writes, links of translations
against gold, forms, and what is refused."""
import itertools
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

import jsonschema
import numpy as np
from wcwidth import wcswidth

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA, GEMMA = str(MODELS / "llama.gguf"), str(MODELS / "gemma3.gguf")
BERT = str(MODELS / "published/bert-classes")
TOY = str(MODELS / "stacks/marian")
ALIGNED = str(ROOT / "tests/golden/aligned")
TEXT = "Hello small world, hello again"
SCHEMA = json.loads((ROOT / "docs/schema/glim.explanation-1.schema.json").read_text())
CACHE = pathlib.Path(os.environ.get("GLIM_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "glim")
SMOLLM2 = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"

NOUNS = ("cat", "dog", "house", "bridge", "river", "letter", "child", "garden")


def corpus():
    """Sentences of the toy language with the links that its grammar makes: a noun decides
    its article, and "have" the beginning of the participle, so those are possible."""
    for noun, adjective in itertools.product(NOUNS, ("old", "red", "small", "new", "beautiful")):
        yield f"the {noun} is {adjective}", "0-0 1p0 1-1 2-2 3-3"
        yield f"the {noun} was not {adjective}", "0-0 1p0 1-1 2-2 3-3 4-4"
    for who, verb, noun in itertools.product(("I", "you", "we"),
                                             ("seen", "found", "painted", "lost"), NOUNS):
        yield f"{who} have {verb} the {noun}", "0-0 1-1 0p1 3-2 4p2 4-3 2-4 1p4"
    for a, b in itertools.permutations(NOUNS, 2):
        yield f"the {a} and the {b}", "0-0 1p0 1-1 2-2 3-3 4p3 4-4"


def load_file(path):
    """The tensors of a safetensors file."""
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    out = {}
    for name, t in json.loads(data[8:8 + n]).items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            kind = {"F32": "<f4", "I64": "<i8"}[t["dtype"]]
            out[name] = np.frombuffer(data[8 + n + begin:8 + n + end], kind).reshape(t["shape"])
    return out


def aer(gold, found):
    """As the field's tools count it, from the texts alone."""
    sure = {tuple(map(int, g.split("-"))) for g in gold.split() if "-" in g}
    possible = sure | {tuple(map(int, g.split("p"))) for g in gold.split() if "p" in g}
    links = {tuple(map(int, f.split("-"))) for f in found.split()}
    return np.array([len(links & sure) + len(links & possible), len(links) + len(sure)])


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)

    def run_glim(self, *args):
        env = dict(os.environ, LANG="C.UTF-8")
        return subprocess.run([GLIM, *map(str, args)], capture_output=True, env=env, timeout=300)

    def ok(self, *args):
        r = self.run_glim(*args)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def document(self, *args):
        d = json.loads(self.ok(*args, "--json", "-q"))
        jsonschema.validate(d, SCHEMA)
        return d

    def refused(self, status, says, *args):
        r = self.run_glim(*args)
        self.assertEqual(r.returncode, status, r.stderr.decode())
        self.assertIn(says, r.stderr.decode())
        self.assertEqual(r.stdout, b"")

    def patterns(self, model, text, site="blocks.*.attn.hook_pattern", *more):
        out = self.path / "all.safetensors"
        self.ok("capture", "-m", model, text, "--site", site, "-o", out, "-q", *more)
        found = load_file(out)
        names = sorted((n for n in found if "hook_pattern" in n),
                       key=lambda n: int(n.split("blocks.")[1].split(".")[0]))
        return np.stack([found[n] for n in names]), found["ids"]


def matrix(d):
    return np.array([[np.nan if x is None else x for x in row] for row in d["scores"]])


def folded(pattern, units, rows=None):
    """Rows are means and columns sums over the tokens of a word."""
    spans = [slice(u["first_token"], u["first_token"] + u["tokens"]) for u in units]
    columns = np.stack([pattern[..., s].sum(-1) for s in spans], -1)
    return np.stack([columns[..., s, :].mean(-2) for s in (rows or spans)], -2)


class Numbers(Case):
    def test_the_mean_over_layers_and_heads_is_that_of_the_captured_patterns(self):
        for model in (LLAMA, GEMMA, BERT):
            a, _ = self.patterns(model, TEXT)
            for units in ("token", "word"):
                d = self.document("attention", "-m", model, TEXT, "--units", units)
                want = folded(a.mean((0, 1)), d["input"]["units"])
                got = matrix(d)
                np.testing.assert_allclose(np.nan_to_num(got), want, atol=2e-6)
                np.testing.assert_allclose(np.nansum(got, 1), 1, atol=1e-5)
                later = np.triu(np.ones_like(got), 1) > 0
                self.assertEqual(np.isnan(got).any(), model != BERT)
                if model != BERT:
                    np.testing.assert_array_equal(np.isnan(got), later)

    def test_a_layer_and_a_head_are_those_of_the_captured_patterns(self):
        a, _ = self.patterns(LLAMA, TEXT)
        layer = self.document("attention", "-m", LLAMA, TEXT, "--layer", 1)
        np.testing.assert_allclose(np.nan_to_num(matrix(layer)),
                                   folded(a[1].mean(0), layer["input"]["units"]), atol=2e-6)
        head = self.document("attention", "-m", LLAMA, TEXT, "--layer", 0, "--head", 2)
        np.testing.assert_allclose(np.nan_to_num(matrix(head)),
                                   folded(a[0, 2], head["input"]["units"]), atol=2e-6)

    def test_what_heads_do_is_what_the_formulas_say(self):
        a, ids = self.patterns(LLAMA, TEXT)
        d = self.document("attention", "-m", LLAMA, TEXT)
        L, H, T, _ = a.shape
        t = np.arange(T)
        pairs = [(q, s) for q in t for s in range(q) if ids[s] == ids[q]]
        self.assertTrue(pairs)
        self.assertEqual(len(d["attention"]["head_stats"]), L * H)
        for s in d["attention"]["head_stats"]:
            p = a[s["layer"], s["head"]].astype(float)
            logs = np.log(p, where=p > 0, out=np.zeros_like(p))
            beside = p * (t[:, None] != t) * (t > 0)
            want = {"entropy": -(p * logs).sum(1).mean(),
                    "distance": (p * abs(t[:, None] - t)).sum(1).mean(),
                    "previous": p[t[1:], t[:-1]].mean(), "first": p[:, 0].mean(),
                    "self": p[t, t].mean(), "induction": np.mean([p[q, k + 1] for q, k in pairs]),
                    "strongest": beside.max()}
            for name, value in want.items():
                self.assertAlmostEqual(s[name], value, delta=2e-6, msg=name)

    def test_raw_is_every_pattern_of_the_model(self):
        for model, site, more in (
                (LLAMA, "blocks.*.attn.hook_pattern", ()),
                (TOY, "encoder.blocks.*.attn.hook_pattern", ("--attention", "encoder"))):
            a, _ = self.patterns(model, TEXT, site)
            raw = self.path / "raw.npy"
            d = self.document("attention", "-m", model, TEXT, "--raw", raw, *more)
            np.testing.assert_array_equal(np.load(raw), a)
            self.assertEqual(d["attention"]["patterns"],
                             {"file": "raw.npy", "shape": list(a.shape), "first_layer": 0,
                              "type": "float32"})

    def test_raw_of_a_method_of_attention_is_its_scores(self):
        raw = self.path / "raw.npy"
        words = ("explain", "-m", LLAMA, TEXT, "--raw", raw, "--method")
        tokens = len(self.patterns(LLAMA, TEXT)[1])
        methods = [m["name"] for m in json.loads(self.ok("explain", "--list", "--json"))["methods"]
                   if m["family"] == "attention"]
        self.assertIn("attention-gradient", methods)
        for method in methods:
            d = self.document(*words, method)
            want = np.atleast_2d(np.array(d["scores"], np.float32))  # null becomes NaN
            np.testing.assert_array_equal(np.load(raw), want, err_msg=method)
        self.document(*words, "gradient")
        self.assertEqual(np.load(raw).shape[0], tokens)

    def test_sinks_are_shown_hidden_or_taken_out(self):
        a, _ = self.patterns(LLAMA, TEXT)
        flags = ("attention", "-m", LLAMA, TEXT, "--units", "token", "--sink")
        mean = a.mean((0, 1))
        shown, hidden, rest = (self.document(*flags, how) for how in
                               ("show", "hide", "renormalise"))
        self.assertIn(0, shown["attention"]["sinks"])
        sinks = shown["attention"]["sinks"]
        self.assertAlmostEqual(shown["attention"]["sink_share"], mean[:, sinks].sum(1).mean(),
                               delta=1e-5)
        self.assertTrue(np.isnan(matrix(hidden)[:, sinks]).all())
        kept = np.delete(mean, sinks, 1)
        np.testing.assert_allclose(np.nan_to_num(np.delete(matrix(hidden), sinks, 1)), kept,
                                   atol=2e-6)
        got = np.nan_to_num(np.delete(matrix(rest), sinks, 1))[1:]
        np.testing.assert_allclose(got, kept[1:] / kept[1:].sum(1, keepdims=True), atol=1e-5)

    def test_cross_attention_is_read_where_a_word_is_read_or_written(self):
        text, said = "I have seen the bridge", "ich habe die Brücke gesehen"
        site = "decoder.blocks.*.cross_attn.hook_pattern"
        a, _ = self.patterns(TOY, text, site, "--target", said + " die")
        for at, shift in (("input", 1), ("output", 0)):
            d = self.document("attention", "-m", TOY, text, "--target", said, "--align-at", at,
                              "--units", "token")
            n = len(d["rows"])
            # "ich" has an empty token before it
            rows = [slice(shift, shift + 2)] + [slice(i + shift + 1, i + shift + 2)
                                                for i in range(1, n)]
            want = folded(a.mean((0, 1)), d["input"]["units"], rows)
            np.testing.assert_allclose(matrix(d), want, atol=2e-6)

    def test_bits_do_not_depend_on_threads(self):
        for args in (("attention", "-m", GEMMA, TEXT), ("attention", "-m", TOY, "the cat is red")):
            one, four = (self.document(*args, "--threads", n) for n in (1, 4))
            for part in ("scores", "attention"):
                self.assertEqual(one[part], four[part])


class Alignment(Case):
    def rate(self, model, *args):
        """AER over some of the toy corpus, counted here and by glim."""
        sentences = list(corpus())
        random.Random(1).shuffle(sentences)
        sums = np.zeros(2)
        for text, gold in sentences[:16]:
            d = self.document(*args, "-m", model, "--align", "--gold", gold, text)
            one = aer(gold, d["links"]["pharaoh"])
            self.assertAlmostEqual(d["links"]["aer"], 1 - one[0] / one[1], places=12)
            sums += one
        return 1 - sums[0] / sums[1]

    def chance(self):
        """The same of links drawn blindly, one for each word that was written."""
        draw, sums = random.Random(2), np.zeros(2)
        for text, gold in corpus():
            n = len(text.split())
            sums += aer(gold, " ".join(f"{draw.randrange(n)}-{j}" for j in range(n)))
        return 1 - sums[0] / sums[1]

    def test_leaving_words_out_aligns_the_toy_language(self):
        for model in (TOY, ALIGNED):
            self.assertLess(self.rate(model, "explain", "--method", "occlusion"), 0.33)

    def test_cross_attention_that_was_taught_to_align_is_right_by_every_rule(self):
        for rule in ("argmax", "intersection", "softmax-threshold", "grow-diag-final-and"):
            self.assertEqual(self.rate(ALIGNED, "attention", "--extract", rule), 0)
        self.assertGreater(self.rate(ALIGNED, "attention", "--layer", 1), 0.3)
        text, gold = next(corpus())
        words = ("attention", "-m", ALIGNED, "--align", text)
        self.assertEqual(self.document(*words)["attention"]["layer"], 0)
        self.assertEqual(self.document(*words, "--gold", gold)["attention"]["layer"], 0)

    def test_cross_attention_aligns_the_toy_language_better_than_chance(self):
        """Its one layer was not made to align, and looks where it is about to write."""
        rule = ("--extract", "grow-diag-final-and")
        rate = self.rate(TOY, "attention", "--align-at", "output", *rule)
        self.assertLess(rate, 0.6)
        self.assertLess(rate, self.rate(TOY, "attention", "--align-at", "input", *rule))
        self.assertGreater(self.chance(), 0.7)

    def test_gold_chooses_the_layer_with_the_lowest_error(self):
        model = str(MODELS / "stacks/t5")
        words = ("attention", "-m", model, "--align", "--target", "small world again", TEXT)
        plain = self.document(*words)
        L = plain["attention"]["layers"]
        self.assertEqual(plain["attention"]["layer"], max(0, L - 2))
        gold = "0-0 1p1 2-2"
        rates = [self.document(*words, "--gold", gold, "--layer", layer)["links"]["aer"]
                 for layer in range(L)]
        best = self.document(*words, "--gold", gold)
        self.assertEqual(best["links"]["aer_by_layer"], rates)
        self.assertEqual(best["attention"]["layer"], int(np.argmin(rates)))
        self.assertEqual(best["links"]["aer"], min(rates))

    def test_gold_is_a_text_or_the_one_line_of_a_file(self):
        gold = self.path / "gold.txt"
        gold.write_text("\n0-0 1p1\n")
        words = ("attention", "-m", TOY, "--align", "the cat is red", "--gold")
        self.assertEqual(self.document(*words, gold)["links"],
                         self.document(*words, "0-0 1p1")["links"])
        gold.write_text("0-0\n1-1\n")
        self.refused(2, "has 2 lines of links; one text has one", *words, gold)
        gold.write_text("\n\n0-0 0:1\n")
        self.refused(3, "line 3: '0:1' is no link", *words, gold)
        self.refused(3, "'9-0' names word i of the source, of which there are 4", *words, "9-0")

    def test_a_decoder_is_aligned_within_its_source(self):
        text = "German: Hello small world, English:"
        words = ("-m", LLAMA, text, "--continuation", " again hello small", "--source",
                 " Hello small world")
        d = self.document("attention", "--align", *words)
        self.assertEqual([u["text"] for u in d["input"]["units"]], [" Hello", " small", " world"])
        self.assertEqual([r["text"] for r in d["rows"]], [" again", " hello", " small"])
        np.testing.assert_allclose(matrix(d).sum(1), 1, atol=1e-9)
        whole = self.document("attention", "-m", LLAMA, text, "--continuation",
                              " again hello small", "--layer", d["attention"]["layer"])
        names = [u["text"] for u in whole["input"]["units"]]
        at = [names.index(w) for w in (" Hello", " small", " world")]
        want = matrix(whole)[-3:, at]
        np.testing.assert_allclose(matrix(d), want / want.sum(1, keepdims=True), atol=1e-5)
        for method in ("occlusion", "gradient"):
            e = self.document("explain", "--align", "--method", method, *words)
            scored = [u["text"] for u in e["input"]["units"] if not u["fixed"]]
            self.assertEqual(scored, [" Hello", " small", " world"])
            self.assertEqual(len(e["rows"]), 3)
            self.assertTrue(e["links"]["pharaoh"])

    def test_words_of_an_explanation_are_sums_of_their_tokens(self):
        text = "I have seen the bridge"
        tokens = self.document("explain", "-m", TOY, text)
        words = self.document("explain", "-m", TOY, "--align", text)
        self.assertEqual([r["text"].strip() for r in words["rows"]],
                         ["ich", "habe", "die", "Brücke", "gesehen"])
        np.testing.assert_allclose(np.nansum(matrix(words), 0), np.nansum(matrix(tokens), 0),
                                   atol=1e-12)
        self.assertAlmostEqual(sum(r["value"] for r in words["rows"]),
                               sum(r["value"] for r in tokens["rows"]), places=12)


class Forms(Case):
    def test_documents_are_read_back_and_drawn_again(self):
        for args in (("attention", "-m", LLAMA, TEXT), ("attention", "-m", LLAMA, TEXT, "--units",
                                                        "token"),
                     ("attention", "-m", TOY, "--align", "--gold", "0-0 1p1", "the cat is red"),
                     ("explain", "-m", TOY, "--align", "--gold", "0-0 1p1", "the cat is red")):
            saved = self.path / "d.json"
            shown = self.ok(*args, "--json", saved, "--html", self.path / "a.html",
                            "--csv", self.path / "a.csv", "-q")
            again = self.ok("view", saved, "--json", self.path / "e.json", "--html",
                            self.path / "b.html", "--csv", self.path / "b.csv", "-q")
            self.assertEqual(shown, again)
            for name in ("a.html", "a.csv"):
                self.assertEqual((self.path / name).read_bytes(),
                                 (self.path / name.replace("a.", "b.")).read_bytes())
            self.assertEqual(saved.read_bytes(), (self.path / "e.json").read_bytes())

    def test_the_map_fits_any_width_and_keeps_characters_whole(self):
        text = "法国的首都是巴黎，德国的首都是柏林。"
        for width in (20, 31, 60, 120):
            for more in ((), ("--units", "token"), ("--ascii",)):
                shown = self.ok("attention", "-m", GEMMA, text, "--width", width, *more)
                for line in shown.splitlines():
                    self.assertLessEqual(wcswidth(line), width, line)
                if not more:
                    self.assertIn("法国" if width > 20 else "首都", shown)
                self.assertNotIn("\ufffd", shown)
        self.assertIn("\x1b[", self.ok("attention", "-m", GEMMA, text, "--color", "always"))

    def test_heads_are_told_in_words(self):
        shown = self.ok("attention", "-m", LLAMA, TEXT, "--layer", 1, "--head", 2, "--width", 120)
        self.assertRegex(shown, r"L1 H2: \d+ % on the previous token, \d+ % on the first token")
        self.assertIn("strongest single link", shown)

    def test_many_units_are_pooled_in_the_report_which_says_so(self):
        html = self.path / "a.html"
        self.ok("attention", "-m", str(MODELS / "stacks/t5"), "--attention",
                "encoder", "the cat is on it " * 20, "--units", "token", "--html",
                html, "-q")
        page = html.read_text()
        self.assertIn('<svg class="heat"', page)
        self.assertRegex(page, r"a cell is the mean of")

    def test_plans_bound_what_is_used(self):
        plan = json.loads(self.ok("attention", "-m", LLAMA, TEXT, "--dry-run", "--json"))
        self.assertEqual(plan["schema"], "glim.plan/1")
        d = self.document("attention", "-m", LLAMA, TEXT)
        self.assertGreaterEqual(plan["bytes"], d["cost"]["peak_bytes"])
        self.refused(4, "attention needs", "attention", "-m", LLAMA, TEXT, "--memory",
                     "12M")

    def test_what_makes_no_sense_is_refused(self):
        toy, llama = ("attention", "-m", TOY, "the cat is red"), ("attention", "-m", LLAMA, TEXT)
        for says, args in (
                ("there is no layer 7 (the first is 0", (*llama, "--layer", 7)),
                ("--head needs its --layer", (*llama, "--head", 0)),
                ("there is no head 9", (*llama, "--layer", 0, "--head", 9)),
                ("one kind of attention", (*llama, "--attention", "cross")),
                ("--gold is for --align", (*llama, "--gold", "0-0")),
                ("what follows the input", (*llama, "--align", "--source", "Hello")),
                ("--source TEXT", (*llama, "--align", "--continuation", " a")),
                ("does not stand in the input", (*llama, "--align", "--continuation", " a",
                                                 "--source", "Bonjour")),
                ("more than once", (*llama, "--align", "--continuation", " a", "--source", "ello")),
                ("--attention cross", (*toy, "--align", "--attention", "encoder")),
                ("writes nothing", ("attention", "-m", BERT, TEXT, "--generate", 3)),
                ("--continuation TEXT or --generate N", ("explain", "-m", LLAMA, TEXT, "--align")),
                ("--extract is for --align", ("explain", "-m", TOY, "the cat", "--extract",
                                              "argmax")),
                ("is no rule", (*toy, "--align", "--extract", "argmin"))):
            self.refused(2, says, *args)
        self.refused(2, "would overwrite the model", *llama, "--raw", LLAMA)


@unittest.skipUnless(SMOLLM2.exists() or os.environ.get("GLIM_REQUIRE_MODELS"),
                     "SmolLM2 is missing (scripts/fetch)")
class RealModel(Case):
    def test_a_repeated_text_finds_heads_of_the_known_kinds(self):
        text = "Mr. Vernon Quibble met Anna Trellow. Mr. Vernon Quibble met Anna Trellow."
        d = self.document("attention", "-m", SMOLLM2, text)
        best = {kind: max(h[kind] or 0 for h in d["attention"]["head_stats"])
                for kind in ("previous", "first", "induction")}
        self.assertGreater(best["previous"], 0.7)
        self.assertGreater(best["first"], 0.9)
        self.assertGreater(best["induction"], 0.5)
        self.assertGreater(d["attention"]["sink_share"], 0.3)

    def test_long_texts_stay_within_a_budget(self):
        text = self.path / "long.txt"
        text.write_text("The capital of France is Paris, said the guide. " * 100)
        d = self.document("attention", "-m", SMOLLM2, "-f", text, "--memory", "300M")
        self.assertLess(d["cost"]["peak_bytes"], 300 << 20)
        self.assertEqual(d["input"]["unit"], "sentence")


if __name__ == "__main__":
    unittest.main()
