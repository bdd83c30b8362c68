#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists of inputs: what each gives is what it gives alone, several a pass."""
import pathlib
import unittest

import numpy as np

import glim

MODELS = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/models"
TEXTS = ["Hello small world", "the light and the river", "a", "the light and the river and the bridge again"] * 6


class Lists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = glim.Model(MODELS / "llama.gguf", threads=2)

    def test_predictions_are_those_of_one_text(self):
        alone = [self.model.predict(text, 3) for text in TEXTS]
        self.assertEqual(self.model.predict(TEXTS, 3), alone)
        self.assertEqual(self.model.predict(np.array(TEXTS[:3]), 3), alone[:3])
        self.assertEqual(self.model.predict([], 3), [])
        chat = [{"role": "user", "content": "hello"}]
        one, = self.model.predict([chat], 3, "phi3")
        self.assertEqual(one, self.model.predict(chat, 3, "phi3"))

    def test_a_small_budget_takes_fewer_at_a_time(self):
        def peak(texts):
            model = glim.Model(MODELS / "llama.gguf", threads=1)
            found = model.predict(texts, 2)
            return model._context.peak, found
        long = [" ".join(["a"] * 20)] * 16
        one, alone = peak(long[:1])
        all_at_once, together = peak(long)
        self.assertGreater(all_at_once, one * 1.3)
        budget = (one + all_at_once) // 2
        tight = glim.Model(MODELS / "llama.gguf", threads=1, memory=budget)
        self.assertEqual(tight.predict(long, 2), together)
        self.assertEqual(together, alone * 16)
        self.assertLessEqual(tight._context.peak, budget)

    def test_explanations_are_those_of_one_text(self):
        def same(documents, others):
            for mine, theirs in zip(documents, others):
                self.assertEqual(mine.target, theirs.target)
                np.testing.assert_array_equal(mine.scores, theirs.scores)
        same(self.model.explain(TEXTS[:3], "gradient", target=30),
             [self.model.explain(text, "gradient", target=30) for text in TEXTS[:3]])
        each = self.model.explain(TEXTS[:2], "occlusion", target=[30, 31], against=[31, 30])
        same(each[1:], [self.model.explain(TEXTS[1], "occlusion", target=31, against=30)])
        self.assertEqual(each[1].target["text"], self.model.token_text(31))
        with self.assertRaisesRegex(glim.UsageError, "target: there are 2 for 3"):
            self.model.explain(TEXTS[:3], target=[5, 6])
        with self.assertRaisesRegex(glim.UsageError, "is no token"):
            self.model.explain(TEXTS[0], target=10**6)

    def test_whatever_takes_a_text_takes_several(self):
        site = "blocks.0.hook_resid_post"
        for call in (self.model.logits, self.model.tokenize, self.model.attentions, self.model.gradient, self.model,
                     lambda t: self.model.generate(t, 3), lambda t: self.model.capture(t, site),
                     lambda t: self.model.run_with_cache(t, site),
                     lambda t: self.model.run_with_hooks(t, [(site, lambda value, name: value * 2)])):
            np.testing.assert_equal(call(TEXTS[:2]), [call(TEXTS[0]), call(TEXTS[1])])
        self.assertEqual([d.kind for d in self.model.lens(TEXTS[:2])], ["lens", "lens"])
        self.assertEqual([d.kind for d in self.model.attention(TEXTS[:2])], ["attention", "attention"])

    def test_classes(self):
        model = glim.Model(MODELS / "published/bert-classes")
        found = model.predict(TEXTS[:5])
        self.assertEqual(found, [model.predict(text) for text in TEXTS[:5]])
        second = model.explain(TEXTS[:2], "occlusion", target=[found[0][0].id, found[1][1].id])
        self.assertEqual([d.target["text"] for d in second], [found[0][0].text, found[1][1].text])

    def test_what_is_no_input(self):
        for bad in (3, [3], [TEXTS, TEXTS], {"role": "user"}):
            with self.assertRaisesRegex(glim.UsageError, "several are a list"):
                self.model.predict(bad)


if __name__ == "__main__":
    unittest.main()
