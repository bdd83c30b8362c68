# SPDX-License-Identifier: Apache-2.0
"""Runs glim and keeps what it writes in a folder: a command whose file is there is not run again."""
import csv
import json
import pathlib
import random
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def fetched(name):
    out = subprocess.run([ROOT / "scripts/fetch", name], capture_output=True, check=True)
    return pathlib.Path(out.stdout.decode().strip())


class Asker:
    def __init__(self, glim, where, say):
        self.glim, self.where, self.say, self.root = str(glim), where, say, ROOT
        self.models = {"$MINILM": fetched("minilm"), "$SMOLLM2": fetched("smollm2")}
        self.reviews, self.tables = fetched("reviews"), fetched("tables")
        where.mkdir(parents=True, exist_ok=True)

    def make(self, name, write):
        """The file of that name; write(path) makes it where there is none."""
        file = self.where / name
        if not file.exists():
            part = file.with_name("part-" + name)
            write(part)
            part.rename(file)
        return file

    def run(self, name, command, flag):
        """A command as the page shows it (a list of words), its answer in a file of its own."""
        def write(part):
            words = [str(self.models.get(w, w)) for w in command]
            done = subprocess.run([self.glim, *words, "-q", "--threads", "1", flag, part],
                                  cwd=self.where, capture_output=True)
            if done.returncode:
                raise RuntimeError(f"glim {' '.join(command)}: {done.stderr.decode().strip()}")
        if not (self.where / name).exists():
            self.say(f"{name}: glim {' '.join(command)}")
        return self.make(name, write)

    def fit(self, name, *command):
        return self.run(name, ["fit", *command], "-o")

    def columns(self, name, *command):
        """{column: values} of `glim influence --csv`."""
        with open(self.run(name, ["influence", *command], "--csv"), newline="") as f:
            rows = list(csv.reader(f))
        return {head: [float(v) if v else float("nan") for v in column]
                for head, *column in zip(*rows) if head != "label"}

    def document(self, name, *command):
        return json.loads(self.run(name, ["influence", *command], "--json").read_text())


# ---- data ----

def short_reviews(folder, file, most_words, count):
    """The first `count` reviews of at most so many words, as (text, label)."""
    with open(folder / file, newline="", encoding="utf-8") as f:
        rows = [(r["review"], r["mood"]) for r in csv.DictReader(f)]
    return [r for r in rows if len(r[0].split()) <= most_words][:count]


def write_csv(path, head, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([head, *rows])


def plant(labels, share, seed):
    """Which labels are made wrong, and all labels with these errors (of two classes)."""
    a, b = sorted(set(labels))
    wrong = set(random.Random(seed).sample(range(len(labels)), round(share * len(labels))))
    return wrong, [(b if y == a else a) if i in wrong else y for i, y in enumerate(labels)]
