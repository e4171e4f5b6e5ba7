"""The management plane: serverless endpoints over REST v2."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import NotFoundError, RunpodConnectionError
from ..target import Target
from . import http

# A create waits for scheduling decisions on Runpod's side; everything else answers quickly.
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)


class Endpoint(BaseModel):
    """An endpoint as REST v2 answers it (schema ``Endpoint``); unknown fields are kept."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    id: str
    name: str
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    timeout: int

    def document(self) -> dict[str, Any]:
        """The whole answer as plain JSON values."""
        return self.model_dump(mode="json")


class ManagementClient:
    """Creates, lists, changes and deletes endpoints. Synchronous; safe to share by threads.

    Every method raises RunpodApiError for a refusal and RunpodConnectionError when no usable
    answer arrived.
    """

    def __init__(self, target: Target) -> None:
        self._client = httpx.Client(
            base_url=target.management_url,
            headers=http.headers(target),
            timeout=_TIMEOUT,
            verify=http.verifies(target.management_url),
            trust_env=http.uses_proxies(target.management_url),
        )

    def __enter__(self) -> ManagementClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def endpoints(self) -> list[Endpoint]:
        """Every endpoint of the account. ``GET /v2/serverless``, not paginated."""
        answer = self._request("GET", "/v2/serverless")
        found = answer.get("endpoints")
        if not isinstance(found, list):
            raise RunpodConnectionError("GET /v2/serverless: the answer has no list 'endpoints'")
        return [_endpoint(item) for item in found]

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """One endpoint. ``GET /v2/serverless/{id}``."""
        return _endpoint(self._request("GET", f"/v2/serverless/{endpoint_id}"))

    def create(self, request: Mapping[str, Any]) -> Endpoint:
        """Create an endpoint from a ``CreateEndpointRequest``. ``POST /v2/serverless``."""
        return _endpoint(self._request("POST", "/v2/serverless", request))

    def update(self, endpoint_id: str, patch: Mapping[str, Any]) -> Endpoint:
        """Apply an ``UpdateEndpointRequest``. ``PATCH /v2/serverless/{id}``."""
        return _endpoint(self._request("PATCH", f"/v2/serverless/{endpoint_id}", patch))

    def delete(self, endpoint_id: str) -> bool:
        """Delete an endpoint with its jobs and workers; False if it was already gone."""
        try:
            self._send("DELETE", f"/v2/serverless/{endpoint_id}", None)
        except NotFoundError:
            return False
        return True

    def _request(
        self, method: str, path: str, payload: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return http.body(self._send(method, path, payload))

    def _send(self, method: str, path: str, payload: Mapping[str, Any] | None) -> httpx.Response:
        try:
            response = self._client.request(method, path, json=payload)
        except httpx.TransportError as error:
            raise http.transport_error(error) from error
        http.check(response)
        return response


def _endpoint(document: Any) -> Endpoint:
    try:
        return Endpoint.model_validate(document)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        raise RunpodConnectionError(f"an endpoint in the answer is malformed: {problems}") from None
