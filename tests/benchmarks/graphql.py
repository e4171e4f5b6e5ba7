"""A stand-in for the part of Runpod's GraphQL API by which the official SDK makes an endpoint."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from pytest_flash.target import Target


@contextmanager
def graphql(target: Target) -> Iterator[str]:
    """Serve ``saveEndpoint`` by creating an endpoint on ``target``; gives the base URL."""
    headers = {"Authorization": f"Bearer {target.api_key}"}
    with httpx.Client(
        base_url=target.management_url, headers=headers, trust_env=False, timeout=60
    ) as client:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(client))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(client: httpx.Client) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "saveEndpoint" not in body["query"]:
                raise NotImplementedError(body["query"])
            wanted = body["variables"]["input"]
            saved = wanted | {"id": _create(client, wanted), "templateId": "none"}
            answer = json.dumps({"data": {"saveEndpoint": saved}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is written."""

    return Handler


def _create(client: httpx.Client, wanted: dict[str, Any]) -> str:
    answer = client.post(
        "/v2/serverless",
        json={
            "name": wanted["name"],
            "type": "QUEUE",
            "image": wanted["template"]["imageName"],
            "cpu": [{"id": "cpu3c", "vcpuCount": 2}],
            "scaling": {"type": "QUEUE_DELAY", "queueDelay": wanted["scalerValue"]},
            "workers": {"min": wanted["workersMin"], "max": wanted["workersMax"]},
        },
    )
    answer.raise_for_status()
    return str(answer.json()["id"])
