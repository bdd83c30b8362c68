# SPDX-License-Identifier: Apache-2.0
"""What tests/influence/test_full_hessian.c measures: methods beside a whole Gauss-Newton matrix."""
import re
import subprocess

PLACES = ("language model, 512 weights of one matrix", "language model, 1,024 weights of two",
          "classifier of pooled texts, 512 weights of one matrix")
# of each block of four lines: where, damping as a share of the mean eigenvalue
BLOCKS = ((0, 0.1), (0, 1), (1, 0.1), (2, 1))
LINE = re.compile(r"^(\S+) +damping (\S+) +Pearson (\S+) +Spearman (\S+) +slope (\S+)$", re.M)


def measure(a, test):
    def write(part):
        done = subprocess.run([test], capture_output=True, cwd=a.root, check=True)
        part.write_bytes(done.stdout + done.stderr)
    a.say(f"full-hessian.txt: {test.name}")
    lines = LINE.findall(a.make("full-hessian.txt", write).read_text())
    out = []
    for k, (place, share) in enumerate(BLOCKS):
        rows = lines[4 * k:4 * k + 4]
        out.append({"place": PLACES[place], "share": share, "methods": [
            {"method": m, "pearson": float(p), "spearman": float(s), "slope": float(x)}
            for m, _, p, s, x in rows]})
    return out
