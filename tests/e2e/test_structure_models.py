#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every command that looks inside, on every kind of model: a document, a plan, or a reason why not and what to do."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = {"glm": "glm4.gguf", "llama": "llama.gguf", "gpt2": "gpt2.gguf", "t5": "stacks/t5",
          "bert": "published/bert-classes", "embedder": "published/bert-embed"}
DECODERS = {"glm", "llama", "gpt2"}
SCHEMA = json.loads((ROOT / "docs/schema/glim.explanation-1.schema.json").read_text())
PLAN = json.loads((ROOT / "docs/schema/glim.plan-1.schema.json").read_text())
WORDS = {lang: json.loads((ROOT / f"web/words/{lang}.json").read_text(encoding="utf-8")) for lang in ("en", "zh-CN")}
TEXT = {"en": "Hello small world, hello again", "zh": "小猫看着 a small world"}
OTHER = {"en": "Mello shall wXrld, hello again", "zh": "大狗看着 a small world"}
NO_WORDS, NOT_SOLE = "writes no tokens", "name the other text"

# name: (arguments, {model: what the refusal says}, has a plan). TEXT, OTHER, WHO, DATA, ... are filled in; @ is the
# encoder's prefix of a T5, TARGET what is asked of the model.
CASES = {
    "probe": ("probe --data DATA --permutations 2 --strength 1 --no-code --save DIRECTIONS", {}, True),
    "corpus": ("maximize --site @blocks.1.mlp.hook_post --index 3,5 --data LINES", {}, True),
    "head": ("maximize --site @blocks.1.attn.hook_z --head 1 --data LINES", {}, False),
    "along": ("maximize --site SITE --direction DIRECTIONS:SITE.weight --data LINES", {}, False),
    "search": ("maximize --site @blocks.1.mlp.hook_post --index 3 --search tokens --length 4 --steps 2 --restarts 1", {}, True),
    "ascent": ("maximize --site @blocks.1.mlp.hook_post --index 3 --search embeddings --length 4 --steps 2 --restarts 1",
               {}, False),
    "lens": ("lens TARGET TEXT", {"bert": NO_WORDS, "embedder": NO_WORDS}, True),
    "direct": ("lens --direct TARGET TEXT", {"bert": NO_WORDS, "embedder": NO_WORDS}, False),
    "neuron": ("lens --neuron 1:3", {"bert": NO_WORDS, "embedder": NO_WORDS}, False),
    "patch": ("patch TARGET --corrupt OTHER TEXT", {"embedder": NOT_SOLE}, True),
    "noise": ("patch TARGET --noise --site resid_mid,q,k,v --corrupt OTHER TEXT", {"embedder": NOT_SOLE}, False),
    "guess": ("patch TARGET --estimate --check 3 --corrupt OTHER TEXT", {"embedder": NOT_SOLE}, True),
    "path": ("patch TARGET --path PATH --corrupt SAME TEXT", {"embedder": NOT_SOLE, "t5": "leave out --path"}, False),
    "trace": ("patch TARGET --subject WHO --draws 2 TEXT", {"embedder": NOT_SOLE}, True),
    "mean": ("patch TARGET --ablate mean TEXT", {"embedder": NOT_SOLE}, True),
    "resample": ("patch TARGET --ablate resample --data LINES TEXT", {"embedder": NOT_SOLE}, False),
    "why": ("explain --why WHY --not NOT TEXT", {"embedder": NOT_SOLE}, False),
    "detect": ("attention --detect --length 8 --draws 1", {"t5": "one run of tokens"}, True),
}


def run(*args):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120, env=dict(os.environ, LANG="C.UTF-8"))


class Inside(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.dir.name)
        (cls.path / "lines.txt").write_text("a small world\n小狗跑了\nhello again\n", encoding="utf-8")
        (cls.path / "other.txt").write_text("no big world\n大狗睡了\n", encoding="utf-8")
        rows = [f"{('alpha', '好')[i % 2]} {i * 7 % 5} end,{('first', '最后')[i % 2]}" for i in range(24)]
        (cls.path / "data.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    def arguments(self, name, line, lang):
        prefix = "encoder." if name == "t5" else ""
        behind = "hook_normalized_resid_post" if name in ("bert", "embedder") else "hook_resid_post"
        classes = name == "bert"
        fill = {"DATA": [self.path / "data.csv"], "LINES": [self.path / "lines.txt"], "TEXT": [TEXT[lang]],
                "OTHER": [OTHER[lang]], "SAME": ["Hello shall world, hello again"],
                "WHO": ["small"], "WHY": ["bad" if classes else "e"], "NOT": ["odd" if classes else "a"],
                "PATH": ["blocks.0.attn.hook_z[1] -> blocks.1.attn.hook_q[0]"],
                "TARGET": ["--continuation", "ally here now"] if name in DECODERS or name == "t5" else
                          ["--target", "bad"] if classes else []}
        for word in line.replace("SITE", f"{prefix}blocks.1.{behind}").replace("@", prefix).split():
            yield from fill.get(word, [word.replace("DIRECTIONS", str(self.path / f"{name}.safetensors"))])

    def check(self, name, case, lang):
        line, refusals, plans = CASES[case]
        command, *rest = self.arguments(name, line, lang)
        args = [command, "-m", ROOT / "tests/golden/models" / MODELS[name], *rest]
        r = run(*args, "--json", "--memory", "300M")
        said = r.stderr.decode()
        if name in refusals:
            self.assertEqual((r.returncode, r.stdout), (2, b""), said)
            self.assertIn(refusals[name], said)
            self.assertEqual(len(said.splitlines()), 1, said)
            return set()
        if r.returncode == 2 and ("too near" in said or "nothing to restore" in said):
            return {"near"}  # a random model need not care
        self.assertEqual(r.returncode, 0, said)
        d = json.loads(r.stdout)
        jsonschema.validate(d, SCHEMA)
        if plans and lang == "en" and name in ("glm", "t5", "bert"):
            r = run(*args, "--json", "--dry-run")
            self.assertEqual(r.returncode, 0, r.stderr)
            jsonschema.validate(json.loads(r.stdout), PLAN)
        kinds = [d["kind"]] + (["lens", "patch"] if d["kind"].startswith("attribution") else [])
        for p in d.get("panels", []):
            for words in WORDS.values():
                self.assertTrue(any(f"panel.{k}.{p['name']}" in words for k in kinds), (d["kind"], p["name"]))
        return {p["name"] for p in d.get("panels", [])}

    def all_of(self, name):
        seen = {}
        for case in CASES:
            for lang in ("en", "zh") if case in ("lens", "trace", "why") else ("en",):
                with self.subTest(model=name, case=case, lang=lang):
                    seen[case, lang] = self.check(name, case, lang)
        return seen

    def test_decoders(self):
        for name in sorted(DECODERS):
            seen = self.all_of(name)
            self.assertTrue({"ablated", "direct", "lens-target"} <= seen["why", "en"], name)
            for case in ("patch", "trace"):  # at least one of the texts is no near miss
                self.assertNotEqual({frozenset(v) for k, v in seen.items() if k[0] == case}, {frozenset(["near"])}, (name, case))

    def test_an_encoder_decoder_shows_both_halves(self):
        seen = self.all_of("t5")
        self.assertTrue({"encoder-resid_pre", "resid_pre", "encoder-z"} <= seen["patch", "en"])
        self.assertTrue({"encoder-ablated", "ablated", "encoder-ablated-heads"} <= seen["mean", "en"])
        self.assertTrue({"encoder-resid_pre", "resid_pre"} <= seen["trace", "en"])
        self.assertTrue({"direct-cross-heads", "lens-top", "encoder-ablated"} <= seen["why", "en"])

    def test_encoders(self):
        self.assertIn("ablated", self.all_of("bert")["why", "en"])
        self.all_of("embedder")

    def test_lenses_and_directions_need_a_model_that_goes_on_with_a_text(self):
        text = self.path / "long.txt"
        text.write_text("the small world says hello again to all of us, 小猫在家 " * 200, encoding="utf-8")
        for name, path in MODELS.items():
            model, lens, control = ROOT / "tests/golden/models" / path, self.path / f"{name}.lens", self.path / f"{name}.gguf"
            fit = run("lens", "-m", model, "--fit", text, "--tokens", 1024, "-o", lens)
            made = run("steer", "-m", model, "--positive", self.path / "lines.txt", "--negative", self.path / "other.txt", "-o", control)
            if name not in DECODERS:
                self.assertEqual((fit.returncode, made.returncode), (2, 2), name)
                self.assertIn("glim probe" if name != "t5" else "leave out --fit", fit.stderr.decode())
                self.assertIn("glim probe", made.stderr.decode())
                continue
            self.assertEqual((fit.returncode, made.returncode), (0, 0), (fit.stderr, made.stderr))
            tuned = run("lens", "-m", model, "--tuned", lens, TEXT["zh"], "--json")
            self.assertEqual(json.loads(tuned.stdout)["method"]["name"], "tuned-lens")
            told = [run("generate", "-m", model, "--tokens", 4, *steer, TEXT["en"]) for steer in
                    ((), ("--steer", f"{control}:0"), ("--steer", f"{control}:1"))]
            self.assertEqual([r.returncode for r in told], [0, 0, 0])
            self.assertEqual(told[0].stdout, told[1].stdout)

    def test_noise_on_the_one_word_that_is_read_is_all_undone_where_it_enters(self):
        model = ROOT / "tests/golden/models/stacks/t5"
        tokens = json.loads(run("tokenize", "-m", model, TEXT["en"], "--json").stdout)
        word = next(t for t in tokens if t["kind"] == "text" and TEXT["en"].count(t["text"].strip() or "l") == 1)
        for goal in ("ally here now", "the end", "a"):
            r = run("patch", "-m", model, "--continuation", goal, "--subject", word["text"].strip(), "--draws", 3, TEXT["en"], "--json")
            if r.returncode == 0:
                break
        self.assertEqual(r.returncode, 0, r.stderr)
        grid = next(p for p in json.loads(r.stdout)["panels"] if p["name"] == "encoder-resid_pre")
        self.assertAlmostEqual(grid["values"][-1][tokens.index(word)], 1, 5)

    def test_a_report_speaks_chinese(self):
        html = self.path / "why.html"
        r = run("explain", "-m", ROOT / "tests/golden/models/llama.gguf", "--why", "e", "--not", "a", TEXT["zh"], "--html", html,
                "--lang", "zh-CN")
        self.assertEqual(r.returncode, 0, r.stderr)
        page = html.read_text(encoding="utf-8").split("<script")[0]
        for title in ("各层上目标的概率", "目标的直接组成", "去掉一个头后的损失"):
            self.assertIn(title, page)


if __name__ == "__main__":
    unittest.main()
