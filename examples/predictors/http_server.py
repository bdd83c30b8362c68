#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The classifier of naive_bayes.py behind HTTP.

    python3 http_server.py 8008 &
    glim explain --predictor http://127.0.0.1:8008/ "a dull film with great music"

Port 0 takes a free one. The first line of output tells the address.
"""
import http.server
import json
import sys

from naive_bayes import NaiveBayes, answer
from reviews import sentences


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = NaiveBayes(sentences())

    def do_POST(self):
        try:
            batch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, reply = 200, answer(self.model, batch)
        except (KeyError, TypeError, ValueError) as wrong:
            status, reply = 400, {"error": str(wrong)}
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8008
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
