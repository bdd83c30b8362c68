#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mpirun glim influence: many processes say what one says, on one host and on two."""
import concurrent.futures
import csv
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = pathlib.Path(os.environ.get("GLIM", ROOT / "build/release/src/cli/glim"))
TEAM = GLIM.parents[2] / "tests/glim-mpi"  # with -Dmpi=enabled glim itself would do
MODEL = ROOT / "tests/golden/models/llama-q4_0.gguf"
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
          "--mca", "mpi_yield_when_idle", "1"]
METHODS = ["similarity", "loss", "distance", "duplicates", "tracin", "gradient-cosine", "datainf",
           "trak", "ekfac"]
# Containers often forbid reading another process's memory, of which Open MPI complains.
ENVIRONMENT = dict(os.environ, LC_ALL="C.UTF-8", OMPI_MCA_btl_vader_single_copy_mechanism="none")
TEXTS = [f"{a} {b}, {c} {d}" for a in ("a fine film", "no end", "the word", "why")
         for b in ("in it", "at last") for c in ("again", "and x y z", "so")
         for d in ("one", "two two", "ox")]


def call(command):
    return subprocess.run([str(x) for x in command], timeout=180, capture_output=True, env=ENVIRONMENT)


def flags(train, *args):
    return ["influence", "-m", MODEL, "--train", train, "-q", *args]


@unittest.skipUnless(shutil.which("mpirun") and TEAM.exists(), "no mpirun, or glim-mpi is not built")
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.train = cls.write("train.csv", TEXTS)

    @classmethod
    def write(cls, name, texts):
        path = cls.folder / name
        with path.open("w", newline="") as f:
            csv.writer(f).writerows([["text"]] + [[t] for t in texts])
        return path

    def answer(self, name, start, *args, launched=None):
        """What a run says and writes, without what it cost."""
        files = [self.folder / f"{name}.{end}" for end in ("csv", "npy", "html")]
        r = call([*start, *flags(self.train, "--json", "--csv", files[0], "--raw", files[1],
                                 "--html", files[2], *args)])
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        self.assertEqual(r.stderr, b"")
        document = json.loads(r.stdout)
        cost = document.pop("cost")
        page = files[2].read_text(encoding="utf-8")
        return document, files[0].read_bytes(), files[1].read_bytes(), page.count("\n"), cost

    def same(self, one, other, what):
        for k in range(4):
            self.assertEqual(one[k], other[k], what)

    def test_every_method_says_the_same_in_two_and_three_processes(self):
        def method(name):
            more = ["--check", 5] if name == "tracin" else []
            one = self.answer(f"{name}1", [GLIM], "--method", name, *more, TEXTS[5])
            for n in (2, 3):
                some = self.answer(f"{name}{n}", [*MPIRUN, "-n", n, TEAM], "--method", name, *more, TEXTS[5])
                self.same(one, some, f"{name} in {n} processes")
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(method, METHODS))

    def test_a_store_is_written_once_and_found(self):
        store = self.folder / "kept.store"
        start = [*MPIRUN, "-n", 2, TEAM]
        args = ["--method", "ekfac", "--store", store, TEXTS[5]]
        first, again = (self.answer("store", start, *args) for _ in range(2))
        self.assertIn("The store had the factors", json.dumps(again[0]))
        self.assertEqual(first[1], again[1])
        self.assertEqual(first[1], self.answer("store1", [GLIM], *args)[1])

    def test_texts_of_a_head_are_parted(self):
        model = ROOT / "tests/golden/models/published/bert-classes"
        rows = self.folder / "rows.csv"
        with rows.open("w", newline="") as f:
            csv.writer(f).writerows([["text", "label"]] + [[t, ["good", "bad"][i % 3 == 1]]
                                                           for i, t in enumerate(TEXTS)])
        head = self.folder / "mood.fit"
        self.assertEqual(call([GLIM, "fit", "-q", "-m", model, "--data", rows, "--text", "text",
                               "--label", "label", "--strength", 1, "-o", head]).returncode, 0)
        answers = []
        for start in ([GLIM], [*MPIRUN, "-n", 2, TEAM]):
            r = call([*start, "influence", "-q", "--json", "-m", model, "--predictor", f"fit:{head}",
                      "--train", rows, "--text", "text", "--label", "label", TEXTS[5]])
            self.assertEqual((r.returncode, r.stderr), (0, b""))
            answers.append(json.loads(r.stdout))
            answers[-1].pop("cost")
        self.assertEqual(*answers)

    def test_what_needs_no_team_is_said_once(self):
        for args in (flags(self.train, "--dry-run", "a b"), ["influence", "--list"]):
            r = call([*MPIRUN, "-n", 2, TEAM, *args])
            # mpirun hands out a terminal of another width; the program's own bytes vary
            one, two = (re.sub(rb"\nmemory .*", b"", x) for x in (call([GLIM, *args]).stdout, r.stdout))
            self.assertEqual((r.returncode, two.split()), (0, one.split()))
        table = self.folder / "table.csv"
        table.write_text("a,label\n" + "".join(f"{i},{i * i % 7}\n" for i in range(20)))
        args = ["influence", "--train", table, "--table", table, "--row", 3, "-q"]
        r = call([*MPIRUN, "-n", 2, TEAM, *args])
        self.assertEqual((r.returncode, r.stdout.split()), (0, call([GLIM, *args]).stdout.split()))

    def failed(self, *command):
        r = call([*MPIRUN, *command])
        said = [line for line in r.stderr.decode().splitlines() if line.startswith("glim:")]
        self.assertEqual(len(said), 1, r.stderr.decode())
        self.assertNotEqual(r.returncode, 0)
        return said[0]

    def test_one_failure_ends_all_with_one_message(self):
        other = self.write("other.csv", TEXTS[1:])
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            tries = [pool.submit(self.failed, *command) for command in (
                ["-n", 3, TEAM, *flags(self.folder / "none.csv", "a b")],
                ["-n", 2, TEAM, *flags(self.train, "--nonsense", "a b")],
                ["-n", 1, TEAM, *flags(self.train, "a b"), ":",
                 "-n", 1, TEAM, *flags(self.folder / "none.csv", "a b")],
                ["-n", 1, TEAM, *flags(self.train, "a b"), ":", "-n", 1, TEAM, *flags(other, "a b")],
                ["-n", 1, TEAM, *flags(self.train, "a b"), ":",
                 "-n", 1, TEAM, *flags(self.train, "--kernels", "mmx", "a b")],
                ["-n", 2, TEAM, *flags(self.train, "--csv", "/dev/full", "a b")])]
            said = [t.result() for t in tries]
        for part, message in zip(("none.csv", "nonsense", "process 2 of 2", "process 2 of 2",
                                  "mmx", "/dev/full"), said, strict=True):
            self.assertIn(part, message)

    def test_a_build_without_mpi_says_so(self):
        if b"libmpi" in call(["ldd", GLIM]).stdout:
            self.skipTest("glim itself is built with MPI")
        self.assertIn("-Dmpi=enabled", self.failed("-n", 2, GLIM, *flags(self.train, "a b")))

    @staticmethod
    def runs(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def test_an_interruption_ends_all(self):
        train = self.write("long.csv", TEXTS * 600)
        for number in (signal.SIGINT, signal.SIGKILL):
            p = subprocess.Popen([str(x) for x in [*MPIRUN, "-n", 2, TEAM, *flags(train, "a b")]],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
            children = []
            for _ in range(200):
                time.sleep(0.05)
                found = subprocess.run(["pgrep", "-P", str(p.pid)], capture_output=True, text=True)
                children = found.stdout.split()
                if len(children) >= 2:
                    break
            time.sleep(0.5)
            os.kill(p.pid if number == signal.SIGINT else int(children[-1]), number)
            p.communicate(timeout=60)
            self.assertNotEqual(p.returncode, 0)
            for _ in range(200):  # mpirun may end a moment before those that it killed
                left = [c for c in children if self.runs(c)]
                if not left:
                    break
                time.sleep(0.05)
            self.assertFalse(left)

    def test_two_hosts(self):
        """Two network namespaces with names of their own, joined by one cable."""
        own = f"glim{os.getpid()}"
        names = [f"{own}a", f"{own}b"]
        agent = self.folder / "agent"
        agent.write_text("#!/bin/sh\nshift\n"
                         f'exec ip netns exec {names[1]} unshare --uts sh -c "hostname glim-b; $*"\n')
        agent.chmod(0o755)

        def ip(*args):
            r = call(["ip", *args])
            if r.returncode:
                self.skipTest("no network namespaces here: " + r.stderr.decode().strip())

        def clean():
            for name in names:
                call(["ip", "netns", "del", name])

        if not shutil.which("ip") or not shutil.which("unshare"):
            self.skipTest("no network namespaces here: ip and unshare are missing")
        self.addCleanup(clean)
        for name in names:
            ip("netns", "add", name)
        ends = [f"ga{os.getpid()}", f"gb{os.getpid()}"]
        ip("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", "name", ends[1], "netns", names[1])
        for i in (0, 1):
            ip("-n", names[i], "addr", "add", f"10.99.7.{i + 1}/24", "dev", ends[i])
            ip("-n", names[i], "link", "set", "lo", "up")
            ip("-n", names[i], "link", "set", ends[i], "up")
        if call(["unshare", "--uts", "hostname", "glim-a"]).returncode:
            self.skipTest("no names of hosts here (unshare --uts)")
        start = ["ip", "netns", "exec", names[0], "unshare", "--uts", "sh", "-c",
                 'hostname glim-a; exec "$@"', "sh", *MPIRUN, "--mca", "plm_rsh_agent", agent,
                 "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "10.99.7.0/24",
                 "--mca", "oob_tcp_if_include", "10.99.7.0/24", "-H", "10.99.7.1:1,10.99.7.2:1"]
        for name in ("tracin", "ekfac"):
            self.same(self.answer(f"{name}h1", [GLIM], "--method", name, TEXTS[5]),
                      self.answer(f"{name}h2", [*start, "-n", 2, TEAM], "--method", name, TEXTS[5]),
                      f"{name} on two hosts")
        r = call([*start, "-n", 1, TEAM, *flags(self.train, "a b"), ":",
                  "-n", 1, TEAM, *flags(self.folder / "none.csv", "a b")])
        self.assertIn("process 2 of 2 (on glim-b)", r.stderr.decode())


if __name__ == "__main__":
    unittest.main()
