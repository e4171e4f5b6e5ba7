"""Health checks of workers behind a load balancer (Runpod docs, load-balancing/overview)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from ...http.errors import TransportError
from ...http.messages import Request, Timeouts
from ...http.streaming import begun

_LOOPBACK = "127.0.0.1"
_PATH, _DEFAULT_PATH = "HEALTH_CHECK_PATH", "/ping"
_CLOSE = ((b"Connection", b"close"),)
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
    timeouts = Timeouts(connect=seconds, read=seconds, whole=seconds)
    try:
        with anyio.fail_after(seconds):
            request = Request.to("GET", f"http://{_LOOPBACK}:{port}{path}", _CLOSE)
            async with begun(request, timeouts) as response:
                return Health(response.head.status)
    except (TransportError, TimeoutError):
        return Health(None)
