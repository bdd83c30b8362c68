#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small requests to glim serve, and the first byte of a kept document, beside Python's http.server
with the same bytes: one client, eight connections that stay open, turns of both in one run.

    bench/serve.py [GLIM]

"a processor's second" is the server's own time, which other work on the machine does not touch.
"""
import http.server
import json
import multiprocessing
import os
import pathlib
import re
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
REQUESTS, CONNECTIONS, ROUNDS = 4000, 8, 5


def peer(queue, small, large):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize, disable_nagle_algorithm = 1 << 16, True  # head and body in one packet

        def do_GET(self):
            data = large if self.path.endswith("document") else small
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None  # clients that close
    queue.put(server.server_address[1])
    server.serve_forever()


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answer_length(port, request):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += s.recv(65536)
        head = data.split(b"\r\n\r\n")[0]
        return len(head) + 4 + int(re.search(rb"Content-Length: (\d+)", head)[1])


def small_requests(port, pid):
    request = b"GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n"
    length = answer_length(port, request)
    sockets = {}
    for _ in range(CONNECTIONS):
        s = socket.create_connection(("127.0.0.1", port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[s.fileno()] = [s, 0]
    poll = select.epoll()
    before, begun, sent, done = cpu(pid), time.perf_counter(), 0, 0
    for fd, (s, _) in sockets.items():
        poll.register(fd, select.EPOLLIN)
        s.sendall(request)
        sent += 1
    while done < REQUESTS:
        for fd, _ in poll.poll():
            entry = sockets[fd]
            entry[1] += len(entry[0].recv(65536))
            if entry[1] < length:
                continue
            entry[1] = 0
            done += 1
            if sent < REQUESTS:
                entry[0].sendall(request)
                sent += 1
    seconds, used = time.perf_counter() - begun, cpu(pid) - before
    for s, _ in sockets.values():
        s.close()
    return REQUESTS / seconds, REQUESTS / max(used, 0.01)


def first_byte(port, path):
    times = []
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", port)) as s:
            begun = time.perf_counter()
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            s.recv(1)
            times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times)


def row(what, ours, theirs, unit, ratio):
    print(f"| {what} | {ours:,.3g} {unit} | http.server | {theirs:,.3g} {unit} | **{ratio:.2f}** |" if ours < 100 else
          f"| {what} | {ours:,.0f} | http.server | {theirs:,.0f} | **{ratio:.2f}** |")


def main():
    glim = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/release/src/cli/glim")
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([glim, "serve", "-m", str(ROOT / "tests/golden/models/llama.gguf"), "--port", "0",
                                   "--history", f"{folder}/h.sqlite"], stdout=subprocess.PIPE, text=True)
        port = int(re.search(r":(\d+)/", server.stdout.readline())[1])
        base = f"http://127.0.0.1:{port}/api/v1"
        document = json.dumps({"schema": "glim.explanation/1", "filler": "x" * (8 << 20)}).encode()
        made = json.load(urllib.request.urlopen(urllib.request.Request(base + "/documents", document)))["id"]
        small = urllib.request.urlopen(base + "/info").read()
        queue = multiprocessing.Queue()
        other = multiprocessing.Process(target=peer, args=(queue, small, document), daemon=True)
        other.start()
        other_port = queue.get()
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(small_requests(port, server.pid))
            theirs.append(small_requests(other_port, other.pid))
        a, b = (tuple(max(column) for column in zip(*rounds)) for rounds in (ours, theirs))
        path = f"/api/v1/jobs/{made}/document"
        mine, its = first_byte(port, path), first_byte(other_port, "/document")
        print("| glim serve | glim | peer | needs | ratio |\n|---|--:|---|--:|--:|")
        row("small requests in a second", a[0], b[0], "", a[0] / b[0])
        row("small requests in a processor's second", a[1], b[1], "", a[1] / b[1])
        row("first byte of a document of 8 MiB", mine, its, "ms", its / mine)
        server.terminate()
        other.terminate()


if __name__ == "__main__":
    main()
