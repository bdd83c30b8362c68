# SPDX-License-Identifier: Apache-2.0
"""How many models tune.py tunes, on what: for those who tune and those who read what came of it."""
SAMPLES, QUERIES = 200, 40
HALVES, SEEDS, FULL = 32, 2, 2
