# SPDX-License-Identifier: Apache-2.0
"""Asks glim for every number of the page, one command an input and method, and keeps what it
says: a command whose answer is kept is not run again.

All methods are asked about an input before the next one's turn, so that work that was stopped
has the same inputs for all of them.
"""
import concurrent.futures
import csv
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
INPUTS = ROOT / "bench/results/inputs.jsonl"

# What is dear beside a pass is judged on fewer inputs, and run again and again on fewer still.
HEAVY = {"expected-gradients": 2, "reagent": 2}
DEAR = {"smoothgrad", "integrated-gradients", "shapley",
        "kernel-shap", "lime", "owen"}
FLAGS = {"integrated-gradients": ["--refine", "none"], "lrp": ["--accept-patent-note"]}
CURVES = "aopc-comprehensiveness,aopc-sufficiency,deletion-auc,insertion-auc"
LIGHT = CURVES + (",log-odds,monotonicity,completeness-residual,gini,entropy,effective-number,n90,"
                  "effective-complexity,feature-coverage,row-coverage,shown-share,completeness")
AGAIN = "seed-kendall,seed-jaccard,seed-rbo,sensitivity-max,masking-kendall,model-randomisation"

WINE = ("alcohol,malic_acid,ash,alcalinity,magnesium,phenols,flavanoids,other_phenols,"
        "proanthocyanins,colour,hue,od280,proline,cultivar")


class Task:
    """A model, its inputs (each a list of flags) and a second way of taking parts out."""

    def __init__(self, name, model, inputs, second, **more):
        self.name, self.model, self.inputs, self.second = name, list(model), inputs, second
        self.flags, self.light = more.get("flags", []), more.get("light", False)
        self.again, self.again_dear = more.get("again", (1, 0))
        self.methods = []

    def judged(self, method):
        """On how many inputs."""
        few = HEAVY.get(method, len(self.inputs)) if self.name != "table" else len(self.inputs)
        return min(few, len(self.inputs))

    def repeated(self, method):
        """On how many it is run again and again."""
        if method in HEAVY and self.name != "table":
            return 0
        return min(self.judged(method), self.again_dear if method in DEAR else self.again)


class Asker:
    """Runs glim and keeps its answers in a folder, a file for each command."""

    def __init__(self, glim, where):
        self.glim, self.where = str(glim), where
        self.ran, self.user, self.lock = 0, 0.0, threading.Lock()
        self.busy = {}  # a lock for each command: two threads may want the same
        where.mkdir(parents=True, exist_ok=True)

    def key(self, args):
        said = "\n".join(str(a).replace(str(self.where), "").replace(str(pathlib.Path.home()), "~")
                         for a in args)
        return hashlib.sha256(said.encode()).hexdigest()[:20]

    def file(self, args):
        return self.where / f"{args[0]}-{self.key(args)}.json"

    def ask(self, *args):
        """What the command says, with the processor's seconds; {"error": ...} when it refuses."""
        args = [*map(str, args)]
        file = self.file(args)
        with self.lock:
            busy = self.busy.setdefault(file, threading.Lock())
        with busy:
            return json.loads(file.read_text()) if file.exists() else self.run(args, file)

    def run(self, args, file):
        command = [self.glim, args[0], "--json", "-q", "--threads", "1", *args[1:]]
        with open(file.with_suffix(".out"), "wb") as out:
            p = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE)
            said = p.stderr.read().decode()
            _, status, usage = os.wait4(p.pid, 0)
            p.returncode = os.waitstatus_to_exitcode(status)
        text = file.with_suffix(".out").read_text()
        file.with_suffix(".out").unlink()
        if p.returncode < 0 or p.returncode == 130:
            raise KeyboardInterrupt
        answer = {"args": args, "user": usage.ru_utime}
        if p.returncode == 0:
            answer["says"] = json.loads(text)
        else:
            answer["error"] = said.strip().split("\n")[-1]
        part = file.with_suffix(".part")
        part.write_text(json.dumps(answer))
        part.rename(file)
        with self.lock:
            self.ran, self.user = self.ran + 1, self.user + usage.ru_utime
        return answer

    def document(self, args):
        """The explanation as a file of its own, to be judged; None when it was refused."""
        answer = self.ask(*args)
        if "error" in answer:
            return None
        file = self.where / f"doc-{self.key([*map(str, args)])}.json"
        if not file.exists():
            file.write_text(json.dumps(answer["says"]))
        return file


# ---- tasks ----

def fetched(name):
    out = subprocess.run([ROOT / "scripts/fetch", name], capture_output=True, check=True)
    return pathlib.Path(out.stdout.decode().strip())


def prompts(kind):
    lines = INPUTS.read_text(encoding="utf-8").splitlines()
    texts = [e["text"] for e in map(json.loads, lines) if e["kind"] == kind]
    return sorted(texts, key=lambda t: max(5, len(t.split())))  # the cheap ones first


def talks(where):
    """A file for each message: a chat is given as a file, named by what it holds, as answers are kept
    by their command."""
    out = []
    for text in prompts("talk"):
        file = where / f"talk-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"
        file.write_text(json.dumps([{"role": "user", "content": text}]))
        out.append(["--chat", file])
    return out


def first_sentences(file, most=30):
    """Of reviews that begin with a sentence of 4 to 6 words, that sentence."""
    out = []
    with open(file, newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            m = re.match(r"[A-Z][A-Za-z' ]+[.!]", row["review"])
            if m and 4 <= len(m[0].split()) <= 6 and m[0] not in out:
                out.append(m[0])
    return out[:most]


def fit(asker, name, flags):
    """A fitted model in the folder; made once."""
    file = asker.where / name
    if not file.exists():
        subprocess.run([asker.glim, "fit", "-q", "--threads", "1", *map(str, flags), "-o", file],
                       check=True, stdout=subprocess.DEVNULL)
    return file


def sentiment(asker):
    minilm, reviews = fetched("minilm"), fetched("reviews")
    some = asker.where / "reviews.csv"
    with open(reviews / "train.csv", newline="", encoding="utf-8") as f, \
            open(some, "w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(row for row, _ in zip(csv.reader(f), range(801)))
    head = fit(asker, "mood.fit", ["-m", minilm, "--data", some, "--text", "review", "--label", "mood"])
    return Task("sentiment", ["--predictor", f"fit:{head}", "-m", minilm],
                [[t] for t in first_sentences(reviews / "test.csv")], "delete", again=(1, 1), light=True)


def wines(asker):
    table = asker.where / "wine.csv"
    rows = (fetched("tables") / "wine_data.csv").read_text().splitlines()[1:]
    table.write_text("\n".join([WINE, *rows]) + "\n")
    head = fit(asker, "wine.fit", ["--data", table, "--label", "cultivar"])
    return Task("table", ["--predictor", f"fit:{head}", "--table", table],
                [["--row", i] for i in range(3, 179, 6)], "resample",
                flags=["--output", "logprob"], again=(10, 10))


def all_tasks(asker):
    chosen = prompts("english")
    mixed = [t for pair in zip(chosen, prompts("chinese")) for t in pair] 
    pictures = fetched("pictures")
    return [
        Task("generation", ["-m", fetched("smollm2")], [[t] for t in chosen], "attention", light=True),
        Task("dialogue", ["-m", fetched("smollm2")], talks(asker.where)[:8], "attention",
             again=(1, 0), light=True),
        Task("gemma", ["-m", fetched("gemma3")], [[t] for t in mixed], "attention", again=(1, 0),
             light=True),
        sentiment(asker),
        Task("image", ["-m", fetched("efficientnet-lite0")],
             [[pictures / n] for n in ("chelsea.png", "coffee.png", "flower.jpg")],
             "blur", flags=["--patch", 75], again=(1, 0), light=True),
        wines(asker),
    ]


def find_methods(asker, task):
    said = asker.ask("explain", "--list", *task.model).get("says", {"methods": []})
    for m in said["methods"]:
        first = asker.ask("explain", "--dry-run", *flags_of(task, m["name"], 0))
        if m["possible"] and "says" in first:
            task.methods.append(m["name"])


def flags_of(task, method, i):
    return ["--method", method, *FLAGS.get(method, []), *task.model, *task.flags, *task.inputs[i]]


# ---- the work ----

def random_scores(asker, task, i):
    """A file of scores that say nothing, for the same units."""
    like = asker.ask("explain", *flags_of(task, "occlusion", i)).get("says")
    if not like:
        return None
    units = [u["text"] for u in like["input"]["units"] if not u["fixed"]]
    rng = random.Random(f"{task.name} {i}")
    file = asker.where / f"random-{task.name}-{i}.json"
    file.write_text(json.dumps({"units": units, "scores": [rng.uniform(-1, 1) for _ in units]}))
    return file


def judge(asker, task, i, file):
    where = [*task.model, *task.flags, *task.inputs[i], "--explanation", file]
    draws = 2 if task.light else 4
    which = ["--metrics", LIGHT] if task.light else []
    own = asker.ask("evaluate", *where, "--draws", draws, *which)
    second = asker.ask("evaluate", *where, "--draws", draws, "--absent", task.second, "--metrics", CURVES)
    return own, second


def again(asker, task, i, method):
    """The method again and again: with other seeds, other maskings, moved embeddings, other weights."""
    return asker.ask("evaluate", *flags_of(task, method, i), "--metrics", AGAIN, "--draws", 2)


def one(asker, task, i, method):
    """All that is asked of one method on one input."""
    if method == "random":
        file = random_scores(asker, task, i)
        return file and judge(asker, task, i, file)
    if i >= task.judged(method):
        return None
    file = asker.document(["explain", *flags_of(task, method, i)])
    if i < task.repeated(method):
        again(asker, task, i, method)
    return file and judge(asker, task, i, file)


# Turns of three: how many of the cheap tasks' inputs go by for one of this, and before the first.
PACE = {"table": (0, 0), "sentiment": (1, 0), "generation": (2, 0), "gemma": (3, 18),
        "dialogue": (6, 15), "image": (9, 15)}


def schedule(tasks):
    """(task, input) in such an order that what was stopped has some of every task."""
    def turn(task, i):
        every, before = PACE[task.name]
        return (i * every + before) // 3
    order = [(turn(t, i), k, i, t) for k, t in enumerate(tasks) for i in range(len(t.inputs))]
    return [(t, i) for *_, i, t in sorted(order, key=lambda o: o[:3])]


def collect(asker, tasks, jobs, say):
    """An interrupt leaves what is kept."""
    begun, work = time.time(), schedule(tasks)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for k, (task, i) in enumerate(work):
            list(pool.map(lambda m: one(asker, task, i, m), ["random", *task.methods]))
            say(f"{k + 1} of {len(work)}: {task.name} {i + 1}; {asker.ran} commands, "
                f"{asker.user:.0f} s of the processor in {time.time() - begun:.0f} s")
