#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line as a user meets it: answers, exit statuses, bad input."""
import fcntl
import json
import os
import pathlib
import pty
import random
import re
import resource
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

import numpy as np
from wcwidth import wcswidth

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA = str(MODELS / "llama.gguf")
GEMMA = str(MODELS / "gemma3.gguf")
BERT = str(MODELS / "published/bert-classes")
FILL = str(MODELS / "published/bert-fill")
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
    def test_labels_are_classes_of_a_decoder(self):
        form = self.path / "form.txt"
        form.write_text("so {text} is it\n")
        flags = ("-m", LLAMA, "the cat", "--labels", "a, the light, \u6b63",
                 "--prompt-file", form)
        d = json.loads(self.ok("predict", *flags, "--task", "classify", "--json"))
        self.assertEqual(d["text"], "so the cat is it")
        self.assertEqual({o["text"] for o in d["outputs"]}, {"a", "the light", "\u6b63"})
        self.assertAlmostEqual(sum(o["prob"] for o in d["outputs"]), 1)
        self.assertEqual([o["score"] for o in d["outputs"]],
                         sorted((o["score"] for o in d["outputs"]), reverse=True))
        best = d["outputs"][0]
        mean = json.loads(self.ok("predict", *flags, "--length-normalise", "--json"))
        self.assertNotEqual([o["score"] for o in d["outputs"]],
                            [o["score"] for o in mean["outputs"]])
        self.assertEqual(len(self.ok("predict", *flags, "--top", 2).splitlines()), 2)
        for method in ("occlusion", "gradient", "input-x-gradient", "integrated-gradients",
                       "smoothgrad"):
            e = json.loads(self.ok("explain", *flags, "--method", method, "--output", "score",
                                   "--json"))
            self.assertEqual((e["target"]["kind"], e["target"]["text"]), ("class", best["text"]))
            self.assertAlmostEqual(e["target"]["value"], best["score"], 5)
            self.assertAlmostEqual(e["target"]["prob"], best["prob"], 5)
            words = [u["text"].strip() for u in e["input"]["units"] if not u["fixed"]]
            self.assertEqual(words, ["the", "cat"])
            self.assertEqual("".join(u["text"] for u in e["input"]["units"]), d["text"])
        e = json.loads(self.ok("explain", *flags, "--target", "a", "--against", "\u6b63", "--json"))
        scores = {o["text"]: o["score"] for o in d["outputs"]}
        self.assertEqual(e["target"]["kind"], "contrast")
        self.assertAlmostEqual(e["target"]["value"], scores["a"] - scores["\u6b63"], 5)
        self.assertIn("forward tokens", self.ok("explain", *flags, "--dry-run"))
        chat = json.loads(self.ok("predict", *flags, "--as-chat", "--template", "zephyr", "--json"))
        self.assertEqual(chat["text"], d["text"])
        self.assertGreater(len(chat["tokens"]), len(d["tokens"]))

    def test_reports_have_words_for_every_kind_of_target(self):
        span, embed = (str(MODELS / f"published/bert-{n}") for n in ("span", "embed"))
        labels = str(MODELS / "published/bert-labels")
        cases = {"class": (BERT, TEXT), "masked-token": (FILL, "the <|special_5|> cat"),
                 "similarity": (embed, TEXT, "--against", "a cat"), "labels": (labels, TEXT),
                 "span": (span, "who", "--context", TEXT),
                 "contrast": (LLAMA, TEXT, "--labels", "a,b", "--prompt-file", self.path / "f")}
        (self.path / "f").write_text("{text}:")
        cases["contrast"] += ("--target", "a", "--against", "b")
        for kind, (model, *args) in cases.items():
            for lang in ("en", "zh-CN"):
                page = self.path / "a.html"
                self.ok("explain", "-m", model, *args, "--html", page, "--lang", lang)
                text = page.read_text(encoding="utf-8")
                self.assertIn(f'<h1 data-w="title.{kind}">', text)
                self.assertEqual(re.findall(r'data-w="([a-z.-]+)">\1<', text), [])

    def test_masked_words_are_filled_in_and_explained(self):
        text = "the light <|special_5|> and the river"
        d = json.loads(self.ok("predict", "-m", FILL, text, "--json", "--top", 3))
        self.assertEqual(len(d["outputs"]), 3)
        self.assertEqual({(o["start"], o["end"]) for o in d["outputs"]}, {(10, 23)})
        e = json.loads(self.ok("explain", "-m", FILL, text, "--json"))
        self.assertEqual((e["target"]["kind"], e["target"]["id"]),
                         ("masked-token", d["outputs"][0]["id"]))
        self.assertAlmostEqual(e["target"]["prob"], d["outputs"][0]["prob"], 5)
        self.assertEqual([u["text"] for u in e["input"]["units"] if u["fixed"]],
                         ["<|special_5|>"])
        self.assertEqual(len(self.ok("predict", "-m", FILL, text + " <|special_5|>", "--top",
                                     2).splitlines()), 5)
        self.refused(2, "explain", "-m", FILL, text + " <|special_5|>", says="2 masked words")

    def test_help_fits_a_screen(self):
        self.assertIn("explain", self.ok("--help"))
        listed = json.loads(self.ok("--dump-commands"))
        pages = [self.ok(c["name"], "--help") for c in listed["commands"]]
        pages += [self.ok("explain", "--method", m["name"], "--help") for m in listed["methods"]]
        for page in pages:
            self.assertLessEqual(len(page.splitlines()), 50)
            self.assertLessEqual(max(map(len, page.splitlines())), 80)
            self.assertEqual([line for line in page.splitlines() if line.endswith(" ")], [])
        for command in listed["commands"]:
            page = self.ok(command["name"], "--help", "--verbose")
            self.assertLessEqual(max(map(len, page.splitlines())), 80)
            for flag in command["flags"]:
                self.assertIn("--" + flag["name"], page)

    def test_bash_completes_commands_flags_and_values(self):
        script = pathlib.Path(GLIM).parent / "glim.bash"
        if not script.exists():
            self.skipTest("completions were not built")

        def complete(*words):
            line = " ".join(f'"{w}"' for w in words)
            return subprocess.run(
                ["bash", "-c", f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1};"
                 '_glim; echo "${COMPREPLY[@]}"'], capture_output=True, check=True,
                text=True).stdout.split()

        self.assertEqual(complete("glim", "ex"), ["explain"])
        self.assertEqual(complete("glim", "help", "ge"), ["generate"])
        self.assertEqual(complete("glim", "explain", "--method", "smooth"), ["smoothgrad"])
        self.assertEqual(complete("glim", "explain", "--method", "smoothgrad", "--n-s"),
                         ["--n-samples"])
        self.assertEqual(complete("glim", "explain", "--absent", "me"), ["mean"])
        self.assertEqual(complete("glim", "view", "--mod"), [])

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

    def test_every_run_has_a_plan_and_runs_nothing(self):
        out = self.path / "x.safetensors"
        for command in (("predict",), ("generate", "--tokens", 5),
                        ("capture", "--site", "hook_logits", "-o", out), ("explain",)):
            args = (command[0], "-m", LLAMA, TEXT, *command[1:], "--dry-run")
            self.assertIn("forward tokens", self.ok(*args))
            if command[0] != "capture":
                self.assertGreater(json.loads(self.ok(*args, "--json"))["bytes"], 0)
        self.assertFalse(out.exists())
        self.refused(2, "info", "-m", LLAMA, "--dry-run", says="no flag")

    def test_help_and_version_in_every_spelling(self):
        self.assertEqual(self.ok("help", "explain"), self.ok("explain", "--help"))
        self.assertEqual(self.ok("help"), self.ok("-h"))
        self.assertEqual(self.ok("version"), self.ok("-V"))
        self.refused(2, "help", "explian", says="did you mean explain?")

    def test_overlapping_patterns_capture_a_site_once(self):
        one, two = self.path / "1.safetensors", self.path / "2.safetensors"
        self.ok("capture", "-m", LLAMA, TEXT, "-o", one, "--site", "*")
        self.ok("capture", "-m", LLAMA, TEXT, "-o", two, "--site", "*resid*,*,hook_embed")
        self.assertEqual(one.read_bytes(), two.read_bytes())

    def test_verify_scans_as_json_too(self):
        report = json.loads(self.ok("verify", "-m", LLAMA, "--json"))
        self.assertTrue(report["ok"])
        self.assertIsNone(report["tolerance"])
        self.assertFalse(report["partial"])

    def test_what_was_written_is_said_unless_quiet(self):
        out = self.path / "t.json"
        for args in (("tokenize", f"--json={out}"), ("predict", "--raw", self.path / "l.npy"),
                     ("capture", "-o", self.path / "c.safetensors")):
            self.assertIn(b"glim: wrote ", run(args[0], "-m", LLAMA, TEXT, *args[1:]).stderr)
            self.assertEqual(run(args[0], "-m", LLAMA, TEXT, *args[1:], "-q").stderr, b"")

    def test_json_with_a_byte_order_mark(self):
        chat = self.path / "c.json"
        chat.write_bytes(b'\xef\xbb\xbf[{"role": "user", "content": "x"}]')
        self.ok("predict", "-m", LLAMA, "--chat", chat, "--template", "chatml")

    def test_text_from_file_and_standard_input(self):
        file = self.path / "t.txt"
        file.write_text(TEXT + "\n")
        want = self.ok("tokenize", "-m", LLAMA, TEXT)
        self.assertEqual(self.ok("tokenize", "-m", LLAMA, "-f", file), want)
        self.assertEqual(self.ok("tokenize", "-m", LLAMA, "-f", "-", stdin=TEXT.encode()), want)


class EncoderDecoders(Case):
    TOY = str(MODELS / "stacks/marian")
    SAID = "I have seen the bridge", "ich habe die Brücke gesehen"

    def test_it_translates_greedily_and_in_beams(self):
        said, written = self.SAID
        self.assertEqual(self.ok("generate", "-m", self.TOY, said), written + "\n")
        self.assertEqual(self.ok("generate", "-m", self.TOY, "--beams", 4, said), written + "\n")
        d = json.loads(self.ok("generate", "-m", self.TOY, said, "--beams", 2, "--json"))
        self.assertEqual(d["text"], written)
        self.assertTrue(all(0.9 < t["prob"] <= 1 for t in d["tokens"]))
        self.assertEqual(self.ok("generate", "-m", self.TOY, "--tokens", 3, said), "ich\n")

    def test_each_written_token_is_explained_by_source_words(self):
        said, written = self.SAID
        d = json.loads(self.ok("explain", "-m", self.TOY, said, "--json"))
        self.assertEqual(d["target"]["text"], written)
        self.assertEqual([u["text"].strip() for u in d["input"]["units"]], said.split() + ["</s>"])
        row = [r["text"] for r in d["rows"]].index("ie")  # d-ie Brücke: the noun decides
        scores = d["scores"][row]
        self.assertEqual(scores.index(max(s for s in scores if s is not None)), 4)
        given = json.loads(self.ok("explain", "-m", self.TOY, said, "--json", "--target",
                                   "ich habe den Fluss gesehen"))
        self.assertEqual(given["target"]["kind"], "continuation")
        self.assertLess(given["target"]["value"], d["target"]["value"] - 5)

    def test_sites_of_both_halves_are_captured_and_verified(self):
        out = self.path / "a.safetensors"
        self.ok("capture", "-m", self.TOY, "--site", "*", "-o", out, self.SAID[0])
        self.assertIn("73 sites agree", self.ok("verify", "-m", self.TOY, "--against", out,
                                                "--tolerance", 0))
        sites = self.ok("info", "-m", self.TOY, "--sites").split()
        self.assertIn("decoder.blocks.0.cross_attn.hook_pattern", sites)
        self.assertIn("encoder.hook_embed", sites)

    def test_what_it_cannot_do_is_refused(self):
        said = self.SAID[0]
        self.refused(2, "generate", "-m", LLAMA, "--beams", 2, "a", says="--beams")
        self.refused(2, "generate", "-m", self.TOY, "--beams", 2, "--temperature", 1, said,
                     says="--temperature")
        self.refused(2, "explain", "-m", self.TOY, "--against", "x", said, says="--against")
        self.refused(2, "explain", "-m", self.TOY, "--target", "", said, says="empty")
        self.refused(2, "explain", "-m", self.TOY, "--context", "a", said, says="--context")
        self.refused(2, "capture", "-m", LLAMA, "--target", "a", "-o", self.path / "a", "b",
                     says="--target")
        self.refused(3, "verify", "-m", self.TOY, "--against", MODELS / "llama.safetensors")
        self.refused(3, "predict", "-m", self.TOY, "cat " * 100, says="context")
        table = self.path / "t.csv"
        table.write_text("text,label\n" + "a,x\nb,y\n" * 8)
        self.refused(3, "fit", "-m", self.TOY, "--data", table, "-o", self.path / "f",
                     says="translations")


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

    def test_documents_of_any_kind_fit_every_width(self):
        """Hard units, measured by wcwidth, which shares nothing with glim's tables."""
        pool = ("a", "世界", "，", "。", "👩‍👩‍👧", "🇫🇷", "e\u0301", "\u202e", "\x1b[31m", "\t", "\n", "नमस्ते",
                "한국어", "\u200b", "\u200d", "\u00ad", "A" * 50, "很" * 70, " ", "👍🏽", "❤️", "\ufe0f", "",
                "\x00", "\x7f", "\x85", "ﾊ", "‮אבג", "مرحبا", "\u2028", "\u180e", "\U0001f1eb")
        base = json.loads(self.ok("explain", "-m", LLAMA, TEXT, "--json"))
        file = self.path / "d.json"
        sgr = re.compile("\x1b\\[[0-9;]*m")
        for seed in range(12):
            rng = random.Random(seed)
            doc, at, units = json.loads(json.dumps(base)), 0, []
            for i in range(rng.choice((1, 5, 30, 500))):
                text = rng.choice(("", " ")) + "".join(rng.choices(pool, k=rng.choice((1, 1, 3))))
                end = at + len(text.encode())
                units.append({"text": text, "start": at, "end": end, "fixed": rng.random() < 0.1,
                              "turn": rng.choice((None, 0, 1))})
                at = end
            scores = [rng.choice((None, 0, rng.gauss(0, 1), 1e30, -1e9)) for _ in units]
            doc["input"].update(text="".join(u["text"] for u in units), units=units,
                                turns=[{"role": rng.choice(pool) * 3, "start": 0, "end": 0}])
            doc.update(scores=scores, error=rng.choice((None, scores)), notes=[rng.choice(pool)])
            doc["target"].update(text=rng.choice(pool) * 30, output=rng.choice(pool))
            doc["method"].update(name=rng.choice(pool), caption="".join(rng.choices(pool, k=20)))
            doc["model"]["file"] = rng.choice(pool) * 20
            file.write_text(json.dumps(doc))
            for width in (20, 40, 80, 120):
                for look in ((), ("--color", "always"), ("--numbers",), ("--ascii",)):
                    out = self.ok("view", file, "--width", width, *look)
                    for line in out.split("\n"):
                        self.assertFalse(sgr.findall(line)[-1:] not in ([], ["\x1b[0m"]), line)
                        plain = sgr.sub("", line)
                        self.assertTrue(0 <= wcswidth(plain) <= width, (seed, width, plain))

    def test_generated_text_steers_no_terminal(self):
        out = self.ok("generate", "-m", GEMMA, TEXT, "--tokens", 400, "--temperature", 2, "--seed", 3)
        self.assertIsNone(re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ufffd]", out))
        self.assertRegex(out, "<[0-9A-F]{2}>")
        ascii_ = self.ok("generate", "-m", GEMMA, TEXT, "--tokens", 50, "--ascii")
        ascii_.encode("ascii")

    def progress(self, columns, *args):
        """What a run writes to a terminal of so many columns as standard error."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 30, columns, 0, 0))
        with subprocess.Popen([GLIM, *map(str, args)], stdout=subprocess.DEVNULL, stderr=follower) as p:
            os.close(follower)
            seen = b""
            try:
                while piece := os.read(leader, 4096):
                    seen += piece
            except OSError:
                pass
            os.close(leader)
            self.assertEqual(p.wait(timeout=60), 0)
        return seen.decode()

    def test_progress_is_one_line_that_is_erased(self):
        run_ = ("explain", "-m", GEMMA, TEXT * 2, "--method", "smoothgrad", "--n-samples", 1500)
        for columns in (20, 40, 100):
            seen = self.progress(columns, *run_)
            self.assertTrue(seen.endswith("\r\x1b[K"), seen[-40:])
            self.assertNotIn("\n", seen)
            lines = seen.split("\r\x1b[K")
            self.assertGreater(len(lines), 3)
            self.assertLess(max(map(len, lines)), columns)
            self.assertIn("%", seen)
        self.assertEqual(self.progress(80, *run_, "-q"), "")

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

    def test_flags(self):
        self.refused(2, "explian", says="did you mean explain?")
        self.refused(2, "xyzzy", says="glim --help")
        self.refused(2, "explain", "--modle", LLAMA, TEXT, says="did you mean --model?")
        self.refused(2, "explain", "--=x", says="--help")
        self.refused(2, "explain", "-m", LLAMA, "--steps", 3, TEXT, says="integrated-gradients")
        self.refused(2, "tokenize", "-m", LLAMA, "-5", says="behind --")
        self.refused(2, "tokenize", "-m", LLAMA, "--", "a", "b", says="two texts")
        self.refused(2, "predict", "-m", LLAMA, TEXT, "--memory", "-5", says="size")
        self.refused(2, "predict", "-m", LLAMA, TEXT, "--seed", "-1", says="9007199254740992")
        self.refused(2, "predict", "-m", LLAMA, TEXT, "--quiet=1", says="no value")
        self.refused(2, "predict", "-qm", says="wants a value")
        self.ok("predict", "-qm", LLAMA, TEXT)
        self.ok("predict", "-qvm" + LLAMA, TEXT)
        self.assertEqual(self.ok("tokenize", "-m", LLAMA, "--", "-5").split()[-1], "1-2")
        self.refused(2, "verify", "-m", LLAMA, TEXT, says="takes no text")
        self.refused(2, "info", "-m", LLAMA, LLAMA, says="two models")
        self.refused(2, "info", "-m", LLAMA, "--json", "--tensors", says="--json")
        self.refused(2, "predict", "-m", LLAMA, TEXT, "--template", "chatml", says="--chat")
        self.refused(2, "predict", "-m", LLAMA, TEXT, "--no-template", says="--chat")
        self.refused(2, "predict", "-m", LLAMA, TEXT, "-f", "x", says="one input")

    def test_outputs_never_meet_inputs_or_each_other(self):
        model, text, doc = (self.path / n for n in ("m.gguf", "t.txt", "d.json"))
        model.write_bytes(pathlib.Path(LLAMA).read_bytes())
        text.write_text(TEXT)
        link, other = self.path / "link", self.path / "other.csv"
        link.symlink_to(model)
        self.ok("explain", "-m", LLAMA, TEXT, f"--json={doc}")
        for out in (model, link):
            self.refused(2, "capture", "-m", model, TEXT, "-o", out, says="overwrite")
            self.refused(2, "explain", "-m", model, TEXT, "--csv", out, says="overwrite")
        self.refused(2, "explain", "-m", model, "-f", text, "--html", text, says="overwrite")
        self.refused(2, "view", doc, "--csv", doc, says="overwrite")
        self.refused(2, "explain", "-m", model, TEXT, "--csv", other, f"--json={other}", says="same")
        self.refused(2, "explain", "-m", model, TEXT, "--json", "--csv", "-", says="standard output")
        self.refused(2, "explain", "-m", model, TEXT, "--raw", "-", says="needs a file")
        self.refused(2, "capture", "-m", model, TEXT, "-o", "-", says="needs a file")
        self.refused(2, "capture", "-m", model, TEXT, "-o", "/dev/stdout", says="needs a file")
        self.assertEqual(model.read_bytes(), pathlib.Path(LLAMA).read_bytes())
        self.assertEqual(text.read_text(), TEXT)
        self.assertEqual(len(list(self.path.iterdir())), 4)

    def test_standard_output_by_another_name_keeps_its_file(self):
        out = self.path / "out.txt"
        with open(out, "wb") as f:
            f.write(b"before\n")
            f.flush()
            for _ in range(2):
                subprocess.run([GLIM, "explain", "-m", LLAMA, TEXT, "--csv", "/dev/stdout", "-q"],
                               stdout=f, check=True)
        lines = out.read_text().splitlines()
        self.assertEqual(lines[0], "before")
        self.assertEqual(sum(line.startswith("unit,text") for line in lines), 2)
        self.assertTrue(pathlib.Path("/dev/stdout").is_symlink())

    def test_labels_and_prompts_that_make_no_sense(self):
        form, none, empty = (self.path / n for n in ("form.txt", "none.txt", "empty.txt"))
        form.write_text("so {text} is it\n")
        none.write_text("so it is\n")
        empty.write_text("\n")
        bad = [(("--labels", "a,b", "--prompt-file", none), "no {text}"),
               (("--labels", "a", "--prompt-file", form), "single label"), (("--labels", ""), "empty label"),
               (("--labels", "a,,b"), "empty label"), (("--labels", "a, b,a"), "twice"),
               (("--task", "classify"), "--labels"), (("--length-normalise",), "--labels"),
               (("--labels", "a,b", "--chat", form, "--as-chat"), "one input"),
               (("--as-chat", "--no-template"), "--no-template")]
        for command in ("predict", "explain"):
            for flags, says in bad:
                self.refused(2, command, "-m", LLAMA, TEXT, *flags, says=says)
            self.refused(3, command, "-m", LLAMA, TEXT, "--prompt-file", empty, says="is empty")
            self.refused(3, command, "-m", LLAMA, TEXT, "--prompt-file", self.path / "no",
                         says="cannot read")
            self.refused(2, command, "-m", BERT, TEXT, "--labels", "a,b", says="continue a text")
            self.refused(2, command, "-m", BERT, TEXT, "--prompt-file", form, says="continue")
        for flags, says in ((("--target", "c"), "no label 'c'"), (("--generate", 2), "the target"),
                            (("--target", "a", "--against", "a"), "itself")):
            self.refused(2, "explain", "-m", LLAMA, "x", "--labels", "a,b", "--prompt-file", form,
                         *flags, says=says)
        self.refused(2, "explain", "-m", LLAMA, TEXT, "--target", "a", "--against", "a",
                     says="itself")
        self.refused(2, "explain", "-m", LLAMA, TEXT, "--output", "score", says="not one of")
        self.refused(2, "info", "-m", LLAMA, "--labels", "a,b", says="predict and explain")
        self.refused(2, "predict", "-m", FILL, "the light", says="<|special_5|> in the place")
        self.refused(2, "explain", "-m", FILL, "the light", says="<|special_5|> in its place")

    def test_standard_output_that_refuses(self):
        for args in (("--help",), ("--version",), ("explain", "--help"), ("info", "-m", LLAMA),
                     ("verify", "-m", LLAMA), ("generate", "-m", LLAMA, TEXT, "--tokens", "3"),
                     ("explain", "-m", LLAMA, TEXT, "--json")):
            with open("/dev/full", "wb") as full:
                p = subprocess.run([GLIM, *args], stdout=full, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(p.returncode, 3, args)
            self.assertEqual(p.stderr.count(b"\n"), 1, p.stderr)
        closed = lambda: os.close(1)
        p = subprocess.run([GLIM, "predict", "-m", LLAMA, TEXT], preexec_fn=closed,
                           stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(p.returncode, 3)
        out = self.path / "x.csv"
        p = subprocess.run([GLIM, "explain", "-m", LLAMA, TEXT, "--csv", out], preexec_fn=closed,
                           stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(p.returncode, 3)
        self.assertTrue(out.read_bytes().startswith(b"unit,text"))
        self.assertNotIn(b"Why", out.read_bytes())

    def test_a_failed_write_keeps_the_old_file_and_an_empty_standard_output(self):
        old = self.path / "old"
        for args in (("explain", "--raw"), ("explain", "--csv"), ("explain", "--html"),
                     ("predict", "--raw"), ("capture", "--site", "*", "-o")):
            old.write_text("keep")
            limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
            r = run(args[0], "-m", LLAMA, TEXT, *args[1:], old, "-q", preexec_fn=limit)
            self.assertEqual((r.returncode, r.stdout), (3, b""), (args, r.stderr))
            self.assertIn(b"cannot write", r.stderr)
            self.assertEqual(old.read_text(), "keep")
            self.assertEqual([f.name for f in self.path.iterdir()], ["old"])

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
        strange = self.path / "strange.gguf"
        strange.write_bytes(data.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0zz\x1bzz", 1))
        self.refused(3, "info", "-m", strange, "--json")
        self.assertNotIn("\x1b", self.ok("info", "-m", strange))
        self.refused(3, "verify", "-m", LLAMA, "--against", MODELS / "gemma3.safetensors",
                     says="another model")

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
            if "content" not in text:
                self.refused(3, "predict", "-m", LLAMA, "--chat", chat, "--no-template")
        chat.write_text('[{"role": "pirate", "content": "x"}]')
        self.refused(2, "predict", "-m", LLAMA, "--chat", chat, "--template", "chatml",
                     says="pirate")
        chat.write_text('[{"role": "user", "content": "x"}]')
        self.refused(2, "predict", "-m", LLAMA, "--chat", chat, "--template", "nope",
                     says="--template")

    def test_budget_names_the_least_that_would_do(self):
        for command in ("explain", "predict", "generate", "tokenize"):
            for small in ("1", "200K", "9M"):
                err = self.refused(4, command, "-m", GEMMA, TEXT, "--memory", small)
                self.assertIn("--memory", err)
                need = int(re.search(r"needs (?:about|at least) (\d+) MiB", err)[1])
                self.ok(command, "-m", GEMMA, TEXT, "--memory", f"{need + 1}M")

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

    def interrupt(self, number, *args, after=0.5, **more):
        p = subprocess.Popen([GLIM, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             **more)
        time.sleep(after)
        start = time.monotonic()
        p.send_signal(number)
        out, err = p.communicate(timeout=20)
        self.assertLess(time.monotonic() - start, 2)
        self.assertEqual(p.returncode, 130, err)
        self.assertEqual(err, b"glim: interrupted\n")
        return out

    def test_a_wait_for_input_is_interrupted_too(self):
        reading, writing = os.pipe()
        for number in (signal.SIGINT, signal.SIGTERM):
            self.interrupt(number, "tokenize", "-m", LLAMA, "-f", "-", stdin=reading)
        os.close(writing)
        os.close(reading)
        pipe = self.path / "fifo"
        os.mkfifo(pipe)
        self.interrupt(signal.SIGINT, "tokenize", "-m", LLAMA, "-f", pipe)


if __name__ == "__main__":
    unittest.main()
