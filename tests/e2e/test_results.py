#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/results.md is what scripts/make-results.py writes of docs/results.json, and its
arithmetic is right. What the models say is not asked again: that takes half an hour."""
import json
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from results import collect, numbers, page  # noqa: E402

RESULTS = json.loads((ROOT / "docs/results.json").read_text(encoding="utf-8"))


class Page(unittest.TestCase):
    def test_the_page_and_its_pictures_are_what_the_numbers_give(self):
        r = subprocess.run([sys.executable, ROOT / "scripts/make-results.py", "--check"],
                           capture_output=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stderr.decode())

    def test_random_scores_are_in_every_table(self):
        for task in RESULTS["tasks"]:
            self.assertIn("random", [m["method"] for m in task["methods"]])
            self.assertIn(task["task"], page.TITLES)
            self.assertGreater(len(task["methods"]), 10)

    def test_another_number_is_another_page(self):
        head = (ROOT / "bench/results/head.md").read_text(encoding="utf-8")
        before = page.render(RESULTS, head)
        other = json.loads(json.dumps(RESULTS))
        other["tasks"][0]["methods"][0]["own"][0] = 0.123
        self.assertNotEqual(page.render(other, head), before)

    def test_marks_lie_in_their_intervals(self):
        for task in RESULTS["tasks"]:
            for m in task["methods"]:
                for q in (*page.QUALITIES, "own", "second", "order"):
                    value, low, high = m[q]
                    if low is not None:
                        self.assertTrue(0 <= low <= value <= high <= 1, (task["task"], m["method"], q))


class Arithmetic(unittest.TestCase):
    def test_an_interval_holds_the_mean_and_is_the_same_each_time(self):
        values = [0.1, 0.4, 0.3, 0.9, None, 0.5]
        value, low, high = numbers.interval(values)
        self.assertAlmostEqual(value, 0.44)
        self.assertLess(low, value)
        self.assertGreater(high, value)
        self.assertEqual(numbers.interval(values), [value, low, high])
        self.assertEqual(numbers.interval([0.5]), [0.5, None, None])
        self.assertEqual(numbers.interval([]), [None, None, None])

    def test_pairs_tell_apart_what_overlapping_intervals_do_not(self):
        base = [0.1, 0.9, 0.3, 0.7, 0.2, 0.8, 0.5, 0.4]
        d = numbers.difference([b + 0.05 for b in base], base)
        self.assertAlmostEqual(d["difference"][0], 0.05)
        self.assertLess(d["p"], 0.01)
        self.assertEqual(numbers.difference(base, base)["p"], 1)

    def test_holm_asks_more_of_many(self):
        pairs = [{"p": 0.02}, {"p": 0.001}, {"p": 0.04}]
        numbers.holm(pairs)
        self.assertEqual([q["p"] for q in pairs], [0.04, 0.003, 0.04])
        self.assertTrue(all(q["claimed"] for q in pairs))
        pairs = [{"p": 0.03}, {"p": 0.03}]
        numbers.holm(pairs)
        self.assertFalse(any(q["claimed"] for q in pairs))

    def test_every_input_has_its_turn(self):
        tasks = []
        for name in collect.PACE:
            task = collect.Task(name, [], [["x"]] * 7, "delete")
            tasks.append(task)
        order = collect.schedule(tasks)
        self.assertEqual(len(order), len({(t.name, i) for t, i in order}), 7 * len(tasks))
        self.assertLess(order.index((tasks[0], 0)), order.index((tasks[0], 1)))


if __name__ == "__main__":
    unittest.main()
