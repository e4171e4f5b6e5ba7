"""What lets workers in: each has a credential of its own, until it ends."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

from ..worker.http.server import balancer_proof

# /worker/v2/{endpoint}/{operation}/{worker}…
_ENDPOINT, _WORKER = 3, 5


@dataclass(frozen=True)
class _Issued:
    endpoint_id: str
    credential: str = field(repr=False)
    of_our_runtime: bool


class WorkerCredentials:
    """The credentials of the workers that run. May be used by any thread."""

    def __init__(self) -> None:
        self._issued: dict[str, _Issued] = {}

    def issue(self, endpoint_id: str, worker_id: str, *, of_our_runtime: bool) -> str:
        """A new credential, for the requests of this worker about itself."""
        credential = secrets.token_urlsafe(32)
        self._issued[worker_id] = _Issued(endpoint_id, credential, of_our_runtime)
        return credential

    def revoke(self, worker_id: str) -> None:
        """The worker has ended: what it had opens nothing any more."""
        self._issued.pop(worker_id, None)

    def admits(self, credential: bytes, path: str) -> bool:
        """Whether the worker that ``path`` is about, at the endpoint that it names, is asking."""
        parts = path.split("/")
        issued = self._issued.get(parts[_WORKER]) if len(parts) > _WORKER else None
        if issued is None or issued.endpoint_id != parts[_ENDPOINT]:
            return False
        return hmac.compare_digest(credential, issued.credential.encode())

    def proof(self, worker_id: str) -> str | None:
        """What shows a worker of our runtime that the balancer is asking.

        None for a program of somebody else's, which has no use for it and may show it to others.
        """
        issued = self._issued.get(worker_id)
        if issued is None or not issued.of_our_runtime:
            return None
        return balancer_proof(issued.credential)
