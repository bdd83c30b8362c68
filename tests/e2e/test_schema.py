#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every JSON answer against its schema in docs/schema, by jsonschema."""
import json
import os
import pathlib
import signal
import subprocess
import time
import unittest

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODEL = str(ROOT / "tests/golden/models/gemma3.gguf")
TEXT = "Hello 世界 again"


def schema(name):
    return json.loads((ROOT / f"docs/schema/glim.{name}-1.schema.json").read_text())


def answer(*args):
    out = subprocess.run([GLIM, *args, "--json", "-q"], capture_output=True, check=True, timeout=120)
    return json.loads(out.stdout)


class Schemas(unittest.TestCase):
    def check(self, name, value):
        Draft202012Validator.check_schema(schema(name))
        Draft202012Validator(schema(name)).validate(value)

    def test_answers(self):
        self.check("tokens", answer("tokenize", "-m", MODEL, TEXT))
        self.check("prediction", answer("predict", "-m", MODEL, TEXT))
        self.check("generation", answer("generate", "-m", MODEL, TEXT, "--tokens", "4"))
        self.check("info", answer("info", "-m", MODEL))
        self.check("plan", answer("explain", "-m", MODEL, TEXT, "--dry-run"))
        self.check("verification", answer("verify", "-m", MODEL))
        self.check("plan", answer("predict", "-m", MODEL, TEXT, "--dry-run"))
        self.check("plan", answer("generate", "-m", MODEL, TEXT, "--dry-run"))
        self.check("evaluation", answer("evaluate", "-m", MODEL, TEXT))
        self.check("comparison", answer("compare", "-m", MODEL, TEXT))
        self.check("comparison", answer("compare", "-m", MODEL, "--other", MODEL, TEXT))
        self.check("verification",
                   answer("verify", "-m", MODEL, "--against", MODEL.replace("gguf", "safetensors")))

    def test_explanations_of_every_method_and_target(self):
        listed = json.loads(subprocess.run([GLIM, "--dump-commands"], capture_output=True,
                                           check=True).stdout)["methods"]
        for method in listed:
            if "a picture" in method["needs"]:
                continue  # test_pictures.py
            asked = ["--accept-patent-note"] if method["name"] == "lrp" else []
            for target in ((), ("--generate", "2"), ("--continuation", " again and"),
                           ("--units", "token", "--output", "prob")):
                self.check("explanation", answer("explain", "-m", MODEL, TEXT, "--method",
                                                 method["name"], *asked, *target))

    def test_answers_of_encoder_decoders(self):
        toy, text = str(ROOT / "tests/golden/models/stacks/marian"), "the cat is red"
        self.check("info", answer("info", "-m", toy))
        self.check("prediction", answer("predict", "-m", toy, text))
        self.check("generation", answer("generate", "-m", toy, text, "--beams", "3"))
        self.check("plan", answer("generate", "-m", toy, text, "--dry-run"))
        self.check("verification", answer("verify", "-m", toy, "--against", toy + ".safetensors"))
        for target in ((), ("--target", "die Katze ist rot"), ("--generate", "3")):
            self.check("explanation", answer("explain", "-m", toy, text, *target))

    def test_labels_and_masked_words(self):
        published = ROOT / "tests/golden/models/published"
        labels = ("-m", MODEL, TEXT, "--labels", "a, 世, b c", "--prompt-file",
                  str(ROOT / "tests/golden/prompt.txt"))
        fill = ("-m", str(published / "bert-fill"), "the <|special_5|> light")
        for flags in (labels, fill):
            self.check("prediction", answer("predict", *flags))
            self.check("explanation", answer("explain", *flags))
            self.check("explanation", answer("explain", *flags, "--method", "gradient"))
        self.check("explanation", answer("explain", *labels, "--target", "a", "--against", "世"))
        self.check("plan", answer("explain", *labels, "--dry-run"))

    def interrupted(self, after, *args):
        p = subprocess.Popen([GLIM, *args, "--json", "-q"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        time.sleep(after)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=30)
        self.assertEqual(p.returncode, 130, err)
        return json.loads(out)

    def test_partial_answers_are_whole_documents(self):
        long_ = "Hello 世界 again and " * 2
        for args in (("smoothgrad", "--n-samples", "100000"),
                     ("integrated-gradients", "--steps", "4096", "--refine", "none",
                      "--generate", "12")):
            doc = self.interrupted(0.6, "explain", "-m", MODEL, long_, "--method", *args)
            self.check("explanation", doc)
            self.assertTrue(doc["partial"])

    def test_a_wrong_document_fails(self):
        doc = answer("explain", "-m", MODEL, TEXT)
        doc["scores"] = ["high"] * len(doc["scores"])
        self.assertFalse(Draft202012Validator(schema("explanation")).is_valid(doc))


if __name__ == "__main__":
    unittest.main()
