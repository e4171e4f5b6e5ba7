"""The load-balancing plane: requests that Runpod carries to a worker of an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from ..errors import RunpodConnectionError
from ..http.client_per_loop import PerLoop
from ..http.messages import Response, Timeouts
from ..target import Target
from . import response_errors
from .models import Endpoint
from .queue_requests import Sender

# Runpod docs, load-balancing/overview: up to 2 minutes for a worker and 5.5 for the processing.
_TIMEOUT = Timeouts(connect=10.0, read=470.0)
_WORKER_ID = b"x-runpod-worker-id"


@dataclass(frozen=True)
class BalancerResponse:
    """What a worker answered, with any status. ``content`` is a JSON value, else the text.

    ``frames`` are where it raised, if it ran in this process.
    """

    status: int
    worker_id: str | None
    content: Any
    frames: TracebackType | None = field(default=None, repr=False, compare=False)


class LoadBalancerClient:
    """Sends requests to workers, from any event loop; one pool of connections for each loop.

    Nothing is ever sent twice here: only the caller knows what may be.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._senders = PerLoop(self._open)

    async def execute(self, endpoint: Endpoint, payload: bytes) -> BalancerResponse:
        """``POST /execute`` on a worker of a Flash image; ``payload`` is a FunctionRequest as JSON.

        Raises RunpodApiError where the balancer refuses or has no worker, RunpodConnectionError
        when no whole answer arrived, SettingsError for an endpoint whose address is not Runpod's.
        """
        base = endpoint.balancer_url
        if base is None:
            raise RunpodConnectionError(
                f"endpoint {endpoint.name} ({endpoint.id}) has no requestUrls.base in the answer "
                "of the management plane, as load-balancing endpoints do"
            )
        url = f"{self._target.balancer_url(base)}/execute"
        sender = await self._senders.get()
        return _answer(await sender.send("POST", url, payload))

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._senders.aclose()

    def _open(self) -> Sender:
        # Balancers are hosts beside the queue plane's, and reached by the same way.
        return Sender(self._target, self._target.queue_url, _TIMEOUT)


def _answer(response: Response) -> BalancerResponse:
    """What the worker answered, else the balancer's refusal as an error.

    Every answer of a worker carries its id (Runpod docs, worker-affinity).
    """
    worker_id = response.header(_WORKER_ID) or None
    if worker_id is None:
        response_errors.check(response)
    try:
        content = response.json()
    except (ValueError, RecursionError):
        content = response.text
    return BalancerResponse(response.status, worker_id, content)
