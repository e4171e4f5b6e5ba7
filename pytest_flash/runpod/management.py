"""The management plane over REST v2: serverless endpoints, network volumes, the catalog."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any

from ..errors import RunpodConnectionError, RunpodError
from ..http.messages import Timeouts
from ..resources.environment import OWNER_VARIABLE
from ..target import Target
from . import paths, response_errors
from .create_once import Creation, create
from .management_requests import Api
from .models import CpuType, Endpoint, GpuListing, Volume, Workers, many, one
from .rate_limit import Pace
from .retry import EMBEDDED, RetryPolicy

_TIMEOUT = Timeouts(connect=10.0, read=30.0)

_ENDPOINTS = "/v2/serverless"
_VOLUMES = "/v2/network-volumes"
_GPUS = "/v2/catalog/gpus"
_CPUS = "/v2/catalog/cpus"


class ManagementClient:
    """Runpod's management plane. Synchronous; safe to share by threads.

    Every method raises RunpodApiError for a refusal and RunpodConnectionError when no usable
    answer arrived, after as many attempts as ``retry`` allows. ``key_source`` says in words where
    the key came from, for the error of a refused one. ``pace`` keeps requests under the account's
    quota; by default a live target has one of its own (clients of one process should share one)
    and the emulator none. ``Pace.unlimited()`` lifts it. ``timeout`` bounds each attempt's
    connecting and each wait for the next part of its answer.
    """

    def __init__(
        self,
        target: Target,
        *,
        key_source: str | None = None,
        retry: RetryPolicy | None = None,
        pace: Pace | None = None,
        timeout: Timeouts = _TIMEOUT,
    ) -> None:
        policy = retry or (RetryPolicy() if target.is_live else EMBEDDED)
        own_pace = (
            Pace(clock=policy.clock, sleep=policy.sleep) if target.is_live else Pace.unlimited()
        )
        self._api = Api(
            target,
            policy=policy,
            pace=pace or own_pace,
            timeout=timeout,
            key_source=key_source,
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
        self._api.close()

    def endpoints(self) -> list[Endpoint]:
        """Every endpoint of the account that has an id. ``GET /v2/serverless``, not paginated."""
        answer = self._api.call("GET", _ENDPOINTS)
        return many(Endpoint, answer, "endpoints", f"GET {_ENDPOINTS}")

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """One endpoint. ``GET /v2/serverless/{id}``."""
        return _endpoint(self._api.call("GET", _endpoint_path(endpoint_id)))

    def create(
        self, request: Mapping[str, Any], *, besides: Collection[str] = (), again: bool = False
    ) -> Endpoint:
        """Create an endpoint from a ``CreateEndpointRequest``, once. ``POST /v2/serverless``.

        When an answer is lost, an endpoint with the request's name and owner marker
        (``PYTEST_FLASH_OWNER`` in ``env``) is taken for the one that it was about. ``besides`` are
        the ids of such endpoints that existed before. ``again``: somebody else sent this request,
        and whether it takes effect is unknown. Without a marker a request whose outcome is
        unknown is not repeated. Looking has a deadline of its own.
        """
        find = self._finder(request, besides)
        created = create(
            self._api,
            Creation(
                what=f"endpoint {request.get('name')!r}",
                path=_ENDPOINTS,
                request=request,
                read=lambda response: _endpoint(response_errors.body(response)),
                find=find,
            ),
        )
        if (created.doubtful or again) and find is not None:
            return self._without_twin(created.value, find)
        return created.value

    def update(self, endpoint_id: str, patch: Mapping[str, Any]) -> Endpoint:
        """Apply an ``UpdateEndpointRequest``. ``PATCH /v2/serverless/{id}``."""
        return _endpoint(self._api.call("PATCH", _endpoint_path(endpoint_id), patch))

    def delete(self, endpoint_id: str) -> bool:
        """Delete an endpoint with its jobs and workers; False if it was already gone.

        ``DELETE /v2/serverless/{id}``.
        """
        return self._api.delete(_endpoint_path(endpoint_id))

    def workers(self, endpoint_id: str) -> Workers:
        """The workers that are not scaled down. ``GET /v2/serverless/{id}/workers``."""
        path = f"{_endpoint_path(endpoint_id)}/workers"
        return one(Workers, self._api.call("GET", path), "the list of workers")

    def network_volumes(self) -> list[Volume]:
        """Every network volume of the account. ``GET /v2/network-volumes``, not paginated."""
        answer = self._api.call("GET", _VOLUMES)
        return many(Volume, answer, "networkVolumes", f"GET {_VOLUMES}")

    def create_network_volume(self, name: str, size: int, data_center: str) -> Volume:
        """Create a network volume of ``size`` GB (10 to 4096). ``POST /v2/network-volumes``.

        When an answer is lost, a volume of this name in this data center is taken for the one
        that it was about. A volume is billed until someone deletes it.
        """

        def find() -> Volume | None:
            same = (
                each
                for each in self.network_volumes()
                if (each.name, each.data_center) == (name, data_center)
            )
            return next(same, None)

        creation = Creation(
            what=f"network volume {name!r}",
            path=_VOLUMES,
            request={"name": name, "size": size, "dataCenter": data_center},
            read=lambda response: one(Volume, response_errors.body(response), "the network volume"),
            find=find,
        )
        return create(self._api, creation).value

    def gpus(self) -> list[GpuListing]:
        """The GPU types with their prices. ``GET /v2/catalog/gpus``."""
        return many(GpuListing, self._api.call("GET", _GPUS), "gpus", f"GET {_GPUS}")

    def cpus(self) -> list[CpuType]:
        """The CPU flavors with their prices. ``GET /v2/catalog/cpus``."""
        return many(CpuType, self._api.call("GET", _CPUS), "cpus", f"GET {_CPUS}")

    def _finder(
        self, request: Mapping[str, Any], besides: Collection[str]
    ) -> Callable[[], Endpoint | None] | None:
        """Looks for the oldest endpoint that ``request`` may have made; None without a marker."""
        name, owner = request.get("name"), (request.get("env") or {}).get(OWNER_VARIABLE)
        if owner is None:
            return None

        def find() -> Endpoint | None:
            ours = [
                each
                for each in self.endpoints()
                if (each.name, each.env.get(OWNER_VARIABLE)) == (name, owner)
                and each.id not in besides
            ]
            return min(ours, key=_age, default=None)

        return find

    def _without_twin(self, made: Endpoint, find: Callable[[], Endpoint | None]) -> Endpoint:
        """The endpoint to keep when an attempt that seemed lost may have succeeded late.

        Only ``made`` is ever deleted: it alone is known to be this call's own, and so new that
        nobody uses it.
        """
        try:
            oldest = find()
        except RunpodError:
            # Whether there is a twin is unknown; what was asked for exists all the same.
            return made
        if oldest is None or oldest.id == made.id:
            return made
        try:
            self.delete(made.id)
        except RunpodError as error:
            raise RunpodConnectionError(
                f"endpoint {made.name!r} was created twice, as {oldest.id} and {made.id}, since "
                f"an answer was lost; delete {made.id}, which failed just now: {error}"
            ) from error
        return oldest


def _endpoint(document: dict[str, Any]) -> Endpoint:
    return one(Endpoint, document, "an endpoint")


def _endpoint_path(endpoint_id: str) -> str:
    return f"{_ENDPOINTS}/{paths.endpoint(endpoint_id)}"


def _age(endpoint: Endpoint) -> tuple[str, str]:
    # RFC 3339 times of one server sort as text; the id makes every process choose the same one.
    return str((endpoint.model_extra or {}).get("createdAt", "")), endpoint.id
