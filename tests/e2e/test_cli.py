#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line as a user meets it: answers, exit statuses, bad input."""
import json
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import time
import unittest

import numpy as np
from wcwidth import wcswidth

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA = str(MODELS / "llama.gguf")
GEMMA = str(MODELS / "gemma3.gguf")
TEXT = "Hello small world, hello again"


def run(*args, stdin=None, env=None, **more):
    full = dict(os.environ, LANG="C.UTF-8", **(env or {}))
    full.pop("COLORTERM", None)
    return subprocess.run([GLIM, *map(str, args)], input=stdin, capture_output=True, env=full,
                          timeout=120, **more)


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)

    def ok(self, *args, **more):
        r = run(*args, **more)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def refused(self, status, *args, says="", **more):
        r = run(*args, **more)
        err = r.stderr.decode()
        self.assertEqual(r.returncode, status, err)
        self.assertEqual(r.stdout, b"")
        lines = [line for line in err.splitlines() if not line.startswith("glim: note:")]
        self.assertEqual(len(lines), 1, err)
        self.assertTrue(lines[0].startswith("glim: "), err)
        self.assertIn(says, err)
        return err


class Answers(Case):
    def test_help_fits_a_screen(self):
        self.assertIn("explain", self.ok("--help"))
        for command in json.loads(self.ok("--dump-commands"))["commands"]:
            page = self.ok(command["name"], "--help")
            self.assertLess(len(page.splitlines()), 60)
            self.assertLessEqual(max(map(len, page.splitlines())), 120)

    def test_version(self):
        self.assertRegex(self.ok("--version"), r"^glim \d+\.\d+\.\d+\n$")

    def test_tokenize_gives_ids_and_byte_offsets(self):
        tokens = json.loads(self.ok("tokenize", "-m", LLAMA, "--json", TEXT))
        self.assertEqual(set(tokens[0]), {"id", "text", "start", "end", "kind"})
        joined = "".join(TEXT.encode()[t["start"]:t["end"]].decode() for t in tokens)
        self.assertEqual(joined, TEXT)

    def test_predict_is_a_distribution(self):
        answer = json.loads(self.ok("predict", "-m", LLAMA, TEXT, "--json", "--top", 9999))
        self.assertEqual(answer["schema"], "glim.prediction/1")
        self.assertAlmostEqual(sum(o["prob"] for o in answer["outputs"]), 1, places=6)
        probs = [o["prob"] for o in answer["outputs"]]
        self.assertEqual(probs, sorted(probs, reverse=True))

    def test_raw_logits_are_those_of_predict(self):
        out = self.path / "logits.npy"
        self.ok("predict", "-m", LLAMA, TEXT, "--raw", out)
        raw = np.load(out)
        answer = json.loads(self.ok("predict", "-m", LLAMA, TEXT, "--json"))
        self.assertEqual(raw.shape[0], len(answer["tokens"]))
        top = answer["outputs"][0]
        self.assertEqual(int(raw[-1].argmax()), top["id"])
        self.assertAlmostEqual(float(raw[-1].max()), top["logit"], places=5)

    def test_generate_repeats_and_streams_the_same_text(self):
        args = ("generate", "-m", LLAMA, TEXT, "--tokens", 8, "--temperature", 1, "--seed", 7)
        one = json.loads(self.ok(*args, "--json"))
        self.assertEqual(one, json.loads(self.ok(*args, "--json")))
        self.assertEqual(len(one["tokens"]), 8)

    def test_explain_document_holds_what_the_contract_says(self):
        for method in ("gradient", "input-x-gradient", "integrated-gradients", "smoothgrad",
                       "occlusion"):
            doc = json.loads(self.ok("explain", "-m", LLAMA, TEXT, "--method", method, "--json"))
            self.assertEqual(doc["schema"], "glim.explanation/1")
            self.assertEqual(doc["kind"], "attribution")
            self.assertEqual(len(doc["scores"]), len(doc["input"]["units"]))
            self.assertEqual(doc["method"]["name"], method)
            self.assertIn(doc["checks"]["verdict"], ("ok", "careful", "do not trust"))
            for unit in doc["input"]["units"]:
                if not unit["fixed"]:
                    self.assertEqual(TEXT.encode()[unit["start"]:unit["end"]].decode(),
                                     unit["text"])

    def test_explain_generated_tokens_is_a_matrix(self):
        doc = json.loads(self.ok("explain", "-m", LLAMA, TEXT, "--generate", 3, "--json"))
        self.assertEqual(doc["kind"], "attribution-matrix")
        self.assertEqual(len(doc["scores"]), len(doc["rows"]))
        last = len(doc["input"]["units"]) - 1
        self.assertIsNone(doc["scores"][0][last])

    def test_contrast_is_the_difference(self):
        outputs = json.loads(self.ok("predict", "-m", LLAMA, TEXT, "--json", "--top", 60))["outputs"]
        a, b = [o for o in outputs if o["text"].isascii() and o["text"].isalnum()][:2]
        doc = json.loads(self.ok("explain", "-m", LLAMA, TEXT, "--target", a["text"], "--against",
                                 b["text"], "--json"))
        self.assertAlmostEqual(doc["target"]["value"], a["logit"] - b["logit"], places=4)

    def test_capture_has_transformerlens_shapes(self):
        out = self.path / "acts.safetensors"
        self.ok("capture", "-m", GEMMA, TEXT, "-o", out, "--site",
                "blocks.*.hook_resid_post,*hook_pattern,hook_logits", "--grad")
        data = out.read_bytes()
        n = struct.unpack("<Q", data[:8])[0]
        head = json.loads(data[8:8 + n])
        T = head["ids"]["shape"][0]
        self.assertEqual(head["blocks.0.hook_resid_post"]["shape"][0], T)
        heads, rows, cols = head["blocks.0.attn.hook_pattern"]["shape"]
        self.assertEqual((rows, cols), (T, T))
        begin, end = head["blocks.0.attn.hook_pattern"]["data_offsets"]
        pattern = np.frombuffer(data[8 + n + begin:8 + n + end], "<f4").reshape(heads, T, T)
        np.testing.assert_allclose(pattern.sum(-1), 1, atol=1e-5)
        self.assertIn("grad.blocks.0.hook_resid_post", head)

    def test_verify_accepts_its_recording_and_names_the_first_difference(self):
        for recording in sorted(MODELS.glob("*.safetensors")):
            model = str(recording).replace(".one", "").replace(".safetensors", ".gguf")
            self.ok("verify", "-m", model, "--against", recording, "--tolerance", "1e-4")
        r = run("verify", "-m", LLAMA, "--against", MODELS / "llama-untied.safetensors")
        self.assertEqual(r.returncode, 1)
        self.assertIn(b"the first is hook_embed", r.stderr)

    def test_verify_scans_a_model_alone(self):
        self.assertIn("all values finite", self.ok("verify", "-m", LLAMA))

    def test_view_gives_the_same_document_again(self):
        first, second = self.path / "a.json", self.path / "b.json"
        self.ok("explain", "-m", LLAMA, TEXT, "--generate", 2, f"--json={first}")
        self.ok("view", first, f"--json={second}")
        self.assertEqual(first.read_text(), second.read_text())
        html = self.path / "why.html"
        self.ok("view", first, "--html", html, "--csv", self.path / "a.csv")
        page = html.read_text()
        self.assertIn("Content-Security-Policy", page)
        self.assertNotIn("http://", page)

    def test_info_tells_the_architecture_also_of_files_it_cannot_run(self):
        facts = json.loads(self.ok("info", "-m", GEMMA, "--json"))
        self.assertEqual(facts["architecture"], "gemma3")
        strange = self.path / "strange.gguf"
        data = (MODELS / "llama.gguf").read_bytes()
        strange.write_bytes(data.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0zzzzz", 1))
        self.assertIn("zzzzz", self.ok("info", "-m", strange))
        self.assertIn("blk.0.attn_q.weight", self.ok("info", "-m", LLAMA, "--tensors"))
        self.assertIn("blocks.0.hook_resid_pre", self.ok("info", "-m", LLAMA, "--sites"))

    def test_dry_run_prints_a_plan_and_runs_nothing(self):
        plan = json.loads(self.ok("explain", "-m", LLAMA, TEXT, "--method", "gradient", "--dry-run",
                                  "--json"))
        self.assertGreater(plan["backward_tokens"], 0)

    def test_text_from_file_and_standard_input(self):
        file = self.path / "t.txt"
        file.write_text(TEXT + "\n")
        want = self.ok("tokenize", "-m", LLAMA, TEXT)
        self.assertEqual(self.ok("tokenize", "-m", LLAMA, "-f", file), want)
        self.assertEqual(self.ok("tokenize", "-m", LLAMA, "-f", "-", stdin=TEXT.encode()), want)


class Terminal(Case):
    def test_no_line_is_wider_than_the_terminal(self):
        texts = ("中文字符 👩‍👩‍👧 \t tabs", "a_long_word" * 4 + " 很长的句子")
        for width in (40, 80, 120):
            for text in texts:
                out = self.ok("explain", "-m", LLAMA, text, "--width", width)
                for line in out.splitlines():
                    self.assertGreaterEqual(wcswidth(line), 0, line)
                    self.assertLessEqual(wcswidth(line), width, line)

    def test_no_escapes_unless_asked(self):
        out = self.ok("explain", "-m", LLAMA, TEXT + "\x1b[31m\u202e")
        self.assertNotIn("\x1b", out)
        self.assertNotIn("\u202e", out)
        self.assertIn("\x1b[", self.ok("explain", "-m", LLAMA, TEXT, "--color", "always"))
        self.assertNotIn("\x1b", self.ok("explain", "-m", LLAMA, TEXT, env={"NO_COLOR": "1"}))

    def test_ascii_is_ascii(self):
        self.ok("explain", "-m", LLAMA, "世界 wide", "--ascii").encode("ascii")


class BadInput(Case):
    def test_usage(self):
        self.assertEqual(run().returncode, 2)
        self.refused(2, "nothing", says="no command")
        self.refused(2, "explain", "--stepz", "3", says="no flag")
        self.refused(2, "explain", "-m", LLAMA, "--method", "occluson", "x", says="no method")
        self.refused(2, "explain", "-m", LLAMA, "a", "b", says="two texts")
        self.refused(2, "explain", "-m", LLAMA, says="no input")
        self.refused(2, "explain", TEXT, says="needs a model")
        self.refused(2, "explain", "-m", LLAMA, "--method", "smoothgrad", "--n-samples", "x", TEXT)
        self.refused(2, "explain", "-m", LLAMA, "--threads", "-4", TEXT)
        self.refused(2, "explain", "-m", LLAMA, "--units", "page", TEXT)
        self.refused(2, "explain", "-m", LLAMA, "--units", "turn", TEXT, says="chat")
        self.refused(2, "explain", "-m", LLAMA, "--generate", 3, "--against", "a", TEXT)
        self.refused(2, "predict", "-m", LLAMA, "--kernels", "abacus", TEXT)

    def test_files(self):
        self.refused(3, "info", "-m", self.path / "none.gguf")
        wrong = self.path / "wrong.gguf"
        wrong.write_bytes(b"PK\x03\x04" + bytes(100))
        self.refused(3, "predict", "-m", wrong, TEXT, says="GGUF")
        data = (MODELS / "llama.gguf").read_bytes()
        for n in (0, 3, 4, 23, 24, 100, 1000, len(data) // 2, len(data) - 1):
            cut = self.path / "cut.gguf"
            cut.write_bytes(data[:n])
            self.refused(3, "predict", "-m", cut, TEXT)
        self.refused(3, "predict", "-m", LLAMA, "-f", self.path / "none.txt")
        self.refused(3, "view", wrong)

    def test_texts(self):
        self.refused(2, "predict", "-m", LLAMA, "")
        self.refused(3, "predict", "-m", LLAMA, "-f", "-", stdin=b"ab\xff", says="byte 2")
        self.refused(3, "predict", "-m", LLAMA, "word " * 4000, says="context")
        self.refused(3, "explain", "-m", LLAMA, "word " * 4000, says="context")
        self.refused(2, "explain", "-m", LLAMA, "--target", "quite a long target", TEXT,
                     says="not one token")

    def test_chats(self):
        chat = self.path / "c.json"
        for text in ("", "{", "[]", "{}", '[{"role": "user"}]', '[{"role": 3, "content": "x"}]'):
            chat.write_text(text)
            r = run("predict", "-m", LLAMA, "--chat", chat, "--template", "chatml")
            self.assertIn(r.returncode, (2, 3))
        chat.write_text('[{"role": "pirate", "content": "x"}]')
        self.refused(2, "predict", "-m", LLAMA, "--chat", chat, "--template", "chatml",
                     says="pirate")
        chat.write_text('[{"role": "user", "content": "x"}]')
        self.refused(2, "predict", "-m", LLAMA, "--chat", chat, "--template", "nope",
                     says="--template")

    def test_budget_names_the_least_that_would_do(self):
        err = self.refused(4, "explain", "-m", LLAMA, TEXT, "--memory", "200K")
        self.assertIn("--memory", err)

    def test_not_a_number_in_the_weights(self):
        data = bytearray((MODELS / "llama.gguf").read_bytes())
        data[-64:] = b"\x00\x00\xc0\x7f" * 16
        bad = self.path / "nan.gguf"
        bad.write_bytes(data)
        r = run("predict", "-m", bad, TEXT)
        self.assertIn(r.returncode, (1, 3))
        self.assertEqual(run("verify", "-m", bad).returncode, 1)

    def test_full_disk_leaves_nothing(self):
        r = run("explain", "-m", LLAMA, TEXT, "--json=/dev/full")
        self.assertNotEqual(r.returncode, 0)
        target = self.path / "sub" / "x.json"
        self.refused(3, "explain", "-m", LLAMA, TEXT, f"--json={target}", "-q")
        with open("/dev/full", "wb") as full:
            p = subprocess.run([GLIM, "predict", "-m", LLAMA, TEXT], stdout=full,
                               stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(p.returncode, 3, p.stderr)

    def test_closed_pipe_ends_quietly(self):
        p = subprocess.Popen([GLIM, "info", "-m", GEMMA, "--sites"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        p.stdout.close()
        self.assertEqual(p.stderr.read(), b"")
        p.wait(timeout=30)
        p.stderr.close()

    def test_interrupt_writes_a_partial_document_within_a_second(self):
        out = self.path / "part.json"
        p = subprocess.Popen([GLIM, "explain", "-m", GEMMA, TEXT * 2, "--method", "smoothgrad",
                              "--n-samples", "100000", f"--json={out}", "-q"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.7)
        start = time.monotonic()
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=20)
        self.assertEqual(p.returncode, 130, err)
        self.assertLess(time.monotonic() - start, 2)
        self.assertTrue(json.loads(out.read_text())["partial"])


if __name__ == "__main__":
    unittest.main()
