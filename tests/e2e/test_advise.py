#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim advise as a user meets it: every command that it prints runs, screens, questions on a
terminal, bad flags, and docs/advice.md, which must be what scripts/make-advice.py writes."""
import itertools
import json
import os
import pathlib
import pty
import random
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA, MARIAN = MODELS / "llama.gguf", MODELS / "stacks/marian"
IMAGES = ROOT / "tests/golden/images"
PICTURE = ROOT / "tests/fuzz/seeds/picture/small.jpg"
PROMPT = ROOT / "tests/golden/prompt.txt"
EXAMPLES = ROOT / "examples/predictors"
TEXT = "Hello small world, hello again"
ACCESS = ("decoder", "encoder", "encoder-decoder", "image", "fitted", "black-box")
TASKS = ("classify", "generate", "translate", "dialogue", "answer", "table", "image")
WANTS = ("parts", "contrast", "looks", "alignment", "examples", "training", "inside")
QUALITIES = ("accuracy", "consistency", "simplicity", "comprehensiveness")
SCHEMA = json.loads((ROOT / "docs/schema/glim.advice-1.schema.json").read_text())


def run(*args, columns=None, **more):
    env = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    env.update({"LC_ALL": "C.UTF-8"}, **({"COLUMNS": str(columns)} if columns else {}))
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120, env=env,
                          stdin=subprocess.DEVNULL, **more)


class Case(unittest.TestCase):
    def ok(self, *args, **more):
        r = run(*args, **more)
        self.assertEqual(r.returncode, 0, (args, r.stderr.decode()))
        return r.stdout.decode()

    def advice(self, *args):
        a = json.loads(self.ok("advise", "--json", *args))
        Draft202012Validator(SCHEMA).validate(a)
        return a


class Commands(Case):
    """Words in capitals are files of a folder, so that what is printed can be run."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.dir.cleanup)
        cls.path = pathlib.Path(cls.dir.name)
        rng = random.Random(1)
        rows = [(rng.randint(800, 5000), rng.randint(0, 1500), rng.choice(("own", "rent")))
                for _ in range(120)]
        (cls.path / "rows.csv").write_text("income,debt,home,verdict\n" + "".join(
            f"{i},{d},{h},{'grant' if i > 2 * d + 800 else 'refuse'}\n" for i, d, h in rows))
        (cls.path / "talk.json").write_text('[{"role": "user", "content": "Hello small world"}]')
        shutil.copy(PICTURE, cls.path / "PICTURE")
        subprocess.run([GLIM, "fit", "--data", "rows.csv", "--label", "verdict", "-o", "FILE", "-q",
                        "--strength", "1"], cwd=cls.path, check=True, capture_output=True)

    def models(self, a):
        """For MODEL and SPEC, and for the classes or words A and B."""
        program = {"table": "rows.py", "image": "brightness.py"}.get(a["task"], "naive_bayes.py")
        classes = {"table": ("grant", "refuse"), "image": ("light", "dark")}
        if a["access"] == "decoder":
            return LLAMA, " a", " the"
        if a["access"] == "encoder":
            name = "bert-span" if a["task"] == "answer" else "bert-classes"
            return MODELS / "published" / name, "bad", "good"
        if a["access"] == "encoder-decoder":
            return MARIAN, "", ""
        if a["access"] == "image":
            return IMAGES / "mobilenet-v2", "fish", "cat"
        return (f"process:{sys.executable} {EXAMPLES / program}",
                *classes.get(a["task"], ("positive", "negative")))

    def check(self, a, command):
        model, this, that = self.models(a)
        change = {"MODEL": str(model), "SPEC": str(model), "A": this, "B": that,
                  "TEXT": "the cat is red" if model == MARIAN else TEXT}
        words = [change.get(w, w) for w in shlex.split(command)]
        self.assertEqual(words[0], "glim")
        if "--labels" in words:
            words = [{this: "a", that: "b", "A,B": "a,b"}.get(w, w) for w in words]
            words[2:2] = ["--prompt-file", str(PROMPT)]
        if "talk.json" in words:
            words.insert(2, "--no-template")
        r = run(words[1], "--dry-run", "-q", *words[2:], cwd=self.path)
        self.assertEqual(r.returncode, 0, (words, r.stderr.decode()))

    def test_every_command_runs(self):
        seen = set()
        for question in itertools.product(ACCESS, TASKS, WANTS[:5]):
            access, task, want = question
            for more in (("--units", "8"), ("--units", "300"), ("--budget", "400"),
                         *(("--quality", q) for q in QUALITIES)):
                a = self.advice("--access", access, "--task", task, "--want", want, *more)
                if a["reason"]:
                    break
                for h in a["methods"]:
                    if (task, h["run"]) not in seen and "--pick" not in h["run"]:
                        self.check(a, h["run"])
                    seen.add((task, h["run"]))
        self.assertGreater(len(seen), 100)

    def test_training_samples_are_traced(self):
        """With files for the names that stand for them, every command runs."""
        text, seen = "a fine film", set()
        embed, classes = MODELS / "published/bert-embed", MODELS / "published/bert-classes"
        words = ("a fine film", "no end in it", "the word", "again and again")
        lines = {"texts": [{"text": w} for w in words],
                 "classes": [{"text": w, "label": ("good", "bad")[i % 2]} for i, w in enumerate(words * 3)],
                 "pairs": [{"source": "the cat is red", "target": "die Katze ist rot"},
                           {"source": "a dog", "target": "ein Hund"}],
                 "chats": [{"messages": [{"role": "user", "content": w}, {"role": "assistant", "content": "yes"}]}
                           for w in words]}
        for name, rows in lines.items():
            (self.path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        shutil.copy(self.path / "rows.csv", self.path / "samples.csv")
        self.ok("fit", "-m", embed, "--data", "classes.jsonl", "-o", "HEAD", "-q", "--strength", "1", cwd=self.path)
        for access, task, kind, model in (("decoder", "generate", "texts", LLAMA), ("encoder", "classify", "classes", classes),
                                          ("decoder", "classify", "classes", LLAMA), ("decoder", "dialogue", "chats", LLAMA),
                                          ("encoder-decoder", "translate", "pairs", MARIAN), ("fitted", "table", "", "")):
            for more in (*(("--quality", q) for q in QUALITIES), ("--budget", "1")):
                a = self.advice("--access", access, "--task", task, "--want", "training", *more)
                self.assertIsNone(a["reason"])
                for h in a["methods"]:
                    here = embed if "fit:FILE" in h["run"] and kind else model
                    change = {"MODEL": str(here), "TEXT": text, "samples.jsonl": f"{kind}.jsonl",
                              "questions.jsonl": "chats.jsonl", "fit:FILE": "fit:HEAD" if kind else "fit:FILE"}
                    run_ = tuple(change.get(w, w) for w in shlex.split(h["run"]))
                    if kind == "chats":
                        continue # the toy has no template of chats
                    if run_ not in seen:
                        self.ok(run_[1], "-q", "--dry-run", *run_[2:], cwd=self.path)
                    seen.add(run_)
        self.assertGreater(len(seen), 20)
        own = ("-m", embed, "--predictor", "fit:HEAD", "--want", "training", "--train", "classes.jsonl", text)
        a = json.loads(self.ok("advise", "--json", *own, cwd=self.path))
        self.assertEqual(a["methods"][0]["method"], "influence-functions")
        for h in a["methods"]:
            self.assertEqual(h["run"].count("--predictor"), 1)
            self.ok(*shlex.split(h["run"])[1:], "-q", cwd=self.path)
        a = self.advice("-m", LLAMA, "--want", "training", "--train", self.path / "texts.jsonl", text)
        for h in a["methods"]:
            self.ok(*shlex.split(h["run"])[1:], "-q")
        rows = ("--predictor", "fit:FILE", "--table", "rows.csv", "--row", "2", "--want", "training", "--train", "rows.csv")
        for h in json.loads(self.ok("advise", "--json", *rows, cwd=self.path))["methods"]:
            self.ok(*shlex.split(h["run"])[1:], "-q", cwd=self.path)

    def test_a_pick_runs(self):
        for access in ("fitted", "black-box"):
            a = self.advice("--access", access, "--task", "table", "--want", "examples")
            words = shlex.split(a["methods"][0]["run"])
            words = [str(self.models(a)[0]) if w == "SPEC" else w for w in words]
            self.ok(*words[1:], "--pick-from", "6", "--num-samples", "60", "-q", cwd=self.path)

    def test_a_models_own_flags_come_back(self):
        odd = "it's $5, \"all\" of `it`"
        for flags in ((LLAMA, TEXT), (LLAMA, TEXT, "--generate", "3"), (LLAMA, odd), (LLAMA, "-x"),
                      (LLAMA, TEXT, "--target", " a", "--against", " the"),
                      (LLAMA, TEXT, "--labels", "a,b", "--prompt-file", PROMPT), (LLAMA, TEXT, "--units", "sentence"),
                      (LLAMA, TEXT, "--want", "looks", "--target", " a"), (MARIAN, "the cat is red"), (MARIAN, "the cat is red", "--want", "alignment"),
                      (MODELS / "published/bert-classes", TEXT), (IMAGES / "mobilenet-v2", PICTURE)):
            text = ["--", flags[1]] if flags[1] == "-x" else [flags[1]]
            a = self.advice("-m", flags[0], *flags[2:], *text)
            self.assertTrue(a["methods"])
            self.assertFalse(a["assumed"])
            for h in a["methods"]:
                words = shlex.split(h["run"])
                self.assertEqual(words[-1], str(flags[1]))
                for f in flags[2:]:
                    self.assertIn(str(f), words if f not in ("--want", "alignment", "looks") and "attention" not in words else [str(f)])
                self.ok(words[1], "--dry-run", "-q", *words[2:])

    def test_costs_are_those_of_the_plan(self):
        a = self.advice("-m", LLAMA, TEXT)
        self.assertEqual((a["access"], a["task"], a["want"]), ("decoder", "generate", "parts"))
        for h in a["methods"]:
            plan = json.loads(self.ok(*shlex.split(h["run"])[1:], "--dry-run", "--json"))
            self.assertTrue(h["planned"])
            self.assertGreaterEqual(plan["bytes"], h["bytes"])
        one = json.loads(self.ok("explain", "-m", LLAMA, "--method", "gradient", "--dry-run", "--json", TEXT))
        h = next(h for h in a["methods"] if h["method"] == "gradient")
        self.assertGreaterEqual(h["passes"] + 1,
                                (one["forward_tokens"] + one["backward_tokens"]) / one["forward_tokens"])

    def test_what_a_budget_excludes_is_not_named(self):
        for budget in (1, 3, 10, 100, 1000):
            a = self.advice("-m", LLAMA, TEXT, "--budget", budget)
            self.assertTrue(all(h["passes"] <= budget for h in a["methods"]))
            self.assertTrue(a["methods"] or a["least"])
        timed = self.advice("-m", LLAMA, TEXT, "--budget", "30s")
        self.assertGreater(timed["seconds_per_pass"], 0)
        self.assertAlmostEqual(timed["budget"], 30 / timed["seconds_per_pass"], delta=1)

    def test_black_boxes_are_planned_too(self):
        box = f"process:{sys.executable} {EXAMPLES}/naive_bayes.py"
        a = self.advice("--predictor", box, "a dull film with great music")
        self.assertEqual((a["access"], a["units"]), ("black-box", 6))
        self.assertEqual(a["methods"][0]["passes"], 2 ** 6)
        rows = ("--predictor", "fit:FILE", "--table", "rows.csv")
        r = run("advise", "--json", *rows, "--row", "1", cwd=self.path)
        self.assertEqual(json.loads(r.stdout)["access"], "fitted", r.stderr)
        self.assertEqual(json.loads(r.stdout)["methods"][0]["method"], "shapley")


class Screen(Case):
    def test_it_fits_a_screen(self):
        for args in itertools.product(ACCESS, TASKS[:3] + TASKS[5:], (*WANTS[:2], "training")):
            text = self.ok("advise", "--access", args[0], "--task", args[1], "--want", args[2])
            lines = text.split("\n")
            self.assertLessEqual(len(lines), 40)
            self.assertLessEqual(max(map(len, lines)), 100)
        for width in (60, 80, 100, 200):
            text = self.ok("advise", "-m", MARIAN, "the cat is red", columns=width)
            self.assertLessEqual(len(text.split("\n")), 40 if width >= 80 else 50)
        long_ = "the cat is red. " * 5
        text = self.ok("advise", "-m", MARIAN, long_.strip())
        self.assertIn('"$TEXT"', text)

    def test_a_transcript(self):
        text = self.ok("advise", "--access", "black-box", "--quality", "simplicity", "--budget", "300")
        self.assertEqual(text[:text.index("\n2 ")], """\
black-box, classify, parts: which parts of the input mattered. First simplicity, 300 passes at most,
20 parts (assumed: --units N).

1 lime: about 300 passes
  names six parts at most, and says how well they stand for the model
  but: The coefficients of a stand-in: read its fit (local_r2) before them.
  glim explain --predictor SPEC --method lime --num-features 6 --num-samples 300 "TEXT"
""")

    def test_what_glim_cannot_tell_is_said(self):
        a = self.advice("--access", "decoder", "--want", "inside")
        self.assertEqual(a["methods"], [])
        self.assertIn("this version", a["reason"])
        a = self.advice("--access", "black-box", "--units", "300", "--budget", "5")
        self.assertEqual((a["reason"], a["least"]["method"]), (None, "occlusion"))
        self.assertIn("The least is occlusion", self.ok("advise", "--access", "black-box", "--units",
                                                        "300", "--budget", "5"))

    def test_bad_flags(self):
        for args, says in (((), "needs a question"), (("--access", "open"), "access"),
                           (("--access", "decoder", "--budget", "much"), "--budget"),
                           (("--access", "decoder", "--budget", "0"), "--budget"),
                           (("--access", "decoder", "--budget", "30s"), "seconds"),
                           (("--access", "decoder", "--units", "0"), "--units"),
                           (("--access", "decoder", "--units", "lots"), "--units"),
                           (("--access", "decoder", "-m", LLAMA), "--access"),
                           (("--access", "decoder", TEXT), "-m MODEL"),
                           (("-m", LLAMA, TEXT, "--want", "contrast"), "--against"),
                           (("-m", LLAMA, TEXT, "--want", "alignment"), "--source"),
                           (("-m", LLAMA, TEXT, "--units", "7"), "counted"),
                           (("-m", LLAMA, TEXT, "--want", "training", "--budget", "9s"), "passes over the samples"),
                           (("-m", MODELS / "published/bert-embed", "--want", "training"), "fit a head"),
                           (("--access", "decoder", "--train", "x.csv"), "--want training"),
                           (("--wants", "parts"), "--want")):
            r = run("advise", *args)
            self.assertEqual((r.returncode, r.stdout), (2, b""), args)
            self.assertIn(says, r.stderr.decode().splitlines()[-1])
        self.assertIn("--quality", run("advise").stderr.decode())
        self.assertEqual(run("advise", "-m", "/nowhere.gguf").returncode, 3)

    def test_the_page_is_what_the_rules_say(self):
        with tempfile.TemporaryDirectory() as where:
            page = pathlib.Path(where) / "advice.md"
            subprocess.run([sys.executable, ROOT / "scripts/make-advice.py", GLIM, page], check=True)
            self.assertEqual((ROOT / "docs/advice.md").read_text(encoding="utf-8"),
                             page.read_text(encoding="utf-8"),
                             "run scripts/make-advice.py build/release/src/cli/glim")


class Questions(Case):
    def talk(self, answers, *args):
        """What a terminal shows, and the exit status."""
        leader, follower = pty.openpty()
        env = dict(os.environ, LC_ALL="C.UTF-8", COLUMNS="100")
        with subprocess.Popen([GLIM, "advise", *args], stdin=follower, stdout=follower,
                              stderr=follower, env=env) as p:
            os.close(follower)
            os.write(leader, answers)
            seen = b""
            try:
                while select.select([leader], [], [], 20)[0] and (piece := os.read(leader, 4096)):
                    seen += piece
            except OSError:
                pass
            os.close(leader)
            return seen.decode(), p.wait(timeout=60)

    def test_a_terminal_is_asked(self):
        seen, status = self.talk(b"6\n1\n1\n3\n20\n300\n")
        self.assertEqual(status, 0, seen)
        for word in ("What is there of the model?", "6  black-box", "What matters most?", "1 lime: about 300"):
            self.assertIn(word, seen)

    def test_empty_lines_take_the_first(self):
        seen, status = self.talk(b"\n" * 6)
        self.assertEqual(status, 0, seen)
        self.assertIn("decoder, classify, parts", seen)

    def test_what_flags_say_is_not_asked(self):
        seen, status = self.talk(b"1\n" + b"\n" * 4, "--want", "looks", "--quality", "accuracy")
        self.assertEqual(status, 0, seen)
        self.assertNotIn("What do you want", seen)
        self.assertIn("attention-norm", seen)

    def test_answers_that_are_none(self):
        seen, status = self.talk(b"9\nx\n0\n")
        self.assertEqual(status, 2, seen)
        self.assertIn("from 1 to 6", seen)
        seen, status = self.talk(b"1\n\x04")
        self.assertEqual(status, 2, seen)
        self.assertIn("no answer", seen)


if __name__ == "__main__":
    unittest.main()
