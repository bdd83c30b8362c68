#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models of pictures on the command line, and the converter of PyTorch's pickle: answers by
their schemas, bad pictures, a pickle that would run code, tensors with strides."""
import base64
import collections
import importlib.util
import io
import json
import os
import pathlib
import pickle
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
IMAGES = ROOT / "tests/golden/images"
MODEL = str(IMAGES / "mobilenet-v2")
LITE = str(IMAGES / "efficientnet-lite")
PICTURE = str(IMAGES / "pictures/small.jpg")
NAMES = ["cat", "dog", "bird", "fish", "none"]

spec = importlib.util.spec_from_file_location("convert", ROOT / "scripts/convert-efficientnet.py")
convert = importlib.util.module_from_spec(spec)
spec.loader.exec_module(convert)
WORDS = {"lrp": ["--accept-patent-note"]}  # what a method asks for before it does anything


def run(*args):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                          env=dict(os.environ, LANG="C.UTF-8"))


def schema(name):
    return Draft202012Validator(
        json.loads((ROOT / f"docs/schema/glim.{name}-1.schema.json").read_text()))


def png(width, height, rows=b""):
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)

    def ok(self, *args):
        r = run(*args)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def refused(self, status, *args, says):
        r = run(*args)
        err = r.stderr.decode()
        self.assertEqual(r.returncode, status, err)
        self.assertEqual(r.stdout, b"")
        self.assertEqual(err.count("\n"), 1, err)
        self.assertIn(says, err)


class Answers(Case):
    def test_classes_come_with_their_names_and_largest_first(self):
        p = json.loads(self.ok("predict", "-m", MODEL, PICTURE, "--json"))
        schema("prediction").validate(p)
        self.assertEqual(p["image"], "small.jpg")
        self.assertEqual(sorted(o["text"] for o in p["outputs"]), sorted(NAMES))
        logits = [o["logit"] for o in p["outputs"]]
        self.assertEqual(logits, sorted(logits, reverse=True))
        self.assertAlmostEqual(sum(o["prob"] for o in p["outputs"]), 1)
        table = self.ok("predict", "-m", MODEL, PICTURE, "--top", "2")
        self.assertEqual([line.split()[1] for line in table.splitlines()],
                         [o["text"] for o in p["outputs"][:2]])

    def test_info_says_what_it_is(self):
        text = self.ok("info", "-m", MODEL)
        for part in ("mobilenet-v2: 17 blocks", "32 x 32 pixels", "classifies a picture: cat, dog"):
            self.assertIn(part, text)
        info = json.loads(self.ok("info", "-m", MODEL, "--json"))
        schema("info").validate(info)
        self.assertEqual((info["task"], info["image_width"], info["labels"]), ("image", 32, NAMES))
        self.assertIn("blocks.3.hook_depthwise", self.ok("info", "-m", MODEL, "--sites"))

    def test_sites_are_captured_and_verified(self):
        out = self.path / "sites.safetensors"
        self.ok("capture", "-m", LITE, "--site", "*", "--grad", "-o", out, PICTURE)
        with open(out, "rb") as f:
            n, = struct.unpack("<Q", f.read(8))
            header = json.loads(f.read(n))
        self.assertEqual(header["blocks.1.hook_out"]["shape"], [10, 10, 10])
        self.assertEqual(header["grad.hook_pixels"]["shape"], [37, 37, 3])
        self.assertEqual(header["hook_logits"]["shape"], [1, 5])
        self.assertIn("agree", self.ok("verify", "-m", LITE, "--against", out))
        self.assertIn("agree", self.ok("verify", "-m", MODEL, "--against", MODEL + ".safetensors"))
        schema("verification").validate(
            json.loads(self.ok("verify", "-m", LITE, "--against", out, "--json")))
        r = run("verify", "-m", LITE, "--against", str(IMAGES / "efficientnet-lite-bf16.safetensors"))
        self.assertEqual(r.returncode, 1)

    def test_every_method_explains_a_picture(self):
        listed = json.loads(self.ok("--dump-commands"))["methods"]
        for method in listed:
            if method["family"] == "attention":
                continue
            with self.subTest(method["name"]):
                if method["name"] == "reagent" or "attention" in method["needs"]:
                    continue  # patches have no other words, and nothing attends to them
                doc = json.loads(self.ok("explain", "-m", MODEL, PICTURE, "--patch", "8", "--json",
                                         "-q", "--method", method["name"],
                                         *WORDS.get(method["name"], ())))
                schema("explanation").validate(doc)
                self.assertEqual(len(doc["scores"]), 16)
                self.assertEqual(doc["input"]["unit"], "patch")
        doc = json.loads(self.ok("explain", "-m", MODEL, PICTURE, "--target", "fish", "--against",
                                 "2", "--patch", "16", "--json", "-q"))
        self.assertEqual((doc["target"]["text"], doc["target"]["against"]), ("fish", "bird"))
        self.assertIn("do not\nfit", self.ok("explain", "-m", MODEL, PICTURE, "--patch", "1",
                                            "--method", "gradient", "-q", "--width", "30"))

    def test_plans_run_nothing(self):
        for command in ("predict", "explain"):
            plan = json.loads(self.ok(command, "-m", MODEL, PICTURE, "--dry-run", "--json"))
            schema("plan").validate(plan)
            self.assertGreaterEqual(plan["forward_tokens"], 32 * 32)

    def test_a_saved_document_is_drawn_as_before(self):
        report, saved, again = (self.path / n for n in ("a.html", "a.json", "b.html"))
        self.ok("explain", "-m", LITE, PICTURE, "--patch", "9", "--html", report, "--json", saved)
        self.ok("view", saved, "--html", again)
        page = report.read_text(encoding="utf-8")
        self.assertEqual(page, again.read_text(encoding="utf-8"))
        self.assertEqual(page.count("<rect class=\"u "), 25)
        self.assertEqual(page.split("<script")[0].count("data:image/png;base64,"), 2)
        self.assertNotIn("http://", page.replace("http://www.w3.org", ""))
        self.assertIsNone(re.search(r"<[^>]* style=", page))
        self.assertRegex(page, "script-src '(none|sha256-[A-Za-z0-9+/]{43}=)'")

    def test_superpixels_are_units_of_every_method(self):
        for how in (["slic", "--segments", "12"], ["quickshift"]):
            for method in ("occlusion", "gradient", "grad-cam", "kernel-shap", "lime"):
                doc = json.loads(self.ok("explain", "-m", LITE, PICTURE, "--superpixels", *how, "--json",
                                         "-q", "--method", method))
                schema("explanation").validate(doc)
                units, labels = doc["input"]["units"], self.labels(doc)
                self.assertEqual(doc["input"]["unit"], "superpixel")
                self.assertEqual(len(units), len(doc["scores"]))
                self.assertEqual([u["tokens"] for u in units],
                                 [labels.count(i) for i in range(len(units))])

    def labels(self, doc):
        """The unit of every pixel, from the PNG file: glim writes rows without filters, or with."""
        data = base64.b64decode(doc["input"]["image"]["labels"])
        width, height, at, body = *struct.unpack(">II", data[16:24]), 8, b""
        while at < len(data):
            size, = struct.unpack(">I", data[at:at + 4])
            body += data[at + 8:at + 8 + size] if data[at + 4:at + 8] == b"IDAT" else b""
            at += size + 12
        rows, out, before = zlib.decompress(body), [], bytes(3 * width)
        for y in range(height):
            kind, row = rows[y * (3 * width + 1)], bytearray(rows[y * (3 * width + 1) + 1:][:3 * width])
            for i in range(3 * width):
                a, b, c = (row[i - 3] if i > 2 else 0), before[i], (before[i - 3] if i > 2 else 0)
                p = min(((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c)))[2]
                row[i] = (row[i] + (0, a, b, (a + b) // 2, p)[kind]) & 255
            out += [row[i] | row[i + 1] << 8 | row[i + 2] << 16 for i in range(0, 3 * width, 3)]
            before = row
        return out

    def test_lime_cuts_by_slic_unless_a_patch_is_named(self):
        def unit(*flags):
            return json.loads(self.ok("explain", "-m", LITE, PICTURE, "--json", "-q", *flags))["input"]["unit"]
        few = ("--method", "lime", "--num-samples", "60")
        self.assertEqual(unit(*few), "superpixel")
        self.assertEqual(unit(*few, "--patch", "12"), "patch")
        self.assertEqual(unit(*few, "--superpixels", "grid"), "patch")
        self.assertEqual(unit("--segments", "9"), "superpixel")
        self.assertEqual(unit(), "patch")

    def test_a_report_shows_what_is_left_of_the_picture(self):
        report, saved, again = (self.path / n for n in ("a.html", "a.json", "b.html"))
        self.ok("explain", "-m", LITE, PICTURE, "--method", "lime", "--segments", "9", "--num-samples",
                "100", "--html", report, "--json", saved)
        self.ok("view", saved, "--html", again)
        page = report.read_text(encoding="utf-8")
        self.assertEqual(page, again.read_text(encoding="utf-8"))
        units = len(json.loads(saved.read_text())["scores"])
        self.assertEqual(page.count("<path class=\"u "), units)
        self.assertEqual(page.count("<clipPath id=\"glim-for-clip\">"), 1)
        self.assertIn("Only what raises the target most: ", page)
        self.assertIsNone(re.search(r"<[^>]* style=", page))
        text = self.ok("view", saved, "--width", "70")
        self.assertIn("of the picture", text)

    def test_wrong_cuts_and_sites_are_refused(self):
        def refused(says, *flags):
            self.refused(2, "explain", "-m", LITE, PICTURE, *flags, says=says)
        refused("--patch is the side of squares", "--superpixels", "slic", "--patch", "8")
        refused("finds its own", "--superpixels", "quickshift", "--segments", "8")
        refused("grid|slic|quickshift", "--superpixels", "felzenszwalb")
        refused("no site 'nix'", "--method", "grad-cam", "--site", "nix")
        refused("grad-cam reads one map", "--method", "grad-cam", "--site", "*.hook_out")
        self.refused(2, "explain", "-m", str(ROOT / "tests/golden/models/llama.gguf"), "the cat",
                     "--method", "grad-cam", says="needs maps of a picture, which the language model")


BOX = "process:python3 " + str(ROOT / "examples/predictors/brightness.py")


class BlackBoxes(Case):
    def setUp(self):
        super().setUp()
        rows = b"".join(b"\0" + bytes([255 if y < 4 else 0] * 36) for y in range(8))
        self.picture = self.path / "sky.png"
        self.picture.write_bytes(png(12, 8, rows))

    def test_a_program_that_reads_pictures_is_explained(self):
        p = json.loads(self.ok("predict", "--predictor", BOX, "--task", "image", self.picture, "--json"))
        schema("prediction").validate(p)
        self.assertEqual((p["image"], p["outputs"][0]["text"]), ("sky.png", "light"))
        self.assertAlmostEqual(p["outputs"][0]["prob"], 1 / (1 + 2.718281828459045 ** -6))
        for method in ("occlusion", "shapley", "lime"):
            doc = json.loads(self.ok("explain", "--predictor", BOX, "--task", "image", self.picture,
                                     "--patch", "4", "--absent", "zero", "--method", method,
                                     "--json", "-q"))
            schema("explanation").validate(doc)
            self.assertEqual(len(doc["scores"]), 6)
            self.assertTrue(all(x > 1e-4 for x in doc["scores"][:3]), doc["scores"])
            small = 0.1 if method == "lime" else 1e-9  # a fit of a curve by a plane
            self.assertTrue(all(abs(x) < small for x in doc["scores"][3:]), doc["scores"])

    def test_a_box_is_asked_about_superpixels(self):
        doc = json.loads(self.ok("explain", "--predictor", BOX, "--task", "image", self.picture,
                                 "--segments", "6", "--method", "occlusion", "--json", "-q"))
        schema("explanation").validate(doc)
        self.assertEqual(doc["input"]["unit"], "superpixel")
        self.assertTrue(any("own mean colour" in note for note in doc["notes"]))
        self.refused(2, "explain", "--predictor", BOX, "--task", "image", self.picture, "--method",
                     "grad-cam", says="needs maps of a picture")

    def test_what_cannot_be_is_refused(self):
        self.refused(2, "explain", "--predictor", BOX, "--task", "image", self.picture, "--method",
                     "gradient", says="needs gradients")
        self.refused(2, "explain", "--predictor", BOX, "--task", "image", self.picture, "--patch",
                     "9", says="does not fit")
        self.refused(2, "predict", "--predictor", "openai:http://127.0.0.1:9/v1/completions#m", "--labels",
                     "a,b", "--task", "image", self.picture, says="asked in words")
        self.refused(3, "predict", "--predictor", BOX, "--task", "image", self.path / "no.png",
                     says="No such file")
        self.refused(3, "predict", "--predictor", BOX, "text", says="looks at pictures")
        self.refused(2, "predict", "-m", str(ROOT / "tests/golden/models/llama.gguf"), "--task",
                     "image", self.picture, says="reads text")


class BadInput(Case):
    def picture(self, data, name="bad.png"):
        path = self.path / name
        path.write_bytes(data)
        return str(path)

    def test_pictures(self):
        small = (IMAGES / "pictures/small.jpg").read_bytes()
        for status, data, says in ((3, b"", "neither a PNG nor a JPEG"), (3, b"GIF89a....", "GIF"),
                                   (3, small[:-40], "no sound JPEG"), (3, png(2, 2, b"\0" * 7), "no sound PNG"),
                                   (3, png(16384, 16384), "at most"), (3, png(16385, 1), "no sound PNG"),
                                   (3, png(0, 4), "no sound PNG")):
            self.refused(status, "predict", "-m", MODEL, self.picture(data), says=says)
        self.refused(3, "predict", "-m", MODEL, self.path / "none.png", says="No such file")
        self.refused(4, "predict", "-m", MODEL, self.picture(png(9000, 7000)), "--memory", "90M",
                     says="--memory")
        self.ok("predict", "-m", MODEL, self.picture(png(1, 1, b"\0abc")))
        self.ok("predict", "-m", MODEL, self.picture(png(1, 3, b"\0abc" * 3)))
        self.refused(3, "predict", "-m", MODEL, self.picture(png(1, 3000, b"\0abc" * 3000)),
                     says="too narrow")

    def test_texts_and_pictures_do_not_mix(self):
        llama = str(ROOT / "tests/golden/models/llama.gguf")
        for command in ("tokenize", "generate"):
            self.refused(2, command, "-m", MODEL, "x", says="reads pictures")
        self.refused(2, "predict", "-m", MODEL, says="give a PNG or JPEG")
        self.refused(2, "predict", "-m", MODEL, "-f", PICTURE, says="--file is for texts, not for pictures")
        self.refused(2, "explain", "-m", MODEL, PICTURE, "--units", "word", says="--patch")
        self.refused(2, "explain", "-m", MODEL, PICTURE, "--patch", "33", says="does not fit")
        self.refused(2, "explain", "-m", MODEL, PICTURE, "--target", "cow", says="no class 'cow'")
        self.refused(2, "explain", "-m", MODEL, PICTURE, "--method", "occlusion", "--absent",
                     "delete", says="painted over")
        self.refused(2, "explain", "-m", llama, "x", "--method", "occlusion", "--absent", "blur",
                     says="for pictures")
        self.refused(2, "explain", "-m", llama, "x", "--method", "integrated-gradients",
                     "--baseline", "blur", says="for pictures")

    def test_a_picture_is_not_overwritten(self):
        path = self.picture((IMAGES / "pictures/rgb.png").read_bytes())
        self.refused(2, "explain", "-m", MODEL, path, "--html", path, says="overwrite")


class Converter(Case):
    def test_other_names_end_the_reading(self):
        class Evil:
            def __reduce__(self):
                return os.system, ("touch " + str(pathlib.Path(tempfile.gettempdir()) / "ran"),)
        path = self.path / "evil.pth"
        out = io.BytesIO()
        for value in (convert.MAGIC, convert.PROTOCOL, {"little_endian": True}, {"x": Evil()}):
            pickle.dump(value, out, protocol=2)
        path.write_bytes(out.getvalue())
        labels = self.path / "labels.json"
        labels.write_text(json.dumps({str(i): "x" for i in range(1000)}))
        r = subprocess.run([sys.executable, ROOT / "scripts/convert-efficientnet.py", path, labels,
                            self.path / "made"], capture_output=True, timeout=60)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b"nothing was run", r.stderr)
        self.assertFalse((self.path / "made").exists())

    def test_strides_are_followed(self):
        data = {"0": convert.array.array("f", range(24))}
        tensor = convert.Tensor(("0", "f", 24), 0, (2, 3, 4), (1, 2, 6))
        shape, raw = convert.values_of(tensor, data, (2, 0, 1))
        self.assertEqual(shape, [4, 2, 3])
        want = [a + 2 * b + 6 * c for c in range(4) for a in range(2) for b in range(3)]
        self.assertEqual(list(struct.unpack("<24f", raw)), want)
        same = convert.Tensor(("0", "f", 24), 5, (2, 2), (0, 1))
        self.assertEqual(list(struct.unpack("<4f", convert.values_of(same, data, (0, 1))[1])),
                         [5, 6, 5, 6])
        beyond = convert.Tensor(("0", "f", 24), 1, (2, 3, 4), (1, 2, 6))
        with self.assertRaises(convert.Failure):
            convert.values_of(beyond, data, (0, 1, 2))

    def test_blocks_are_those_of_the_paper(self):
        found = list(convert.blocks())
        self.assertEqual(len(found), 16)
        self.assertEqual(found[0], (3, 1, 0, 32, 16))
        self.assertEqual(found[1], (3, 2, 96, 16, 24))
        self.assertEqual(found[-1], (3, 1, 1152, 192, 320))
        self.assertEqual(collections.Counter(b[1] for b in found), {1: 12, 2: 4})

    def test_shared_first_names_are_told_apart(self):
        names = {str(i): f"n{i}, other {i}" for i in range(1000)}
        names |= {"3": "crane, bird", "4": "crane, machine"}
        short = convert.short(names)
        self.assertEqual(short[:5], ["n0", "n1", "n2", "crane, bird", "crane, machine"])


if __name__ == "__main__":
    unittest.main()
