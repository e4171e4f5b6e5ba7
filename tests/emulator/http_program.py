"""An HTTP server for tests, as an image for load balancing would run one: standard library only.

The endpoint's environment decides how it behaves: EXIT_AT_START (a code), PING (a file that holds
the status of health checks; 200 without it).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit


class Handler(BaseHTTPRequestHandler):
    """Answers by the last part of the path."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query))
        action = getattr(self, f"do_{parts.path.rpartition('/')[2]}", self.do_echo)
        action()
        self.wfile.flush()

    def do_ping(self) -> None:
        place = os.environ.get("PING")
        path = Path(place) if place else None
        status = int(path.read_text()) if path and path.exists() else 200
        self.answer(b"", status)

    do_well = do_ping

    def do_echo(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        seen = {
            "method": self.command,
            "target": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": self.rfile.read(length).decode(),
            "pid": os.getpid(),
            "env": {name: os.environ.get(name) for name in ("PORT", "PORT_HEALTH", "MINE")},
        }
        self.answer(b"" if self.command == "HEAD" else json.dumps(seen).encode())

    def do_count(self) -> None:
        length = int(self.headers["Content-Length"])
        self.answer(str(len(self.rfile.read(length))).encode())

    def do_stream(self) -> None:
        """One chunk, and another when a file is there."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        self.wfile.flush()
        while not Path(self.query["until"]).exists():
            time.sleep(0.01)
        self.wfile.write(b"6\r\nsecond\r\n0\r\n\r\n")

    def do_redirect(self) -> None:
        self.send_response(307)
        self.send_header("Location", self.query["to"].replace("HOST", self.headers["Host"]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_big(self) -> None:
        self.answer(b"x" * int(self.query["size"]))

    def do_sleep(self) -> None:
        time.sleep(float(self.query["seconds"]))
        self.answer(b"slept")

    def do_exit(self) -> None:
        print("last words", flush=True)
        os._exit(int(self.query["code"]))

    def do_half(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"begun")
        self.wfile.flush()
        os._exit(1)

    def do_garbage(self) -> None:
        self.wfile.write(b"this is no HTTP\r\n\r\n")
        self.close_connection = True

    def answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


if "EXIT_AT_START" in os.environ:
    print("this server does not want to start", flush=True)
    sys.exit(int(os.environ["EXIT_AT_START"]))
ports = {int(os.environ["PORT"]), int(os.environ["PORT_HEALTH"])}
ThreadingHTTPServer.request_queue_size = 128
servers = [ThreadingHTTPServer(("127.0.0.1", port), Handler) for port in ports]
threads = [threading.Thread(target=server.serve_forever) for server in servers]
for thread in threads:
    thread.start()
