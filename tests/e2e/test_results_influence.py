#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/results-influence.md is what scripts/make-influence-results.py writes of its numbers, and
its arithmetic is right. What models say is not asked again: that takes half an hour."""
import json
import pathlib
import random
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from truth import ask, detect, lds, page, refits  # noqa: E402

RESULTS = json.loads((ROOT / "docs/results-influence.json").read_text(encoding="utf-8"))
TEMPLATE = (ROOT / "bench/results/influence.md").read_text(encoding="utf-8")


class Page(unittest.TestCase):
    def test_the_page_is_what_the_numbers_give(self):
        r = subprocess.run([sys.executable, ROOT / "scripts/make-influence-results.py", "--check"],
                           capture_output=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stderr.decode())

    def test_another_number_is_another_page(self):
        other = json.loads(json.dumps(RESULTS))
        other["detection"][0]["scores"][0]["area"][0] = 0.123
        self.assertNotEqual(page.render(other, TEMPLATE), page.render(RESULTS, TEMPLATE))
        self.assertNotIn("{{", page.render(RESULTS, TEMPLATE))

    def test_every_setup_has_the_loss_and_means_lie_in_their_intervals(self):
        self.assertEqual({d["setup"] for d in RESULTS["detection"]}, set(page.SETUPS))
        for setup in RESULTS["detection"]:
            self.assertIn("loss", [s["score"] for s in setup["scores"]])
            for s in setup["scores"]:
                for value, low, high in (s["area"], s["precision"]):
                    self.assertTrue(0 <= low <= value <= high <= 1, s)
                for pair in s.get("beside", {}).values():
                    self.assertTrue(s["plantings"] >= detect.FEW or not pair["claimed"], s)

    def test_sentences_say_what_tables_say(self):
        other = json.loads(json.dumps(RESULTS))
        for setup in other["detection"]:
            for s in setup["scores"]:
                for pair in s.get("beside", {}).values():
                    pair.update(claimed=True, difference=[-0.1, -0.2, -0.05])
        self.assertIn("No influence of a sample", page.verdicts(other))
        best = next(s for s in other["detection"][0]["scores"] if s["score"] == "cooks-distance")
        best["beside"]["loss"]["difference"] = [0.1, 0.05, 0.2]
        text = page.verdicts(other)
        self.assertIn("Some influences", text)
        self.assertEqual(text.count("better: cooks-distance"), 1)
        best["beside"]["loss"]["claimed"] = False
        self.assertIn("No influence of a sample", page.verdicts(other))


class Arithmetic(unittest.TestCase):
    def test_the_area_is_that_under_the_curve_of_errors_found(self):
        rng = random.Random(4)
        for ties in (False, True):
            scores = [rng.randrange(7) if ties else rng.random() for _ in range(60)]
            wrong = set(rng.sample(range(60), 9))
            area, precision, draws = 0.0, 0.0, 400 if ties else 1
            for _ in range(draws):  # equal ones in any order
                order = sorted(range(60), key=lambda i: (-scores[i], rng.random()))
                hits = 0
                for i in order:
                    hit = i in wrong
                    area += (hits + hit / 2) / 9 / 60 / draws
                    hits += hit
                precision += sum(i in wrong for i in order[:9]) / 9 / draws
            have = detect.found(scores, wrong)
            self.assertAlmostEqual(have[0], area, delta=0.01 if ties else 1e-12)
            self.assertAlmostEqual(have[1], precision, delta=0.03 if ties else 1e-12)

    def test_the_best_and_the_worst_order_have_their_areas(self):
        wrong = {0, 1}
        self.assertAlmostEqual(detect.found([9, 8, *[0] * 18], wrong)[0], 0.95)
        self.assertAlmostEqual(detect.found([0, 0, *[1] * 18], wrong)[0], 0.05)
        self.assertAlmostEqual(detect.found([1] * 20, wrong)[0], 0.5)
        self.assertAlmostEqual(detect.found([1] * 20, wrong)[1], 0.1)

    def test_a_planting_changes_just_the_labels_that_it_names(self):
        labels = ["a", "b"] * 50
        wrong, given = ask.plant(labels, 0.05, 3)
        self.assertEqual(len(wrong), 5)
        self.assertEqual({i for i in range(100) if labels[i] != given[i]}, wrong)
        self.assertEqual(ask.plant(labels, 0.05, 3), (wrong, given))
        self.assertNotEqual(ask.plant(labels, 0.05, 4)[0], wrong)

    def test_neighbours_disagree(self):
        near = [[-abs(i - j) for j in range(30)] for i in range(30)]
        labels = ["a"] * 15 + ["b"] * 15
        labels[5] = "b"
        scores = detect.disagreement(near, labels)
        self.assertEqual(max(scores), detect.NEAREST)
        self.assertEqual(scores.index(detect.NEAREST), 5)

    def test_rank_correlations_have_known_values(self):
        self.assertAlmostEqual(lds.spearman([1, 2, 2, 4, 5], [2, 1, 3, 30, 4]), 0.718184846459608)
        self.assertAlmostEqual(lds.pearson([1, 2, 2, 4, 5], [2, 1, 3, 30, 4]), 0.468173471604563)
        self.assertEqual(lds.spearman([1, 1], [2, 3]), 0)

    def test_what_adds_up_has_a_score_of_one(self):
        rng = random.Random(2)
        told = [[rng.gauss(0, 1) for _ in range(20)] for _ in range(3)]
        halves = [rng.sample(range(20), 10) for _ in range(12)]
        said = [[sum(row[i] for i in keep) ** 3 for row in told] for keep in halves]
        for s in lds.score(told, halves, said):
            self.assertAlmostEqual(s, 1)

    def test_refits_of_a_line_are_the_closed_form(self):
        x, y = [[float(i), 1.0] for i in range(6)], [0.0, 1.5, 1.8, 3.1, 3.9, 9.0]
        cook, press = refits.refit_distances(x, y)
        w = refits.fit(x, y)
        e = [v - (w[0] * r[0] + w[1]) for r, v in zip(x, y)]
        noise = sum(v * v for v in e) / 4
        for i in range(6):
            h = 1 / 6 + (i - 2.5) ** 2 / 17.5
            self.assertAlmostEqual(press[i], e[i] / (1 - h))
            self.assertAlmostEqual(cook[i], e[i] ** 2 * h / (1 - h) ** 2 / 2 / noise)


if __name__ == "__main__":
    unittest.main()
