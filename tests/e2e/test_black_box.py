#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Black boxes as a user meets them: children, servers, shared objects, bad ones among them."""
import contextlib
import http.server
import json
import math
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = pathlib.Path(os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim")))
EXAMPLES = ROOT / "examples/predictors"
PLUGIN = GLIM.parents[2] / "examples/lexicon.so"
BAYES = f"process:{sys.executable} {EXAMPLES}/naive_bayes.py"
TEXT = "a dull film with great music"
SMOLLM = pathlib.Path.home() / ".cache/glim/SmolLM2-135M-Instruct.Q4_1.gguf"
ENV = dict(os.environ, LANG="C.UTF-8", http_proxy="http://127.0.0.1:1", HTTPS_PROXY="http://127.0.0.1:1")


def run(*args, **more):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                          env=dict(ENV, **more.pop("env", {})), **more)


def valid(name, value):
    schema = json.loads((ROOT / f"docs/schema/glim.{name}-1.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(value)
    return value


def same(doc):
    """A document without what a second run changes."""
    return {k: v for k, v in doc.items() if k not in ("cost", "model")}


class Case(unittest.TestCase):
    def ok(self, *args, **more):
        r = run(*args, **more)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def document(self, *args, **more):
        return valid("explanation", json.loads(self.ok("explain", "--json", "-q", *args, **more)))

    def refused(self, status, *args, says="", **more):
        r = run(*args, **more)
        err = r.stderr.decode()
        self.assertEqual((r.returncode, r.stdout), (status, b""), err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertTrue(err.startswith("glim: "), err)
        self.assertIn(says, err)
        return err


# ---- the examples ----

class Examples(Case):
    def check(self, spec, positive, negative):
        doc = self.document("--predictor", spec, "--class", "positive", TEXT)
        scores = {u["text"].strip(): s for u, s in zip(doc["input"]["units"], doc["scores"])}
        self.assertGreater(scores[positive], 0)
        self.assertLess(scores[negative], 0)
        self.assertEqual(doc["target"]["kind"], "class")
        self.assertEqual(doc["target"]["text"], "positive")
        info = valid("predictor", json.loads(self.ok("info", "--predictor", spec, "--json")))
        self.assertEqual(info["classes"], ["negative", "positive"])
        answer = valid("prediction",
                       json.loads(self.ok("predict", "--predictor", spec, TEXT, "--json")))
        self.assertAlmostEqual(sum(o["prob"] for o in answer["outputs"]), 1, places=9)
        self.assertIn("negative", self.ok("predict", "--predictor", spec, TEXT))
        self.assertIn("negative", self.ok("info", "--predictor", spec))
        return doc

    def test_naive_bayes_in_a_process(self):
        self.check(BAYES, "great", "dull")

    def test_scikit_learn_in_a_process(self):
        self.check(f"process:{sys.executable} {EXAMPLES}/sklearn_sentiment.py", "great", "dull")

    def test_a_shared_object(self):
        doc = self.check(f"plugin:{PLUGIN}", "great", "dull")
        self.assertEqual(doc["model"]["name"], "word list")
        self.assertEqual(len(doc["model"]["digest"]), 64)

    def test_a_server(self):
        p = subprocess.Popen([sys.executable, EXAMPLES / "http_server.py", "0"],
                             stdout=subprocess.PIPE)
        try:
            url = p.stdout.readline().decode().strip()
            doc = self.check(url, "great", "dull")
            self.assertEqual(same(doc), same(self.document("--predictor", BAYES, "--class",
                                                           "positive", TEXT)))
            self.refused(3, "predict", "--predictor", url, TEXT, "--batch-size", "1", "--header",
                         "Content-Length: 5", says="HTTP status 400")
        finally:
            p.kill()
            p.wait()
            p.stdout.close()

    def test_views_show_a_black_box(self):
        with tempfile.TemporaryDirectory() as where:
            page, table = pathlib.Path(where) / "a.html", pathlib.Path(where) / "a.csv"
            raw = pathlib.Path(where) / "a.npy"
            self.ok("explain", "--predictor", BAYES, TEXT, "--html", page, "--csv", table, "--raw",
                    raw)
            self.assertIn("naive_bayes.py", page.read_text())
            self.assertIn("great", table.read_text())
            self.assertTrue(raw.read_bytes().startswith(b"\x93NUMPY"))
            one, two = pathlib.Path(where) / "1.json", pathlib.Path(where) / "2.json"
            self.ok("explain", "--predictor", BAYES, TEXT, f"--json={one}")
            self.ok("view", one, f"--json={two}")
            self.assertEqual(one.read_text(), two.read_text())


class Rows(Case):
    """examples/predictors/rows.py: the logit is (income - 2 debt) / 1000, and 1.5 for a home of
    one's own; so every score is known."""
    TABLE = ("income,debt,home,colour\n3000,1200,rent,red\n4200,900,own,blue\n"
             "1800,,rent,\xe7\xba\xa2\n5100,700,own,red\n6000,800,rent,red\n")

    def setUp(self):
        super().setUp()
        where = tempfile.TemporaryDirectory()
        self.addCleanup(where.cleanup)
        self.table = pathlib.Path(where.name) / "loans.csv"
        self.table.write_bytes(self.TABLE.encode("latin-1"))
        self.box = ("--predictor", f"process:{sys.executable} {ROOT}/examples/predictors/rows.py",
                    "--table", self.table)

    def scores(self, row, *more):
        doc = json.loads(self.ok("explain", *self.box, "--row", row, "--output", "logit",
                                 "--class", "grant", "--json", *more))
        self.assertEqual(doc["input"]["unit"], "column")
        return doc, {u["text"].split(" = ")[0].strip(): s
                     for u, s in zip(doc["input"]["units"], doc["scores"])}

    def test_columns_are_compared_with_what_is_usual(self):
        income = (3000 + 4200 + 1800 + 5100 + 6000) / 5
        debt = (1200 + 900 + 700 + 800) / 4  # an empty cell counts for nothing
        for method in ("occlusion", "shapley", "kernel-shap"):
            doc, s = self.scores(2, "--method", method)
            self.assertAlmostEqual(s["income"], (4200 - income) / 1000, places=6)
            self.assertAlmostEqual(s["debt"], -2 * (900 - debt) / 1000, places=6)
            self.assertAlmostEqual(s["home"], 1.5, places=6)  # most rent
            self.assertAlmostEqual(s["colour"], 0, places=6)
            self.assertIn("what is usual", doc["notes"][0])
        doc, s = self.scores(3)
        self.assertIn("\u7ea2", doc["input"]["text"])
        self.assertAlmostEqual(s["debt"], 2 * debt / 1000, places=6)

    def test_predict_and_what_does_not_fit(self):
        out = json.loads(self.ok("predict", *self.box, "--row", "2", "--json"))
        self.assertEqual(out["outputs"][0]["text"], "grant")
        self.assertAlmostEqual(out["outputs"][0]["prob"], 1 / (1 + math.exp(-3.9)), places=9)
        self.refused(2, "explain", *self.box, says="--row N")
        self.refused(2, "explain", *self.box, "--row", "6", says="5 rows")
        self.refused(2, "explain", *self.box, "--row", "1", TEXT, says="leave out the text")
        self.refused(2, "explain", *self.box, "--row", "1", "--method", "occlusion",
                     "--absent", "attention",
                     says="no attention")
        self.refused(3, "explain", *self.box[:2], TEXT, says="rows of a table")
        self.refused(2, "explain", "--predictor", "openai:http://127.0.0.1:9/v1#x", *self.box[2:],
                     "--row", "1", says="rows go to")
        self.refused(3, "explain", "--predictor", BAYES, *self.box[2:], "--row", "1")


class Store(Case):
    """A program that counts the inputs it was asked for, and may die after some."""
    PROGRAM = """
import json, sys
log, most = sys.argv[1], int(sys.argv[2])
for line in sys.stdin:
    inputs = json.loads(line)["inputs"]
    n = len(open(log).read().splitlines()) if most else 0
    if most and n + len(inputs) > most:
        sys.exit(1)
    with open(log, "a") as f:
        f.writelines(json.dumps(i) + "\\n" for i in inputs)
    print(json.dumps({"outputs": [[1 / 3 + len(i), 0.1 * i.count("a")] for i in inputs],
                      "classes": ["len", "a"], "scale": "raw"}), flush=True)
"""

    def setUp(self):
        super().setUp()
        where = tempfile.TemporaryDirectory()
        self.addCleanup(where.cleanup)
        self.where = pathlib.Path(where.name)
        self.program, self.log = self.where / "count.py", self.where / "log"
        self.program.write_text(self.PROGRAM)
        self.store = self.where / "answers.sqlite"
        self.box = f"process:{sys.executable} {self.program} {self.log} 0"
        self.limited = f"process:{sys.executable} {self.program} {self.log} 4"

    def asked(self):
        n = len(self.log.read_text().splitlines()) if self.log.exists() else 0
        self.log.write_text("")
        return n

    def explain(self, box, *more):
        doc = json.loads(self.ok("explain", "--predictor", box, TEXT, "--json", *more))
        return doc["scores"], doc["target"]

    def test_a_repeat_asks_nothing(self):
        plain = self.explain(self.box)
        n = self.asked()
        self.assertGreater(n, 5)
        self.assertEqual(self.explain(self.box, "--store", self.store), plain)
        self.assertEqual(self.asked(), n)
        self.assertEqual(self.explain(self.box, "--store", self.store), plain)
        self.assertEqual(self.asked(), 0)
        other = json.loads(self.ok("explain", "--predictor", self.box, TEXT, "--json", "--method",
                                   "shapley", "--store", self.store))
        self.assertTrue(other["scores"])
        self.assertGreater(self.asked(), 0)  # what is new is asked
        self.explain(self.box + " ", "--store", self.store)
        self.assertEqual(self.asked(), n)  # another command is another box

    def test_what_was_answered_before_it_died_is_kept(self):
        plain = self.explain(self.box)
        n = self.asked()
        r = run("explain", "--predictor", self.limited, TEXT, "--store", self.store,
                "--batch-size", "2")
        self.assertEqual(r.returncode, 3, r.stderr)
        kept = self.asked()
        self.assertGreater(kept, 1)
        for _ in range(n):  # it dies again and again, and gets further
            r = run("explain", "--predictor", self.limited, TEXT, "--store", self.store,
                    "--batch-size", "2", "--json")
            kept += self.asked()
            if not r.returncode:
                break
        self.assertEqual(kept, n)
        doc = json.loads(r.stdout)
        self.assertEqual((doc["scores"], doc["target"]), plain)

    def test_files_that_are_none(self):
        def refused(says, status=3):
            self.refused(status, "predict", "--predictor", self.box, TEXT, "--store", self.store,
                         says=says)
        self.store.write_bytes(b"no database" * 1000)
        refused("no sound store")
        self.store.unlink()
        db = sqlite3.connect(self.store)
        db.execute("CREATE TABLE mine(x)")
        db.commit()
        db.close()
        refused("another program's")
        self.store.unlink()
        self.ok("predict", "--predictor", self.box, TEXT, "--store", self.store)
        self.asked()
        db = sqlite3.connect(self.store)
        db.execute("UPDATE answer SET numbers = x'00'")
        db.commit()
        db.close()
        self.ok("predict", "--predictor", self.box, TEXT, "--store", self.store)
        self.assertEqual(self.asked(), 1)  # a torn answer is asked again
        db = sqlite3.connect(self.store)
        db.execute("UPDATE box SET classes = '{'")
        db.commit()
        db.close()
        refused("")
        data = self.store.read_bytes()
        self.store.write_bytes(data[:5000])
        refused("")
        self.store.unlink()
        self.store.mkdir()
        refused("store")
        self.refused(2, "predict", "-m", SMOLLM, TEXT, "--store", self.store, says="--predictor")

    def test_one_file_serves_many_at_once(self):
        runs = [subprocess.Popen([GLIM, "explain", "--predictor", f"{self.box} {i}", TEXT,
                                  "--store", str(self.store), "--json"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE) for i in range(4)]
        answers = [(p.communicate(timeout=60), p.returncode) for p in runs]
        for (out, err), status in answers:
            self.assertEqual(status, 0, err.decode())
        self.assertEqual(len({json.dumps(json.loads(out)["scores"])
                              for (out, _), _ in answers}), 1)


class CommandLine(Case):
    def test_flags_that_do_not_fit(self):
        box = ("--predictor", BAYES)
        self.refused(2, "explain", *box, "-m", "x.gguf", TEXT, says="either --model or --predictor")
        self.refused(2, "explain", *box, TEXT, "--method", "gradient",
                     says="needs gradients, which the black box does not give (try --method "
                          "occlusion)")
        self.refused(2, "explain", *box, TEXT, "--generate", "3", says="--class NAME")
        self.refused(2, "explain", *box, TEXT, "--class", "neutral",
                     says="no class 'neutral' (there are negative, positive)")
        self.refused(2, "explain", *box, TEXT, "--units", "token", says="--units character, word")
        self.refused(2, "explain", *box, TEXT, "--method", "occlusion", "--absent", "mean",
                     says="--absent delete or mask")
        self.refused(2, "explain", *box, "--chat", "x.json", says="--chat")
        self.refused(2, "explain", *box, says="no input")
        self.refused(2, "explain", "--predictor", "magic:x", TEXT, says="is no predictor")
        self.refused(2, "explain", "-m", "x.gguf", "--class", "a", TEXT, says="--target")
        self.refused(3, "predict", *box, "-f", "-", input=b"a\xff", says="byte 1")
        self.refused(2, "predict", *box, TEXT, "--header-env", "GLIM_NO_SUCH", says="not set")

    def test_dry_run_counts_what_would_be_asked(self):
        plan = valid("plan", json.loads(self.ok("explain", "--predictor", BAYES, TEXT, "--dry-run",
                                                "--json")))
        self.assertEqual(plan["asks"], 7)
        doc = self.document("--predictor", BAYES, TEXT)
        self.assertLessEqual(doc["cost"]["forward_tokens"], plan["asks"])
        self.assertIn("at most 7", self.ok("explain", "--predictor", BAYES, TEXT, "--dry-run"))

    def test_masking_writes_the_token_that_was_asked_for(self):
        with tempfile.TemporaryDirectory() as where:
            log = pathlib.Path(where) / "log"
            script = pathlib.Path(where) / "box.py"
            script.write_text("import json, sys\n"
                              "for line in sys.stdin:\n"
                              f"    open({str(log)!r}, 'a').write(line)\n"
                              "    n = len(json.loads(line)['inputs'])\n"
                              "    print(json.dumps({'outputs': [[0.5]] * n}), flush=True)\n")
            self.ok("explain", "--predictor", f"process:{sys.executable} {script}", "one two, three",
                    "--method", "occlusion", "--absent", "mask", "--mask-token", "[MASK]",
                    "--batch-size", "2")
            batches = [valid("batch", json.loads(line)) for line in log.read_text().splitlines()]
            self.assertLessEqual(max(len(b["inputs"]) for b in batches), 2)
            texts = [t for b in batches for t in b["inputs"]]
            self.assertEqual(texts, ["one two, three", "[MASK] two, three", "one [MASK], three",
                                     "one two[MASK] three", "one two, [MASK]",
                                     "[MASK] [MASK][MASK] [MASK]"])

    def test_interrupt_gives_the_partial_document_within_a_second(self):
        with tempfile.TemporaryDirectory() as where:
            out, mark = pathlib.Path(where) / "part.json", pathlib.Path(where) / "pid"
            script = pathlib.Path(where) / "slow.py"
            script.write_text("import json, os, sys, time\n"
                              f"open({str(mark)!r}, 'w').write(str(os.getpid()))\n"
                              "for i, line in enumerate(sys.stdin):\n"
                              "    if i > 3: time.sleep(60)\n"
                              "    print(json.dumps({'outputs': [[0.5]]}), flush=True)\n")
            p = subprocess.Popen([GLIM, "explain", "--predictor",
                                  f"process:{sys.executable} {script}", "a b c d e f g h",
                                  "--batch-size", "1", f"--json={out}", "-q"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(1.5)
            start = time.monotonic()
            p.send_signal(signal.SIGINT)
            _, err = p.communicate(timeout=20)
            self.assertEqual(p.returncode, 130, err)
            self.assertLess(time.monotonic() - start, 1.5)
            doc = valid("explanation", json.loads(out.read_text()))
            self.assertTrue(doc["partial"])
            self.assertEqual([s is not None for s in doc["scores"]], [True] * 3 + [False] * 5)
            with self.assertRaises(ProcessLookupError):
                os.kill(int(mark.read_text()), 0)

    def test_a_killed_glim_leaves_no_child(self):
        with tempfile.TemporaryDirectory() as where:
            mark = pathlib.Path(where) / "pid"
            p = subprocess.Popen([GLIM, "predict", "--predictor",
                                  f"process:echo $$ > {mark}; read a; read b", TEXT],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            while not mark.exists() or not mark.read_text():
                time.sleep(0.02)
            p.kill()
            p.communicate()
            for _ in range(100):
                try:
                    os.kill(int(mark.read_text()), 0)
                except ProcessLookupError:
                    return
                time.sleep(0.05)
            self.fail("the child still runs")


# ---- shared objects that do not fit ----

DESCRIPTOR = """
#include <glim/plugin.h>
#include <math.h>
#include <string.h>
static const char *const classes[] = {{"a", "b"}};
static int predict(void *state, const glim_plugin_batch *b, double *v, char *why, size_t n) {{
    for (size_t i = 0; i < 2 * b->count; i++) v[i] = 0.5;
    {body}
    return 0;
}}
static const glim_plugin plugin = {{.version = GLIM_PLUGIN_VERSION, .size = sizeof plugin,
    .name = "test", .classes = classes, .n_classes = 2, .scale = "prob", .predict = predict,
    {more}}};
GLIM_PLUGIN_EXPORT const glim_plugin *glim_plugin_open(int version) {{ {open} }}
"""


@unittest.skipUnless(shutil.which("cc"), "no C compiler")
class Plugins(Case):
    def build(self, where, body="", more="", opens="return &plugin;", source=None):
        c, so = pathlib.Path(where) / "p.c", pathlib.Path(where) / "p.so"
        c.write_text(source or DESCRIPTOR.format(body=body, more=more, open=opens))
        subprocess.run(["cc", "-w", "-shared", "-fPIC", f"-I{ROOT}/include", "-o", so, c],
                       check=True)
        return f"plugin:{so}"

    def test_what_does_not_fit_is_refused(self):
        cases = [
            (dict(), 0, ""),
            (dict(more=".version = 99"), 3, "version 99 of plugin.h, this glim has 1"),
            (dict(more=".size = 8"), 3, "not the one of plugin.h"),
            (dict(more=".scale = \"percent\""), 3, "scale is none of"),
            (dict(more=".n_classes = 0"), 3, "0 numbers a row"),
            (dict(opens="return 0;"), 3, "refuses this version"),
            (dict(body='strcpy(why, "no paper"); return 7;'), 3, "predict failed with 7: 'no paper'"),
            (dict(body="v[1] = NAN;"), 1, "row 0 holds NaN for class 'b'"),
            (dict(body="v[1] = 0.7;"), 3, "sum to 1.2"),
            (dict(source="int x;"), 3, "no function glim_plugin_open"),
        ]
        for arguments, status, says in cases:
            with tempfile.TemporaryDirectory() as where, self.subTest(says):
                spec = self.build(where, **arguments)
                if status:
                    self.refused(status, "predict", "--predictor", spec, TEXT, says=says)
                else:
                    self.ok("predict", "--predictor", spec, TEXT)

    def test_a_file_that_is_none(self):
        self.refused(3, "predict", "--predictor", "plugin:/nowhere.so", TEXT, says="/nowhere.so")
        self.refused(3, "predict", "--predictor", f"plugin:{__file__}", TEXT, says="cannot load it")


# ---- servers ----

@contextlib.contextmanager
def serving(reply):
    """A server whose POSTs are answered by reply(path, body, headers): (status, headers, bytes),
    or None to drop the connection."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = reply(self.path, body, self.headers)
            if answer is None:
                self.close_connection = True
                return
            status, headers, data = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *args: None  # a client that goes away is part of the tests
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def rows(body):
    out = [[len(t), t.count("e"), 0.25] for t in body["inputs"]]
    return json.dumps({"outputs": out, "classes": ["length", "e", "none"]}).encode()


class Servers(Case):
    def test_the_order_does_not_depend_on_concurrency(self):
        def slow(path, body, headers):
            time.sleep(0.002 * (len(body["inputs"][0]) % 5))
            return 200, {}, rows(body)

        text = " ".join(f"w{i}e" for i in range(40))
        with serving(slow) as url:
            docs = [self.document("--predictor", url, text, "--class", "length", "--batch-size", b,
                                  "--concurrency", c) for b, c in ((256, 1), (1, 1), (1, 16), (3, 4))]
        for doc in docs[1:]:
            self.assertEqual(same(doc), same(docs[0]))
        self.assertEqual(docs[0]["scores"][1], len(" w1e"))

    def test_what_passes_is_tried_again(self):
        seen = []

        def reply(path, body, headers):
            seen.append(path)
            if len(seen) == 1:
                return 429, {"Retry-After": "0"}, b"slow down"
            if len(seen) == 2:
                return 503, {}, b"not yet"
            if len(seen) == 3:
                return None
            return 200, {}, rows(body)

        with serving(reply) as url:
            self.ok("predict", "--predictor", url, TEXT)
        self.assertEqual(len(seen), 4)

    def test_what_does_not_pass_is_an_error(self):
        def status(code, headers=None, data=b"a <tale> of woe"):
            return lambda path, body, h: (code, headers or {}, data)

        cases = [
            (status(404), "HTTP status 404: 'a <tale> of woe'"),
            (status(401), "(see --header)"),
            (status(302, {"Location": "http://example.org/"}), "redirects are not followed"),
            (status(200), "no JSON object: 'a <tale> of woe'"),
            (status(200, data=b""), "no JSON object: ''"),
            (status(200, data=b"x" * (3 << 20)), "longer than"),
            (status(200, data=b'{"outputs":[]}'), "answered 0 rows to 1 input"),
        ]
        for reply, says in cases:
            with serving(reply) as url, self.subTest(says):
                self.refused(3, "predict", "--predictor", url, TEXT, says=says)

    def test_a_server_that_hangs(self):
        with serving(lambda *a: time.sleep(3)) as url:
            start = time.monotonic()
            self.refused(3, "predict", "--predictor", url, TEXT, "--timeout", "0.3",
                         says="within 0.3 seconds")
            self.assertLess(time.monotonic() - start, 2)

    def test_nobody_there(self):
        start = time.monotonic()
        self.refused(3, "predict", "--predictor", "http://127.0.0.1:9/", TEXT,
                     says="cannot be reached")
        self.assertLess(time.monotonic() - start, 10)

    def test_headers_from_a_line_a_file_and_a_variable(self):
        got = []

        def reply(path, body, headers):
            got.append((headers["Authorization"], headers["X-More"]))
            return 200, {}, rows(body)

        with serving(reply) as url, tempfile.TemporaryDirectory() as where:
            file = pathlib.Path(where) / "h"
            file.write_text("Authorization: Bearer secret\nX-More: b\n")
            self.ok("predict", "--predictor", url, TEXT, "--header", "Authorization: Bearer secret",
                    "--header-env", "MORE", env={"MORE": "X-More: b"})
            self.ok("predict", "--predictor", url, TEXT, "--header", f"@{file}")
            doc = self.ok("explain", "--predictor", url.replace("//", "//me:secret@") + "?k=secret",
                          TEXT, "--header", f"@{file}", "--json")
        self.assertEqual(set(got), {("Bearer secret", "b")})
        self.assertNotIn("secret", doc)

    def test_interrupting_a_call(self):
        with serving(lambda *a: time.sleep(5)) as url:
            p = subprocess.Popen([GLIM, "predict", "--predictor", url, TEXT],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(0.5)
            start = time.monotonic()
            p.send_signal(signal.SIGINT)
            _, err = p.communicate(timeout=20)
            self.assertEqual(p.returncode, 130, err)
            self.assertLess(time.monotonic() - start, 1)


# ---- the OpenAI API ----

def likely(prompt):
    """A made-up model: the next token is a label whose odds are the good words less the bad."""
    z = prompt.count("great") - prompt.count("dull")
    p = 1 / (1 + math.exp(-z))
    return {" positive": math.log(0.8 * p), " Neg": math.log(0.8 * (1 - p)), " the": math.log(0.1),
            " a": math.log(0.05)}


def split(text):
    """Tokens of a text: words with the space before them, 'negative' in two."""
    out = []
    for i, word in enumerate(text.replace("negative", "Neg ative").split(" ")):
        out.append(word if i == 0 else " " + word)
    return [t for t in out if t]


class FakeModel:
    def __init__(self, echo="right", chat=True, complete=True, most=20):
        self.echo, self.chat, self.complete, self.most = echo, chat, complete, most
        self.bodies = []

    def __call__(self, path, body, headers):
        self.bodies.append(body)
        if path == "/v1/chat/completions" and self.chat:
            prompt = body["messages"][0]["content"]
            top = [{"token": t.strip(), "logprob": x} for t, x in likely(prompt).items()]
            return self.ok({"content": [{"token": "x", "logprob": 0, "top_logprobs": top}]})
        if path == "/v1/completions" and self.complete:
            if body["logprobs"] > self.most:
                return 400, {}, b'{"error":"too many logprobs"}'
            return self.echoed(body["prompt"]) if body.get("echo") else self.first(body["prompt"])
        return 404, {}, b'{"error":"no such path"}'

    def ok(self, logprobs):
        return 200, {}, json.dumps({"choices": [{"logprobs": logprobs}]}).encode()

    def first(self, prompt):
        return self.ok({"top_logprobs": [likely(prompt)]})

    def echoed(self, prompt):
        if self.echo == "none":
            return 500, {}, b'{"error":"no echo"}'
        offsets, numbers, at = [], [], 0
        tokens = prompt.replace("negative", "Negative")
        pieces = [tokens[:tokens.rindex(" ")], tokens[tokens.rindex(" "):]]
        if pieces[1] == " Negative":
            pieces[1:] = [" Neg", "ative"]
        for piece in pieces + ["."]:
            offsets.append(at)
            at += len(piece)
            before = tokens[:offsets[-1]]
            right = None if not before else -0.5 if piece == "ative" else likely(before).get(piece, -9)
            numbers.append(right if self.echo == "right" or right is None else right - 3)
        return self.ok({"text_offset": offsets, "token_logprobs": numbers})


class OpenAI(Case):
    LABELS = ("--labels", "positive, negative", "--class", "positive")

    def explain(self, model, *more, tail="v1#tiny"):
        with serving(model) as url:
            return self.document("--predictor", f"openai:{url}{tail}", TEXT, *more)

    def scores(self, doc):
        return {u["text"].strip(): s for u, s in zip(doc["input"]["units"], doc["scores"])}

    def test_labels_by_echo_first_token_and_chat(self):
        for model, how in ((FakeModel(), "sum of its tokens"),
                           (FakeModel(most=5, echo="none"), "first token;"),
                           (FakeModel(echo="wrong"), "first token;"),
                           (FakeModel(complete=False), "chat answer")):
            with self.subTest(how):
                doc = self.explain(model, *self.LABELS)
                self.assertTrue(any(how in note for note in doc["notes"]), doc["notes"])
                s = self.scores(doc)
                self.assertGreater(s["great"], 0.1)
                self.assertLess(s["dull"], -0.1)
                self.assertTrue(all(b["model"] == "tiny" and b["max_tokens"] == 1
                                    for b in model.bodies))

    def test_the_score_of_a_label_is_the_sum_over_its_tokens(self):
        with serving(FakeModel()) as url:
            args = ("predict", "--predictor", f"openai:{url}v1", TEXT, "--labels",
                    "positive,negative", "--json")
            out = {o["text"]: o["logit"] for o in json.loads(self.ok(*args))["outputs"]}
            mean = {o["text"]: o["logit"]
                    for o in json.loads(self.ok(*args, "--length-normalise"))["outputs"]}
        want = likely("great dull")
        self.assertAlmostEqual(out["positive"], want[" positive"], places=12)
        self.assertAlmostEqual(out["negative"], want[" Neg"] - 0.5, places=12)
        self.assertAlmostEqual(mean["negative"], (want[" Neg"] - 0.5) / 2, places=12)

    def test_next_tokens_of_a_plain_text(self):
        doc = self.explain(FakeModel(), "--class", " positive")
        self.assertEqual(doc["target"]["output"], "logprob")
        self.assertAlmostEqual(doc["target"]["value"], likely(TEXT)[" positive"], places=12)
        self.assertGreater(self.scores(doc)["great"], 0)

    def test_a_prompt_of_ones_own(self):
        model = FakeModel()
        with tempfile.TemporaryDirectory() as where:
            file = pathlib.Path(where) / "p"
            file.write_text("Review: {text}\nMood:\n")
            self.explain(model, *self.LABELS, "--prompt-file", file)
            self.assertEqual(model.bodies[0]["prompt"], f"Review: {TEXT}\nMood:")
            file.write_text("no place")
            self.refused(2, "predict", "--predictor", "openai:http://x/v1", TEXT, "--prompt-file",
                         file, says="no {text}")

    def test_a_path_says_which_kind(self):
        doc = self.explain(FakeModel(), *self.LABELS, tail="v1/chat/completions")
        self.assertTrue(any("chat answer" in note for note in doc["notes"]))

    def test_what_cannot_be_scored(self):
        with serving(FakeModel(echo="none")) as url:
            self.refused(2, "predict", "--predictor", f"openai:{url}v1", TEXT, "--labels", "x,y",
                         says="none of the labels begins with one of its likeliest tokens")
            self.refused(2, "predict", "--predictor", f"openai:{url}v1", TEXT, "--labels", "x,,y",
                         says="empty label")
        with serving(FakeModel(complete=False, chat=False)) as url:
            self.refused(3, "predict", "--predictor", f"openai:{url}v1", TEXT, says="no such path")
        with serving(lambda *a: (200, {}, b'{"choices": []}')) as url:
            self.refused(3, "predict", "--predictor", f"openai:{url}v1", TEXT,
                         says="no log-probabilities of the first token")
        with serving(lambda *a: (401, {}, b"key?")) as url:
            self.refused(3, "predict", "--predictor", f"openai:{url}v1", TEXT, says="key?")


@unittest.skipUnless(os.environ.get("GLIM_LLAMA_PYTHON") and SMOLLM.exists(),
                     "GLIM_LLAMA_PYTHON names no Python with llama-cpp-python[server]")
class RealServer(Case):
    """The server of llama-cpp-python on the file that glim runs itself."""

    @classmethod
    def setUpClass(cls):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        cls.log = tempfile.TemporaryFile()
        cls.server = subprocess.Popen(
            [os.environ["GLIM_LLAMA_PYTHON"], "-m", "llama_cpp.server", "--model", SMOLLM,
             "--n_ctx", "512", "--logits_all", "true", "--port", str(port)],
            stdout=cls.log, stderr=cls.log)
        cls.spec = f"openai:http://127.0.0.1:{port}/v1"
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return
            time.sleep(0.2)

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()
        cls.server.wait()
        cls.log.close()

    def test_next_tokens_agree_with_glim(self):
        text = "The capital of France is"
        args = (text, "--json", "--top", "5")
        ours = json.loads(self.ok("predict", "-m", SMOLLM, *args))["outputs"]
        theirs = json.loads(self.ok("predict", "--predictor", self.spec, *args))["outputs"]
        self.assertEqual(ours[0]["text"], theirs[0]["text"])
        self.assertAlmostEqual(ours[0]["prob"], theirs[0]["prob"], delta=0.03)
        doc = self.document("--predictor", self.spec, text)
        self.assertEqual(doc["target"]["text"], " Paris")
        self.assertTrue(all(s is not None for s in doc["scores"]))

    def test_an_echo_that_is_off_by_one_is_not_used(self):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as prompt:
            prompt.write("Review: {text}\nSentiment (positive or negative):")
            prompt.flush()
            for tail in ("", "/chat/completions"):
                doc = self.document("--predictor", self.spec + tail, "a great film", "--labels",
                                    "positive,negative", "--prompt-file", prompt.name)
                self.assertTrue(any("first token" in n for n in doc["notes"]), doc["notes"])


if __name__ == "__main__":
    unittest.main()
