"""What exists on the account, listed rarely."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ..clock import monotonic
from ..errors import NotFoundError
from ..runpod import Endpoint, ManagementClient

# Long enough for one list to serve all resources of a start.
_FRESH = 10.0


@dataclass(frozen=True)
class _Listing:
    endpoints: tuple[Endpoint, ...]
    at: float


class AccountListing:
    """The account's endpoints, from one list call that many threads share."""

    def __init__(self, client: ManagementClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._listing: _Listing | None = None

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every endpoint, as of some seconds ago at most."""
        with self._lock:
            listing = self._listing
            if listing is None or monotonic() - listing.at > _FRESH:
                at = monotonic()
                listing = self._listing = _Listing(tuple(self._client.endpoints()), at)
            return listing.endpoints

    def including(self, endpoint_id: str | None) -> tuple[Endpoint, ...]:
        """As ``endpoints``, with one that may have been created since the list was made."""
        known = self.endpoints()
        if endpoint_id is None or any(each.id == endpoint_id for each in known):
            return known
        try:
            return (*known, self._client.endpoint(endpoint_id))
        except NotFoundError:
            return known

    def put(self, endpoint: Endpoint) -> None:
        """Count ``endpoint`` among those that exist, as it is now."""
        self._replace(endpoint.id, endpoint)

    def discard(self, endpoint_id: str) -> None:
        """Count an endpoint as gone."""
        self._replace(endpoint_id)

    def forget(self) -> None:
        """List anew on the next question."""
        with self._lock:
            self._listing = None

    def _replace(self, endpoint_id: str, *new: Endpoint) -> None:
        with self._lock:
            if self._listing is not None:
                others = (each for each in self._listing.endpoints if each.id != endpoint_id)
                self._listing = _Listing((*others, *new), self._listing.at)
