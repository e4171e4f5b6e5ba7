"""Health checks of workers behind a load balancer (Runpod docs, load-balancing/overview)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

_LOOPBACK = "127.0.0.1"
_PATH, _DEFAULT_PATH = "HEALTH_CHECK_PATH", "/ping"
_HEALTHY, _INITIALIZING = 200, 204


@dataclass(frozen=True)
class Health:
    """What a health check answered; ``status`` is None where no answer came."""

    status: int | None

    @property
    def is_healthy(self) -> bool:
        """Whether requests may go to the worker."""
        return self.status == _HEALTHY

    @property
    def is_unhealthy(self) -> bool:
        """Whether the worker answered, and neither that it is healthy nor that it starts."""
        return self.status not in (_HEALTHY, _INITIALIZING, None)


def health_path(env: Mapping[str, str]) -> str:
    """The path of the health check of an endpoint with this environment."""
    return "/" + env.get(_PATH, _DEFAULT_PATH).lstrip("/")


async def check_health(port: int, path: str, seconds: float) -> Health:
    """Ask the server on a port of this machine, for up to ``seconds``."""
    try:
        return Health(await asyncio.wait_for(_status(port, path), seconds))
    except (OSError, EOFError, ValueError, IndexError, asyncio.TimeoutError):
        return Health(None)


async def _status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(_LOOPBACK, port)
    try:
        head = f"GET {path} HTTP/1.1\r\nHost: {_LOOPBACK}:{port}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        return int((await reader.readline()).split(b" ", 2)[1])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
