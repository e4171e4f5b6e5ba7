"""On whose behalf a request is sent: a header for the embedded Runpod, never for the cloud."""

from __future__ import annotations

from dataclasses import dataclass

SCOPE_HEADER = "X-Flash-Scope"


@dataclass
class RequestScope:
    """Names the scope that the clients of one target send their requests in; None is none.

    Faults of the emulator that are set in a scope touch the requests and jobs of that scope only.
    """

    name: str | None = None
