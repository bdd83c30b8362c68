#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim serve: every address, who may come in, what is refused, clients that are many, slow or
broken, jobs that are cancelled, and what is left after kill -9."""
import concurrent.futures
import gzip
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA = MODELS / "llama.gguf"
LONG = {"command": "explain", "model": "llama", "input": {"text": "a b c d e f g h i j k l"},
        "parameters": {"method": "shapley", "pairs": 100000, "exact-units": 1}}  # minutes


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, folder, *args, port=0, models=(LLAMA,)):
        named = [word for m in models for word in ("-m", str(m))]
        self.process = subprocess.Popen(
            [GLIM, "serve", *named, "--port", str(port), "--history", f"{folder}/history.sqlite", *map(str, args)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first = self.process.stdout.readline()
        found = re.search(r"http://([^/]+):(\d+)/(?:\?token=(\S+))?", first)
        if not found:
            raise RuntimeError(first + self.process.communicate()[1])
        self.host, self.port, self.token = found[1].strip("[]"), int(found[2]), found[3]

    def ask(self, method, path, body=None, headers=(), raw=False, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = json.dumps(body) if body is not None and not isinstance(body, (bytes, str)) else body
        given = {"Authorization": "Bearer " + self.token} if self.token else {}
        try:
            connection.request(method, path, sent, {**given, **dict(headers)})
            r = connection.getresponse()
            data = r.read()
        finally:
            connection.close()
        return (r, data) if raw else (r.status, json.loads(data) if data else None)

    def api(self, method, path, body=None, **more):
        return self.ask(method, "/api/v1" + path, body, **more)

    def job(self, body, want="done", **more):
        status, job = self.api("POST", "/jobs", body, **more)
        assert status == 202, job
        return self.wait(job["id"], want)

    def wait(self, number, want="done", seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.api("GET", f"/jobs/{number}")[1]
            if job["state"] == want:
                return job
            assert job["state"] in ("queued", "running"), job
            time.sleep(0.02)
        raise AssertionError(job)

    def events(self, number, headers=()):
        r, data = self.api("GET", f"/jobs/{number}/events", headers=headers, raw=True)
        found = []
        for block in data.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and line[0] != ":")
            if fields:
                found.append((fields["event"], json.loads(fields["data"]), fields.get("id")))
        return r.status, found

    def stop(self, number=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(number)
        out = self.process.communicate(timeout=20)
        return self.process.returncode, out[1]


class Base(unittest.TestCase):
    def start(self, *args, **more):
        server = Server(self.folder, *args, **more)
        self.addCleanup(server.stop)
        return server

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class Addresses(unittest.TestCase):
    """One server for all that does not need one of its own."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.temporary.name)
        cls.root = folder / "root"
        (cls.root / "inner").mkdir(parents=True)
        (cls.root / "text.txt").write_text("hello there\n", encoding="utf-8")
        (cls.root / "inner/texts.csv").write_text("text,label\na b,x\nc d,y\n", encoding="utf-8")
        (folder / "secret.txt").write_text("secret", encoding="utf-8")
        (cls.root / "out.txt").symlink_to(folder / "secret.txt")
        (cls.root / "up").symlink_to(folder)
        (cls.root / "in.txt").symlink_to(cls.root / "text.txt")
        (cls.root / ".hidden").write_text("x", encoding="utf-8")
        cls.server = Server(folder, "--root", cls.root, models=(LLAMA, MODELS / "gpt2.gguf"))
        cls.api, cls.ask, cls.job = cls.server.api, cls.server.ask, cls.server.job

    @classmethod
    def tearDownClass(cls):
        code, err = cls.server.stop()
        cls.temporary.cleanup()
        assert (code, err) == (0, ""), (code, err)

    def refused(self, body, *words, path="/jobs", status=400):
        got, answer = self.api("POST", path, body)
        self.assertEqual(got, status, answer)
        for word in words:
            self.assertIn(word, json.dumps(answer["error"], ensure_ascii=False))

    def test_info_and_commands_come_from_the_tables(self):
        info = self.api("GET", "/info")[1]
        self.assertEqual([m["id"] for m in info["models"]], ["llama", "gpt2"])
        self.assertEqual(info["models"][0]["layers"], 2)
        self.assertTrue(info["root"])
        told = self.api("GET", "/commands")[1]
        dumped = json.loads(subprocess.run([GLIM, "--dump-commands"], capture_output=True, check=True).stdout)
        names = {c["name"] for c in told["commands"]}
        self.assertEqual({c["name"] for c in dumped["commands"]} - names, {"view", "fit", "steer", "capture", "serve"})
        self.assertEqual([m["name"] for m in told["methods"]], [m["name"] for m in dumped["methods"]])
        explain = next(c for c in told["commands"] if c["name"] == "explain")
        given = {p["name"] for p in explain["parameters"]}
        self.assertTrue({"target", "units", "seed"} <= given)
        self.assertFalse({"json", "html", "store", "raw", "threads", "kernels", "model", "header"} & given)
        self.assertEqual(explain["produces"], "glim.explanation/1")

    def test_a_job_is_what_a_person_would_have_typed(self):
        job = self.job({"command": "explain", "model": "llama", "input": {"text": "hello there you"},
                        "parameters": {"method": "integrated-gradients", "steps": 4, "seed": 3}})
        self.assertEqual(job["title"], "hello there you")
        self.assertEqual(job["schema"], "glim.explanation/1")
        line = job["line"].split("glim ", 1)[1]
        typed = subprocess.run(["bash", "-c", f"'{GLIM}' {line} --json -q"], capture_output=True, check=True)
        r, document = self.api("GET", f"/jobs/{job['id']}/document", raw=True)
        a, b = json.loads(typed.stdout), json.loads(document)
        self.assertEqual(a["scores"], b["scores"])
        self.assertEqual(a["method"], b["method"])
        again = self.api("GET", f"/jobs/{job['id']}/document", headers={"If-None-Match": r.headers["ETag"]}, raw=True)
        self.assertEqual((again[0].status, again[1]), (304, b""))
        time.sleep(0.3)
        r, packed = self.api("GET", f"/jobs/{job['id']}/document", headers={"Accept-Encoding": "gzip"}, raw=True)
        self.assertEqual(r.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed), document)

    def test_forms_of_a_document(self):
        number = self.job({"command": "explain", "model": "llama", "input": {"text": "a b"}})["id"]
        for lang in ("en", "zh-CN"):
            for _ in range(2):  # made, and kept
                r, page = self.api("GET", f"/jobs/{number}/report?lang={lang}", raw=True)
                self.assertEqual(r.status, 200)
                self.assertIn(f'<html lang="{lang}">', page.decode())
                self.assertIn("sandbox allow-scripts", r.headers["Content-Security-Policy"])
        r, table = self.api("GET", f"/jobs/{number}/table.csv", raw=True)
        self.assertEqual(table.splitlines()[0].split(b",")[0], b"unit")
        drawn = "svg" in subprocess.run([GLIM, "view", "--help"], capture_output=True, text=True).stdout
        for form, head in (("svg", b"<"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
            r, figure = self.api("GET", f"/jobs/{number}/figure.{form}", raw=True)
            self.assertEqual(r.status, 200 if drawn else 501, figure[:300])
            self.assertTrue(not drawn or figure.startswith(head))
        self.assertEqual(self.api("GET", f"/jobs/{number}/report?lang=fr")[0], 400)
        plain = self.job({"command": "predict", "model": "llama", "input": {"text": "a b"}})["id"]
        self.assertEqual(self.api("GET", f"/jobs/{plain}/document")[1]["schema"], "glim.prediction/1")

    def test_tokens_and_state_are_told_and_replayed(self):
        status, job = self.api("POST", "/generate", {"model": "llama", "input": {"text": "hello a"}, "parameters": {"tokens": 12}})
        self.assertEqual(status, 202)
        status, live = self.server.events(job["id"])
        self.assertEqual([data["state"] for name, data, _ in live if name == "state"][-1], "done")
        tokens = [data for name, data, _ in live if name == "token"]
        self.assertGreater(len(tokens), 4)
        self.assertEqual(live[-1][0], "done")
        self.assertEqual(live[-1][1], self.api("GET", f"/jobs/{job['id']}")[1])
        late = [e for e in self.server.events(job["id"])[1] if e[0] != "progress"]
        self.assertEqual([e for e in live if e[0] != "progress"], late)
        document = self.api("GET", f"/jobs/{job['id']}/document")[1]
        self.assertEqual([t["id"] for t in tokens], [t["id"] for t in document["tokens"]])
        rest = self.server.events(job["id"], {"Last-Event-ID": late[4][2]})[1]
        self.assertEqual(rest, late[5:])
        self.assertEqual(self.server.events(job["id"], {"Last-Event-ID": late[-1][2]})[0], 204)

    def test_plan_tokens_and_advice(self):
        status, plan = self.api("POST", "/plan", {"command": "explain", "model": "gpt2", "input": {"text": "a b"}})
        self.assertEqual(status, 200)
        self.assertIn("tokens forward", plan["text"])
        self.assertGreater(plan["bytes"], 0)
        chat = [{"role": "user", "content": "hi"}]
        body = {"model": "llama", "input": {"chat": chat}, "parameters": {"template": "chatml"}}
        self.assertIn("hi", "".join(t["text"] for t in self.api("POST", "/tokenize", body)[1]))
        text = "--json=x -- \n"
        told = self.api("POST", "/tokenize", {"model": "llama", "input": {"text": text}})[1]
        self.assertEqual("".join(t["text"] for t in told), text)
        long = "word " * 30000
        told = self.api("POST", "/tokenize", {"model": "llama", "input": {"text": long}})[1]
        self.assertEqual("".join(t["text"] for t in told), long)
        self.assertEqual(self.api("POST", "/advise", {"model": "llama", "input": {"text": "a b"}})[1]["schema"], "glim.advice/1")
        self.assertEqual(self.api("POST", "/advise", {"parameters": {"access": "black-box"}})[0], 200)
        self.refused({"command": "info", "model": "llama"}, "no plan", path="/plan")
        self.refused({"command": "explain", "model": "llama", "input": {"text": ""}}, "what", path="/plan")

    def test_parameters_are_checked_before_anything_runs(self):
        base = {"command": "explain", "model": "llama", "input": {"text": "a b"}}
        for parameters, words in (({"units": "letter"}, "token|word"), ({"seed": -1}, "out of range"),
                                  ({"seed": 1.5}, "whole number"), ({"seed": "1"}, "whole number"),
                                  ({"method": "nosuch"}, "none of this name"), ({"stepz": 3}, "stepz"),
                                  ({"method": "integrated-gradients", "steps": 0}, "1 to 4096"),
                                  ({"steps": 3}, "steps"), ({"align": "yes"}, "true or false"),
                                  ({"target": ["a"]}, "one value"), ({"target": "a\0b"}, "NUL"),
                                  ({"method": "\0"}, "NUL"), ({"target": "x" * 200000}, "longer"),
                                  ({"units": {"a": 1}}, "text is expected"), ([], "object")):
            self.refused({**base, "parameters": parameters}, words)
        for name in ("json", "csv", "html", "raw", "store", "threads", "memory", "kernels", "model", "header",
                     "header-env", "list", "help", "dry-run", "quiet", "file", "chat", "lang"):
            self.refused({**base, "parameters": {name: "/tmp/x"}}, name)
        for spec in ("process:sh", "plugin:/x.so", "http://localhost/", "openai:http://x#y"):
            self.refused({**base, "parameters": {"predictor": spec}}, "fit:FILE")
        for body, words in ((b"{", "body"), (b"", "body"), ([1], "object"), ({}, "command"),
                            ({"command": "rm"}, "none of this name"), ({"command": "view"}, "none of this name"),
                            ({"command": "serve"}, "none"), ({**base, "model": "none"}, "GET /info"),
                            ({**base, "model": "../x"}, "GET /info"), ({"command": "explain"}, "GET /info"),
                            ({**base, "x": 1}, "no such member"), ({**base, "input": {"text": "a\0"}}, "NUL"),
                            ({**base, "input": {"text": "a", "file": "b"}}, "one of"),
                            ({**base, "input": {"path": "a"}}, "one of"), ({**base, "input": {"chat": []}}, "one at least"),
                            ({**base, "input": {"chat": [{"role": "user"}]}}, "content"),
                            ({"command": "info", "model": "llama", "input": {"text": "/etc/passwd"}}, "reads none"),
                            ({"command": "probe", "model": "llama", "input": {"text": "a"}}, "reads none")):
            self.refused(body, words)

    def test_files_come_from_under_the_root_alone(self):
        base = {"command": "explain", "model": "llama"}
        self.assertEqual(self.job({**base, "input": {"file": "text.txt"}})["title"], "text.txt")
        self.job({**base, "input": {"file": "in.txt"}})
        for path in ("out.txt", "up/secret.txt", "../secret.txt", "/etc/passwd", "inner/../../secret.txt", "inner",
                     "", "nosuch", "text.txt/", "upload:../../secret.txt", "upload:", "/proc/self/environ", "a" * 5000):
            self.refused({**base, "input": {"file": path}})
            self.refused({"command": "probe", "model": "llama", "parameters": {"data": path}})
        self.refused({**base, "input": {"text": "a"}, "parameters": {"method": "lime", "data": "../secret.txt"}}, "root")
        self.refused({**base, "input": {"text": "a"}, "parameters": {"gold": "../secret.txt"}}, "root")
        self.refused({"command": "generate", "model": "llama", "input": {"text": "a"},
                      "parameters": {"steer": ["../x.gguf:2@1"]}}, "root")
        status, listed = self.api("GET", "/files?path=")
        self.assertEqual({e["name"]: e["kind"] for e in listed["entries"]},
                         {"in.txt": "file", "inner": "folder", "text.txt": "file"})
        self.assertEqual(self.api("GET", "/files?path=inner")[1]["entries"][0]["path"], "inner/texts.csv")
        for path in ("..", "/", "/etc", "up", "text.txt", "inner/../..", "%2e%2e", "nosuch"):
            self.assertEqual(self.api("GET", "/files?path=" + path)[0], 404, path)
        status, sent = self.api("POST", "/files?name=mine.txt", b"sent text")
        self.assertEqual(status, 201)
        job = self.job({**base, "input": {"file": sent["path"]}})
        self.assertEqual(self.api("GET", f"/jobs/{job['id']}/document")[1]["input"]["text"], "sent text")
        for name in ("..", "a/b", ".x", "", "a%00b", "a" * 300, "a:b"):
            self.assertEqual(self.api("POST", "/files?name=" + name, b"x")[0], 400, name)

    def test_documents_are_taken_in(self):
        saved = (ROOT / "tests/golden/documents").glob("*.json")
        path = next(p for p in sorted(saved) if '"glim.explanation/1"' in p.read_text(encoding="utf-8")[:200])
        status, made = self.api("POST", "/documents", path.read_bytes())
        self.assertEqual(status, 201)
        self.assertEqual(self.api("GET", f"/jobs/{made['id']}/document", raw=True)[1], path.read_bytes())
        self.assertEqual(self.api("GET", f"/jobs/{made['id']}/report", raw=True)[0].status, 200)
        self.assertEqual([e[0] for e in self.server.events(made["id"])[1]], ["state", "done"])
        for bad in (b"", b"[]", b"{}", b'{"schema": 3}', b'{"schema": "other/1"}', b'{"schema": "glim.x/1"', b"\xff" * 10):
            self.assertEqual(self.api("POST", "/documents", bad)[0], 400)
        made = self.api("POST", "/documents", {"schema": "glim.explanation/1"})[1]
        self.assertEqual(self.api("GET", f"/jobs/{made['id']}/report")[0], 404)

    def test_jobs_are_listed_searched_marked_and_removed(self):
        ids = [self.job({"command": "predict", "model": "llama", "input": {"text": f"Findable {i} 100%"}})["id"] for i in range(3)]
        found = self.api("GET", "/jobs?search=findable")[1]["jobs"]
        self.assertEqual([j["id"] for j in found], ids[::-1])
        self.assertEqual([j["id"] for j in self.api("GET", f"/jobs?search=findable&limit=1&before={ids[2]}")[1]["jobs"]], [ids[1]])
        self.assertEqual(self.api("GET", "/jobs?search=100%25")[1]["jobs"][0]["id"], ids[2])
        self.assertEqual(self.api("GET", "/jobs?search=1__%25")[1]["jobs"], [])
        status, job = self.api("PATCH", f"/jobs/{ids[0]}", {"title": "新 名", "pinned": True})
        self.assertEqual((status, job["title"], job["pinned"]), (200, "新 名", True))
        for bad in ({}, {"state": "done"}, {"title": 3}, {"pinned": "yes"}, {"title": "x" * 1000}, []):
            self.assertEqual(self.api("PATCH", f"/jobs/{ids[0]}", bad)[0], 400)
        self.assertEqual(self.api("DELETE", f"/jobs/{ids[0]}")[0], 204)
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/document"), ("GET", "/events"), ("POST", "/cancel"), ("GET", "/report")):
            self.assertEqual(self.api(method, f"/jobs/{ids[0]}{path}")[0], 404, path)
        for query in ("limit=0", "limit=x", "limit=1001", "before=-1", "limit=1e3", "other=1", "search=a%00b", "limit"):
            self.assertEqual(self.api("GET", "/jobs?" + query)[0], 400, query)

    def test_other_hosts_and_origins_stay_outside(self):
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "a" * 300, "[::1", "localhost:x"):
            self.assertIn(self.ask("GET", "/api/v1/info", headers={"Host": host})[0], (400, 403), host)
        for host in ("localhost", "localhost:1", "127.0.0.1:9", "[::1]:80", "LOCALHOST"):
            self.assertEqual(self.ask("GET", "/api/v1/info", headers={"Host": host})[0], 200, host)
        own = f"http://127.0.0.1:{self.server.port}"
        body = {"model": "llama", "input": {"text": "a"}}
        for origin, status in ((own, 200), ("http://evil.example", 403), ("null", 403), ("http://127.0.0.1:1", 403), ("https" + own[4:], 403)):
            self.assertEqual(self.api("POST", "/tokenize", body, headers={"Origin": origin})[0], status, origin)
        r, _ = self.api("GET", "/info", headers={"Origin": "http://evil.example"}, raw=True)
        self.assertFalse([h for h in r.headers if h.lower().startswith("access-control")])

    def test_each_answer_has_a_policy(self):
        for path in ("/", "/api/v1/info", "/api/v1/jobs", "/nosuch"):
            r, _ = self.ask("GET", path, raw=True)
            self.assertEqual(r.headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(r.headers["Referrer-Policy"], "same-origin")
            self.assertIn("frame-ancestors 'self'", r.headers["Content-Security-Policy"])
            self.assertIn("default-src 'none'", r.headers["Content-Security-Policy"])
            self.assertNotIn("unsafe-eval", r.headers["Content-Security-Policy"])
        r, page = self.ask("GET", "/", raw=True)
        self.assertEqual((r.status, r.headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertNotIn("script-src 'unsafe-inline'", r.headers["Content-Security-Policy"])

    def test_unknown_addresses_and_methods(self):
        for path in ("/nosuch", "/api/v1", "/api/v2/info", "/api/v1/jobs/0", "/api/v1/jobs/x", "/api/v1/jobs/1/nosuch",
                     "/api/v1/jobs/99999999999999999999", "//", "/../etc/passwd", "/%2e%2e/x", "/api/v1/jobs/-1"):
            self.assertEqual(self.ask("GET", path)[0], 404, path)
        for method, path, allowed in (("POST", "/info", "GET"), ("PUT", "/jobs", "GET, POST, DELETE"), ("TRACE", "/info", "GET"),
                                      ("OPTIONS", "/jobs", "GET, POST, DELETE"), ("DELETE", "/info", "GET")):
            r, _ = self.api(method, path, raw=True)
            self.assertEqual((r.status, r.headers["Allow"]), (405, allowed))
        r, data = self.api("HEAD", "/info", raw=True)
        self.assertEqual((r.status, data), (200, b""))

    def test_bodies_have_a_limit(self):
        self.assertEqual(self.api("POST", "/jobs", b" " * (5 << 20))[0], 413)
        self.assertEqual(self.api("POST", "/documents", b"", headers={"Content-Length": str(1 << 40)})[0], 413)
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as s:  # no length is told
            s.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
            for _ in range(80):
                s.sendall(piece)
            s.sendall(b"0\r\n\r\n")
            self.assertIn(b" 413 ", s.recv(65536).split(b"\r\n")[0])
        r, _ = self.ask("GET", "/api/v1/info", headers={"X-Long": "x" * 40000}, raw=True)
        self.assertIn(r.status, (413, 431))

    def test_two_hundred_clients_at_once(self):
        def one(i):
            if i % 4 == 0:
                return self.api("POST", "/tokenize", {"model": "llama", "input": {"text": f"client {i}"}}, timeout=60)[0]
            return self.api("GET", ("/info", "/jobs", "/commands")[i % 3], timeout=60)[0]
        sockets = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(150)]  # idle ones beside them
        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            got = list(pool.map(one, range(200)))
        for s in sockets:
            s.close()
        self.assertEqual(set(got), {200})

    def test_a_failed_job_says_why(self):
        job = self.job({"command": "probe", "model": "llama", "parameters": {"data": "inner/texts.csv", "label": "nosuch"}}, "failed")
        self.assertIn("nosuch", json.dumps(job["error"]))
        self.assertFalse(job["document"])
        self.assertEqual(self.api("GET", f"/jobs/{job['id']}/document")[0], 404)


class Jobs(Base):
    def test_cancel_ends_a_run_and_keeps_what_is_whole(self):
        server = self.start("--queue", 2)
        first = server.api("POST", "/jobs", LONG)[1]["id"]
        server.wait(first, "running")
        waiting = [server.api("POST", "/jobs", LONG)[1]["id"] for _ in range(2)]
        r, full = server.api("POST", "/jobs", LONG, raw=True)
        self.assertEqual((r.status, r.headers["Retry-After"]), (429, "2"))
        self.assertEqual(server.api("POST", f"/jobs/{waiting[0]}/cancel")[1]["state"], "cancelled")
        server.api("DELETE", f"/jobs/{waiting[1]}")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            told = pool.submit(server.events, first)
            time.sleep(0.7)
            progress = server.api("GET", f"/jobs/{first}")[1]["progress"]
            self.assertEqual(set(progress), {"fraction", "stage", "left_s"})
            begun = time.monotonic()
            server.api("POST", f"/jobs/{first}/cancel")
            job = server.wait(first, "cancelled", 10)
            self.assertLess(time.monotonic() - begun, 4)
            names = [name for name, *_ in told.result()[1]]
        self.assertIn("progress", names)
        self.assertEqual(names[-1], "done")
        if job["document"]:
            self.assertIn("scores", server.api("GET", f"/jobs/{first}/document")[1])
        self.assertEqual(server.api("POST", f"/jobs/{first}/cancel")[0], 200)  # again: nothing happens
        server.job({"command": "predict", "input": {"text": "a"}})  # the only model

    def test_a_removed_job_is_gone_with_its_files(self):
        server = self.start()
        number = server.api("POST", "/jobs", LONG)[1]["id"]
        server.wait(number, "running")
        self.assertEqual(server.api("DELETE", f"/jobs/{number}")[0], 204)
        folder = self.folder / "history.sqlite.files" / str(number)
        for _ in range(400):
            if not folder.exists():
                break
            time.sleep(0.02)
        self.assertFalse(folder.exists())

    def test_a_child_that_does_not_end_is_killed(self):
        server = self.start()
        number = server.api("POST", "/jobs", LONG)[1]["id"]
        server.wait(number, "running")
        pid = int(subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True).stdout)
        os.kill(pid, signal.SIGKILL)
        self.assertIn("signal 9", json.dumps(server.wait(number, "failed")["error"]))

    def test_kill_9_loses_no_finished_job(self):
        server = self.start()
        done = server.job({"command": "explain", "input": {"text": "a b"}})
        running = server.api("POST", "/jobs", LONG)[1]["id"]
        server.wait(running, "running")
        queued = server.api("POST", "/jobs", LONG)[1]["id"]
        pid = int(subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True).stdout)
        document = server.api("GET", f"/jobs/{done['id']}/document")[1]
        server.stop(signal.SIGKILL)
        for _ in range(200):
            if not pathlib.Path(f"/proc/{pid}").exists() or "Z (" in pathlib.Path(f"/proc/{pid}/status").read_text():
                break
            time.sleep(0.02)
        else:
            self.fail("the child outlived its server")
        server = self.start()
        self.assertEqual(server.api("GET", f"/jobs/{done['id']}")[1], done)
        self.assertEqual(server.api("GET", f"/jobs/{done['id']}/document")[1], document)
        for number in (running, queued):
            job = server.api("GET", f"/jobs/{number}")[1]
            self.assertEqual((job["state"], job["error"]["what"]), ("failed", "interrupted"))
        self.assertEqual(server.events(done["id"])[1][-1][0], "done")
        self.assertGreater(server.job({"command": "predict", "input": {"text": "a"}})["id"], queued)

    def test_ctrl_c_ends_children_and_keeps_history(self):
        server = self.start("--workers", 2)
        numbers = [server.api("POST", "/jobs", LONG)[1]["id"] for _ in range(3)]
        for number in numbers[:2]:
            server.wait(number, "running")
        begun = time.monotonic()
        self.assertEqual(server.stop()[0], 0)
        self.assertLess(time.monotonic() - begun, 8)
        server = self.start()
        self.assertEqual({server.api("GET", f"/jobs/{n}")[1]["state"] for n in numbers}, {"cancelled"})

    def test_the_oldest_jobs_go(self):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder, "--history-limit", "2")
            try:
                document = {"schema": "glim.explanation/1"}
                made = [server.api("POST", "/documents", document)[1]["id"] for _ in range(2)]
                server.api("PATCH", f"/jobs/{made[0]}", {"pinned": True})
                made += [server.api("POST", "/documents", document)[1]["id"] for _ in range(3)]
                left = [job["id"] for job in server.api("GET", "/jobs")[1]["jobs"]]
                self.assertEqual(sorted(left), [made[0], made[3], made[4]])
                kept = pathlib.Path(folder, "history.sqlite.files")
                self.assertEqual(sorted(int(p.name) for p in kept.iterdir() if p.name.isdigit()), sorted(left))
            finally:
                server.process.terminate()
                server.process.communicate()

    def put(self, server):
        return server.api("POST", "/documents", {"schema": "glim.explanation/1"})[1]["id"]

    def left(self, server):
        """Numbers in the history, which are those of the folders."""
        ids = sorted(j["id"] for j in server.api("GET", "/jobs?limit=1000")[1]["jobs"])
        kept = self.folder / "history.sqlite.files"
        self.assertEqual(sorted(int(p.name) for p in kept.iterdir() if p.name.isdigit()), ids)
        return ids

    def test_all_are_cleared_but_pinned_and_running_ones(self):
        server = self.start()
        made = [self.put(server) for _ in range(70)]
        server.api("PATCH", f"/jobs/{made[1]}", {"pinned": True})
        running = server.api("POST", "/jobs", LONG)[1]["id"]
        self.assertEqual(server.api("DELETE", "/jobs"), (200, {"removed": 69}))
        self.assertEqual(self.left(server), [made[1], running])
        self.assertEqual(server.api("DELETE", "/jobs"), (200, {"removed": 0}))

    def test_kill_9_while_it_clears_leaves_no_half_of_a_job(self):
        server = self.start()
        made = [self.put(server) for _ in range(120)]
        kept = self.folder / "history.sqlite.files"
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            told = pool.submit(lambda: server.api("DELETE", "/jobs"))
            while len(list(kept.iterdir())) > 100:
                pass
            server.stop(signal.SIGKILL)
            told.exception()
        (kept / "77777").mkdir()  # as one whose row went before the server was killed
        (kept / "77777/document.json").write_text("{}", encoding="utf-8")
        server = self.start()
        left = self.left(server)
        self.assertLess(len(left), len(made))
        for number in left:
            self.assertEqual(server.api("GET", f"/jobs/{number}/document")[0], 200)

    def test_one_server_has_the_history(self):
        self.start()
        r = subprocess.run([GLIM, "serve", "-m", LLAMA, "--port", "0", "--history", self.folder / "history.sqlite"],
                           capture_output=True, text=True, timeout=30)
        self.assertEqual(r.returncode, 3)
        self.assertIn("in use by another process", r.stderr)


class Door(Base):
    def test_a_token_opens(self):
        server = self.start("--token", "auto")
        self.assertGreaterEqual(len(server.token), 32)
        right, server.token = server.token, None
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": right}, {"Cookie": f"glim-{server.port}=no"},
                        {"Authorization": "Bearer " + right[:-1]}):
            status, error = server.api("GET", "/info", headers=headers)
            self.assertEqual(status, 401, headers)
            self.assertNotIn(right, json.dumps(error))
        self.assertEqual(server.api("GET", "/info?token=" + right)[0], 401)  # in the page's address alone
        self.assertEqual(server.ask("GET", "/")[0], 401)
        r, _ = server.ask("GET", "/?token=" + right, raw=True)
        cookie = r.headers["Set-Cookie"]
        self.assertEqual((r.status, r.headers["Location"]), (303, "/"))
        self.assertIn("HttpOnly", cookie)
        self.assertIn("SameSite=Strict", cookie)
        self.assertEqual(server.ask("GET", "/", headers={"Cookie": cookie.split(";")[0]}, raw=True)[0].status, 200)
        self.assertEqual(server.api("GET", "/info", headers={"Authorization": "Bearer " + right})[1]["token_required"], True)

    def test_other_addresses_need_one(self):
        server = self.start("--host", "0.0.0.0")
        self.assertTrue(server.token)
        self.assertEqual(server.ask("GET", "/api/v1/info")[0], 200)
        server.token = None
        self.assertEqual(server.ask("GET", "/api/v1/info")[0], 401)

    def test_a_token_from_a_file(self):
        (self.folder / "token").write_text("a-token-of-my-own-1\n")
        server = self.start("--token", self.folder / "token")
        self.assertEqual(server.token, "a-token-of-my-own-1")
        self.assertEqual(server.api("GET", "/info")[0], 200)
        for text in ("short", "has spaces in it, many", ""):
            (self.folder / "bad").write_text(text)
            r = subprocess.run([GLIM, "serve", "--port", "0", "--token", self.folder / "bad", "--history", self.folder / "h"],
                               capture_output=True, text=True, timeout=30)
            self.assertEqual(r.returncode, 3, r.stderr)

    def until_closed(self, server, sent):
        """What comes until the server closes; it must."""
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
            s.sendall(sent)
            got = b""
            while more := s.recv(65536):
                got += more
        return got

    def test_many_slow_clients_hold_nobody_up(self):
        server = self.start("--timeout", 1)
        slow = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(200)]
        for s in slow:
            s.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        begun = time.monotonic()
        self.assertEqual(server.api("GET", "/info")[0], 200)
        self.assertLess(time.monotonic() - begun, 0.5)
        for s in slow:
            self.assertIn(b" 408 ", s.recv(65536))
            s.close()

    def test_slow_clients_are_sent_away(self):
        server = self.start("--timeout", "0.6")
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
            begun = time.monotonic()
            try:
                for c in b"GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200:
                    s.sendall(bytes([c]))
                    time.sleep(0.05)
                    if time.monotonic() - begun > 8:
                        self.fail("a request may trickle in for ever")
            except ConnectionError:
                pass
            self.assertGreater(time.monotonic() - begun, 0.5)
        for sent in (b"", b"GET /api/v1/info HTTP/1.1\r\nHost: loc",  # headers that never end
                     b"POST /api/v1/tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
                     b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{  \r\n"):
            got = self.until_closed(server, sent)
            head, _, body = got.partition(b"\r\n\r\n")
            self.assertEqual(head.split(b"\r\n")[0], b"HTTP/1.1 408 Request Timeout", sent)
            self.assertEqual(set(json.loads(body)["error"]), {"what", "why", "todo"})
        # behind an answer nothing is said: there may be no request
        got = self.until_closed(server, b"GET /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 200"))
        self.assertNotIn(b"408", got)
        got = self.until_closed(server, b"POST /nosuch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        self.assertTrue(got.startswith(b"HTTP/1.1 404") and got.count(b"HTTP/1.1") == 1, got)
        job = server.api("POST", "/jobs", LONG)[1]["id"]  # who waits for events is not slow
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
            s.sendall(f"GET /api/v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            time.sleep(2)
            got = s.recv(1 << 20)
            server.api("POST", f"/jobs/{job}/cancel")
            while b"event: done" not in got:
                more = s.recv(1 << 20)
                self.assertTrue(more)
                got += more

    def test_malformed_requests_harm_nobody(self):
        server = self.start("--timeout", 1)
        for sent in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00\xff\xfe\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                     b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                     b"G" * 100000, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as s:
                try:
                    s.sendall(sent)
                    s.shutdown(socket.SHUT_WR)
                    got = s.recv(65536)
                except OSError:
                    continue  # closed at once
                self.assertNotIn(b" 200 ", got.split(b"\r\n")[0], sent[:60])
                self.assertNotIn(b" 500 ", got.split(b"\r\n")[0], sent[:60])
        self.assertEqual(server.api("GET", "/info")[0], 200)

    def test_what_cannot_start_says_why(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            for args, code, words in ((("--port", str(s.getsockname()[1])), 3, "in use"), (("-m", "nosuch.gguf"), 3, "nosuch.gguf"),
                                      (("-m", __file__), 3, "test_serve.py"), (("--root", "/nosuch"), 2, "no folder"),
                                      (("--host", "nosuch.invalid"), 3, "nosuch.invalid"), (("--queue", "0"), 2, "out of range"),
                                      (("--history", "/nosuch/x"), 3, "/nosuch/x"), (("text",), 2, "text")):
                given = ("--port", "0", "--history", str(self.folder / "h"), *args)
                r = subprocess.run([GLIM, "serve", *given], capture_output=True, text=True, timeout=30)
                self.assertEqual(r.returncode, code, r.stderr)
                self.assertIn(words, r.stderr)


def shortened(description):
    """Few commands with few parameters: schemathesis takes minutes for hundreds of them."""
    def cut(schema):
        for name, few in list(schema.get("properties", {}).items()):
            if name == "parameters":
                kept = sorted(few["properties"])[::len(few["properties"]) // 6 + 1]
                few["properties"] = {k: few["properties"][k] for k in kept}
        return schema
    for operations in description["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = content["schema"]
                some = [cut(s) for s in schema.get("oneOf", []) if s["properties"]["command"]["const"] in ("predict", "attention")]
                content["schema"] = {"oneOf": some} if some else cut(schema)
    return description


class Description(Base):
    def test_the_description_names_what_commands_tells(self):
        server = self.start()
        described = server.api("GET", "/openapi.json")[1]
        jobs = described["paths"]["/api/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
        told = server.api("GET", "/commands")[1]["commands"]
        self.assertEqual([j["properties"]["command"]["const"] for j in jobs], [c["name"] for c in told])
        for job, command in zip(jobs, told):
            rows = job["properties"]["parameters"]["properties"]
            for p in command["parameters"]:
                row = rows[p["name"]]
                self.assertEqual(row["description"], p["help"])
                self.assertEqual(row.get("enum"), p["choices"])
                self.assertEqual(row.get("minimum"), p["minimum"] if p["type"] in ("integer", "number") else row.get("minimum"))

    def test_schemathesis_finds_no_fault(self):
        server = self.start("--queue", 10000, port=free_port())
        drawn = server.api("GET", "/jobs/1/figure.svg")[0] != 501
        (self.folder / "openapi.json").write_text(json.dumps(shortened(server.api("GET", "/openapi.json")[1])), encoding="utf-8")
        (self.folder / "schemathesis.toml").write_text("", encoding="utf-8")
        # A reader of events waits for a job's end; a text with a NUL is described and refused.
        r = subprocess.run(
            [str(ROOT / "build/venv/bin/st"), "--config-file", "schemathesis.toml", "run", "openapi.json", "--url",
             f"http://127.0.0.1:{server.port}", "--max-examples", "4", "--phases", "fuzzing", "--seed", "1", "--no-color",
             "--exclude-checks", "positive_data_acceptance", "--request-timeout", "30", "--exclude-path-regex",
             "events$" if drawn else "events$|figure"],
            capture_output=True, text=True, timeout=200, cwd=self.folder)
        self.assertEqual(r.returncode, 0, r.stdout[-6000:] + r.stderr[-2000:])
        self.assertEqual(server.api("GET", "/info")[0], 200)


class Tiles(Base):
    """Squares of attention patterns, made when they are wanted."""
    TEXT = "a b c d e f g h i j k l a b"

    def setUp(self):
        super().setUp()
        self.kept = self.folder / "history.sqlite.files/patterns"

    def look(self, server, **request):
        body = {"command": "attention", "input": {"text": self.TEXT}, "parameters": {}, **request}
        return server.job(body)["id"]

    def tile(self, server, job, **place):
        query = "&".join(f"{k}={v}" for k, v in {"layer": 0, "head": 0, "level": 0, "row": 0, "column": 0, **place}.items())
        r, data = server.api("GET", f"/jobs/{job}/tiles?{query}", raw=True)
        return (r.status, r.getheader("Glim-Scale"), data) if r.status == 200 else (r.status, json.loads(data)["error"])

    def patterns(self, layer):
        out = self.folder / "own.npy"
        subprocess.run([GLIM, "attention", "-m", LLAMA, "--raw", out, "--half", "--raw-layers", str(layer), self.TEXT],
                       check=True, capture_output=True)
        return np.load(out)[0].astype(np.float64)

    def test_the_bytes_are_those_of_the_patterns(self):
        server = self.start()
        job = self.look(server)
        for layer in range(2):
            for head, weights in enumerate(self.patterns(layer)):
                status, scale, data = self.tile(server, job, layer=layer, head=head)
                self.assertEqual((status, float(scale)), (200, weights.max()))
                got = np.frombuffer(data, np.uint8).reshape(256, 256)
                n = len(weights)
                np.testing.assert_array_equal(got[:n, :n], np.rint(255 * np.sqrt(weights / weights.max())))
                self.assertFalse(got[n:].any() or got[:, n:].any())

    def test_a_layer_is_made_once_and_goes_with_its_job(self):
        server = self.start("--workers", 2)
        job, other = self.look(server), self.look(server)
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            got = list(pool.map(lambda i: self.tile(server, job, layer=1, head=i % 4), range(24)))
        self.assertEqual([g[0] for g in got], [200] * 24)
        self.assertEqual(len(set(got)), 4)
        first = self.kept / f"{job}-1.npy"
        made = first.stat().st_ino
        self.assertEqual(self.tile(server, job, layer=1), got[0])
        self.assertEqual(first.stat().st_ino, made, "a second run")
        self.tile(server, other)
        self.assertEqual(sorted(p.name for p in self.kept.iterdir()), [f"{job}-1.npy", f"{other}-0.npy"])
        server.api("DELETE", f"/jobs/{job}")
        self.assertEqual([p.name for p in self.kept.iterdir()], [f"{other}-0.npy"])
        self.assertEqual(self.tile(server, job, layer=1)[0], 404)
        server.stop()
        again = self.start()
        self.assertEqual(list(self.kept.iterdir()), [], "the models of the next server may be others")
        self.assertEqual(self.tile(again, other)[0], 200)

    def test_what_was_wanted_last_stays_on_a_small_disk(self):
        job = self.look(server := self.start("--patterns", 9000))
        size = lambda: sum(p.stat().st_size for p in self.kept.iterdir())
        self.tile(server, job)
        one = size()
        self.assertTrue(9000 / 2 < one < 9000, one)
        self.assertEqual(self.tile(server, job, layer=1)[0], 200)
        self.assertEqual([p.name for p in self.kept.iterdir()], [f"{job}-1.npy"])
        server.stop()
        status, error = self.tile(self.start("--patterns", one - 1), job)
        self.assertEqual((status, error["what"]), (503, "patterns"))
        self.assertEqual(size(), 0)

    def test_what_cannot_be_is_said(self):
        server = self.start()
        job, detect = self.look(server), self.look(server, input=None, parameters={"detect": True, "length": 8})
        for place, word in (({"layer": 2}, "layers"), ({"head": 4}, "tile"), ({"level": 1}, "tile"), ({"row": 1}, "tile"),
                            ({"column": 1}, "tile"), ({"row": -1}, "row"), ({"column": ""}, "column"), ({"x": 1}, "x")):
            status, error = self.tile(server, job, **place)
            self.assertEqual(status, 400, place)
            self.assertIn(word, json.dumps(error), place)
        self.assertEqual(self.tile(server, detect)[0], 400)
        explained = server.job({"command": "explain", "input": {"text": "a b"}, "parameters": {"method": "occlusion"}})["id"]
        self.assertEqual(self.tile(server, explained)[0], 400)
        self.assertEqual(self.tile(server, 99)[0], 404)
        self.assertEqual(server.api("GET", f"/jobs/{job}/tiles?layer=1")[0], 400)


if __name__ == "__main__":
    unittest.main()
