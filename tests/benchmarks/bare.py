"""A bare uvicorn: the least that a round trip over HTTP costs here.

Run as a program it serves on the inherited socket whose descriptor is its argument.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The smallest application: the answer is the request's body."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def bare_uvicorn() -> Iterator[str]:
    """Serve ``echo`` in a process of its own; gives its URL."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    descriptor = listener.fileno()
    command = [sys.executable, "-m", __name__, str(descriptor)]
    process = subprocess.Popen(command, pass_fds=(descriptor,), stdin=subprocess.PIPE)
    with listener, process:
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.terminate()


def main() -> None:
    """Serve until terminated."""
    import uvicorn

    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(echo, lifespan="off", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
    os._exit(0)
