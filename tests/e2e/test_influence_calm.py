#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim influence under bad data, full disks, interruptions and kills."""
import csv
import json
import os
import pathlib
import resource
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
LLAMA = ROOT / "tests/golden/models/llama-q4_0.gguf"
BERT = ROOT / "tests/golden/models/published/bert-embed"
SCHEMA = json.loads((ROOT / "docs/schema/glim.influence-1.schema.json").read_text())
WORDS = "a fine film no end in it again and x y z the word at last".split()


def small_files(n):
    """No file may grow beyond n bytes: a disk that is full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.here = pathlib.Path(folder.name)

    def write(self, name, rows):
        path = self.here / name
        with path.open("w", newline="", encoding="utf-8") as f:
            csv.writer(f).writerows(rows)
        return path

    def run_glim(self, *args, **how):
        return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120, **how)

    def answer(self, *args):
        r = self.run_glim("influence", "-q", "--json", *args)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return self.whole(r.stdout)

    def whole(self, text):
        answer = json.loads(text)
        Draft202012Validator(SCHEMA).validate(answer)
        return answer

    def refused(self, *args, says, status=2, **how):
        r = self.run_glim("influence", *args, **how)
        self.assertEqual(r.returncode, status, r.stderr.decode())
        self.assertIn(says, r.stderr.decode())
        return r

    def texts(self, n, name="texts.csv", labels=False):
        rows = [[" ".join(WORDS[(i * k + k) % len(WORDS)] for k in range(1, 12)),
                 *(["xy"[i % 2]] if labels else [])] for i in range(n)]
        return self.write(name, [["text", *(["label"] if labels else [])], *rows])

    def same(self, a, b):
        for answer in (a, b):
            answer.pop("cost")
            answer.pop("notes")
        self.assertEqual(a, b)


class Data(Case):
    """Tables that no fit is made for."""

    def numbers(self, *rows):
        return self.write("a.csv", [["a", "b", "y"], *rows])

    def test_classes_that_are_told_apart_without_error(self):
        for three in (False, True):
            table = self.write("apart.csv", [["a", "b", "y"], *(
                [i, i * i, "uvw"[i // 14] if three else "no" if i < 20 else "yes"] for i in range(42))])
            for more in ([], ["--table", table, "--row", "3"], ["--method", "diagnostics"]):
                d = self.answer("--train", table, "--label", "y", "--strength", "0", *more)
                self.assertEqual(d["verdict"], "distrust")
                self.assertIn("without error", d["verdict_reason"])
                d = self.answer("--train", table, "--label", "y", *more)
                self.assertEqual(d["verdict"], "ok")

    def test_constant_columns_change_nothing(self):
        rows = [[(i * 7 % 11) / 3, 7, (i * 5 % 13) / 4] for i in range(40)]
        d = self.answer("--train", self.numbers(*rows), "--label", "y")
        self.assertIn("column 'b' is constant: left out, its coefficient is 0", d["notes"])
        alone = self.answer("--train", self.here / "a.csv", "--label", "y", "--columns", "a")
        for a, b in zip(d["columns"], alone["columns"]):
            self.assertAlmostEqual(a["mean"], b["mean"], 9)
        d = self.answer("--train", self.numbers(*([1, 2, "pq"[i % 2]] for i in range(20))),
                        "--label", "y", "--table", self.here / "a.csv", "--row", "1")
        self.assertTrue(all(c["defined"] == 20 for c in d["columns"]))
        d = self.answer("--train", self.numbers(*([1, 2, 3] for i in range(20))), "--label", "y",
                        "--kind", "linear")
        self.assertEqual(d["verdict"], "distrust")

    def test_more_columns_than_rows(self):
        names = [f"c{k}" for k in range(40)]
        table = self.write("wide.csv", [[*names, "y", "z"], *(
            [*((i * i * k + 3 * i + k) % 17 for k in range(40)), i % 5 + i / 7, "pq"[i % 2]]
            for i in range(16))])
        columns = ["--columns", ",".join(names), "--train", table]
        for label in ("y", "z"):
            self.refused(*columns, "--label", label, "--strength", "0", says="a penalty")
            query = ["--label", label, "--table", table, "--row", "2"]
            d = self.answer(*columns, *query, "--strength", "0", "--kind",
                            "linear" if label == "y" else "logistic")
            self.assertEqual(d["verdict"], "distrust")
            d = self.answer(*columns, *query, "--strength", "1")
            self.assertEqual(d["verdict"], "ok")

    def test_one_class_one_row_none(self):
        one = self.write("one.csv", [["a", "y"], *([i, "x"] for i in range(9))])
        self.refused("--train", one, "--label", "y", says="only one class, 'x'")
        self.refused("--train", self.numbers([1, 2, 3]), "--label", "y", "--kind", "linear",
                     says="1 samples for 1 coefficients")
        self.refused("--train", self.numbers(), "--label", "y", says="has no rows", status=3)
        (self.here / "none.csv").write_text("")
        self.refused("--train", self.here / "none.csv", "--label", "y", says="has no rows", status=3)
        rows = [[1e300 if i == 3 else i, i, i % 5] for i in range(20)]
        self.refused("--train", self.numbers(*rows), "--label", "y", "--kind", "linear",
                     says="too large to be squared", status=1)

    def test_what_is_not_defined_for_more_classes_or_corners_is_refused(self):
        rows = [[i % 7, i % 5, "uvw"[i % 3]] for i in range(60)]
        table = self.numbers(*rows)
        self.refused("--train", table, "--label", "y", "--method", "diagnostics", "--dfbetas",
                     says="--dfbetas is for numbers and two classes; here are 3 classes")
        fit = self.here / "l1.fit"
        r = self.run_glim("fit", "--data", table, "--label", "y", "--l1-ratio", "0.5", "--strength",
                          "1", "-o", fit)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        for more in ([], ["--table", table, "--row", "1"]):
            self.refused("--train", table, "--predictor", f"fit:{fit}", *more,
                         says="fitted with an L1 penalty, at whose corners")

    def test_all_samples_are_the_same(self):
        d = self.answer("--train", self.numbers(*([1, 2, "pq"[i % 4 == 0]] for i in range(40))),
                        "--label", "y")
        twins = d["flags"]["duplicates"]
        self.assertEqual((twins["count"], twins["groups"], twins["other_label"]), (39, 1, 30))


class Texts(Case):
    def test_empty_and_long_texts(self):
        long = " ".join(WORDS * 400)
        rows = [["text"], ["a fine film"], [""], [long], ["no end in it"], ["  "]]
        table = self.write("texts.csv", rows)
        args = ("-m", LLAMA, "--train", table)
        self.refused(*args, "a fine film", says="row 2 of", status=3)
        for method in ("gradient-cosine", "loss", "ekfac"):
            d = self.answer(*args, "--missing", "drop", "--method", method, "a fine film")
            self.assertEqual((d["train"]["samples"], d["train"]["left_out"]), (4, 1))
            self.assertTrue(any("cut" in n or "was not read" in n for n in d["notes"]),
                            (method, d["notes"]))
        r = self.run_glim("influence", *args, "--missing", "drop", "")
        self.assertIn("the query: its 'text' is empty", r.stderr.decode())

    def test_a_head_of_texts(self):
        table = self.texts(30, labels=True)
        fit = self.here / "t.fit"
        r = self.run_glim("fit", "-m", BERT, "--data", table, "--strength", "1", "-o", fit)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        with table.open("a") as f:
            f.write(f"{' '.join(WORDS * 400)},x\n,y\n")
        args = ("-m", BERT, "--predictor", f"fit:{fit}", "--train", table)
        self.refused(*args, "no end", says="row 32 of", status=3)
        d = self.answer(*args, "no end", "--missing", "drop")
        self.assertEqual((d["train"]["left_out"], d["train"]["cut"]), (1, 1))
        self.refused(*args, "", "--missing", "drop", says="empty")


    def test_chats_go_through_a_template_by_name(self):
        table = self.here / "chats.jsonl"
        table.write_text("".join(json.dumps({"messages": [
            {"role": "user", "content": WORDS[i]}, {"role": "assistant", "content": WORDS[i + 1]}
        ]}) + "\n" for i in range(12)))
        args = ("-m", LLAMA, "--train", table, "--method", "gradient-product", "a fine film")
        self.refused(*args, "--template", "nothing", says="no chat template 'nothing'")
        seen = [self.answer(*args, "--template", name)["columns"][0]["mean"]
                for name in ("chatml", "llama2", "chatml")]
        self.assertEqual(seen[0], seen[2])
        self.assertNotEqual(seen[0], seen[1])
        self.refused("-m", LLAMA, "--train", self.texts(5), "--template", "chatml", "no end",
                     says="a column 'messages'")
        numbers = self.write("n.csv", [["a", "y"], *([i, i % 5] for i in range(20))])
        self.refused("--train", numbers, "--label", "y", "--template", "chatml", says="--template")


    def test_plans_tell_time_and_disk(self):
        args = ("influence", "-m", LLAMA, "--train", self.texts(40), "--method", "ekfac", "no end",
                "--dry-run")
        kept, plain = (json.loads(self.run_glim(*args, "--json", *more).stdout)
                       for more in (["--store", self.here / "no.store"], []))
        self.assertGreater(plain["seconds"], 0)
        self.assertGreater(kept["disk_bytes"], plain["disk_bytes"] + 10000)
        self.assertFalse((self.here / "no.store").exists())
        self.assertIn("for the passes", self.run_glim(*args).stdout.decode())
        numbers = self.write("n.csv", [["a", "y"], *([i, i % 5] for i in range(20))])
        plan = json.loads(self.run_glim("influence", "--train", numbers, "--label", "y", "--dry-run",
                                        "--json").stdout)
        self.assertIsNone(plan["seconds"])
        self.assertGreater(plan["disk_bytes"], 20 * 16)

    def test_biases_count_when_they_are_asked_for(self):
        table = self.texts(12)
        for model, has in (("gpt2.gguf", True), ("llama-q4_0.gguf", False)):
            args = ("-m", LLAMA.parent / model, "--train", table, "no end in it")
            for method in ("tracin", "gradient-cosine", "datainf", "trak"):
                plain, biased = (self.answer(*args, "--method", method, *more)["columns"][-1]["mean"]
                                 for more in ([], ["--biases"]))
                self.assertEqual(plain != biased, has, (model, method))
            self.refused(*args, "--method", "tracin", "--biases", "--check", "2", says="--biases")


class Stores(Case):
    METHODS = ("trak", "ekfac")

    def blobs(self, store):
        try:
            with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5) as db:
                (table,) = (r[0] for r in db.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%key%'"))
                return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        except (sqlite3.Error, ValueError):
            return 0

    def killed(self, store, least, *args):
        go = subprocess.Popen([GLIM, "influence", "-q", *map(str, args), "--store", str(store)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(4000):
            if go.poll() is not None or (store.exists() and self.blobs(store) >= least):
                break
            time.sleep(0.005)
        go.kill()
        go.wait(timeout=60)
        self.assertEqual(go.returncode, -signal.SIGKILL, "it ended before it could be killed")

    def test_a_killed_run_goes_on_with_the_same_bits(self):
        table = self.texts(400)
        for method in self.METHODS:
            args = ("-m", LLAMA, "--train", table, "--method", method, "no end in it")
            store = self.here / f"{method}.store"
            self.killed(store, 3, *args)
            self.same(self.answer(*args, "--store", store), self.answer(*args))

    def test_texts_of_a_head_are_kept_by_block(self):
        table, fit = self.texts(1200, labels=True), self.here / "t.fit"
        r = self.run_glim("fit", "-m", BERT, "--data", self.texts(60, "few.csv", True), "--strength",
                          "1", "-o", fit)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        args = ("-m", BERT, "--predictor", f"fit:{fit}", "--train", table, "no end in it")
        store = self.here / "texts.store"
        self.killed(store, 3, *args)
        before = self.blobs(store)
        self.assertLess(before, 6)
        self.same(self.answer(*args, "--store", store), self.answer(*args))
        self.assertEqual(self.blobs(store), 6)  # five blocks, and what they are of

    def test_a_training_file_that_changed_is_run_again(self):
        for method in self.METHODS:
            table, store = self.texts(40), self.here / f"{method}.store"
            args = ("-m", LLAMA, "--train", table, "--method", method, "no end in it")
            first = self.answer(*args, "--store", store)
            self.assertFalse(any("another model" in n for n in first["notes"]))
            with table.open("a") as f:
                f.write("a word more\n")
            second = self.answer(*args, "--store", store)
            self.assertTrue(any("another model, training file" in n for n in second["notes"]),
                            second["notes"])
            self.assertNotEqual(first["train"]["digest"], second["train"]["digest"])
            self.same(second, self.answer(*args))

    def test_other_columns_of_a_file_are_other_samples(self):
        rows = [[WORDS[i % 7] + " x", " ".join(WORDS[i % 5:i % 5 + 4])] for i in range(40)]
        table = self.write("two.csv", [["one", "two"], *rows])
        for method in self.METHODS:
            store = self.here / f"{method}.store"
            args = ("-m", LLAMA, "--train", table, "--method", method, "no end in it")
            self.answer(*args, "--text", "one", "--store", store)
            second = self.answer(*args, "--text", "two", "--store", store)
            self.assertTrue(any("another model" in n for n in second["notes"]))
            self.same(second, self.answer(*args, "--text", "two"))

    def test_full_disks_are_told(self):
        table, numbers = self.texts(200), self.write(
            "numbers.csv", [["a", "y"], *([i % 7, i % 11 + i / 60] for i in range(3000))])
        for method in self.METHODS:
            store = self.here / f"{method}.store"
            args = ("-m", LLAMA, "--train", table, "--method", method, "no end in it")
            r = self.refused(*args, "--store", store, says="glim: ", status=3,
                             preexec_fn=small_files(1 << 15))
            self.assertRegex(r.stderr.decode(), "full|large|disk")
            self.same(self.answer(*args, "--store", store), self.answer(*args))
        r = self.refused("--train", numbers, "--label", "y", says="temporary file", status=3,
                         preexec_fn=small_files(1 << 13))
        for out in ("--csv", "--raw", "--html"):
            path = self.here / f"out{out}"
            self.refused("--train", numbers, "--label", "y", out, path, says="File too large",
                         status=3, preexec_fn=small_files(60000 if out == "--csv" else 52000))
            self.assertFalse(path.exists())
        with open("/dev/full", "wb") as full:
            r = subprocess.run([GLIM, "influence", "--train", numbers, "--label", "y", "--json"],
                               stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(r.returncode, 3)
        self.assertIn("No space left", r.stderr.decode())


    def test_a_file_that_changes_while_it_is_read_is_told(self):
        table = self.write("numbers.csv", [["a", "b", "y"], *(
            [i % 17, i % 23, "pq"[i % 5 < 2]] for i in range(4000))])
        go = subprocess.Popen([GLIM, "influence", "-q", "--train", table, "--label", "y", "--table",
                               table, "--row", "2", "--check", "80", "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4000):  # marks are the third spool: labels of samples and query come first
            try:
                links = [os.readlink(f"/proc/{go.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{go.pid}/fd")]
            except OSError:
                links = []
            if sum("glim-scores" in link for link in links) == 3:
                break
            time.sleep(0.002)
        with table.open("a") as f:
            f.write("1,2,p\n")
        out, err = go.communicate(timeout=60)
        self.assertEqual(go.returncode, 3, err.decode())
        self.assertIn("words and labels of samples are missing in the answer", err.decode())
        self.assertEqual(self.whole(out)["train"]["samples"], 4000)


class Interrupted(Case):
    def test_what_came_is_a_whole_document(self):
        table = self.texts(4000)
        for method in ("gradient-cosine", "ekfac"):
            out = self.here / f"{method}.csv"
            go = subprocess.Popen([GLIM, "influence", "-m", LLAMA, "--train", table, "--method",
                                   method, "no end", "--json", "-q", "--csv", out],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(1)
            go.send_signal(signal.SIGINT)
            text, err = go.communicate(timeout=60)
            self.assertEqual(go.returncode, 130, err.decode())
            self.assertEqual(err.decode(), "glim: interrupted\n")
            d = self.whole(text)
            self.assertTrue(d["partial"])
            if method == "ekfac":  # it makes factors first
                self.assertEqual((d["columns"], d["verdict"]), ([], "distrust"))
            else:
                n = d["columns"][0]["defined"]
                self.assertTrue(0 < n < 4000, n)
                self.assertEqual(len(out.read_text().splitlines()), n + 1)


if __name__ == "__main__":
    unittest.main()
