"""Makes the endpoints that resources describe: each once, a few at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..errors import FlashError, ProvisioningError
from ..events import EndpointReady, EndpointRemoved, EventSink
from ..resources import ServerlessResource
from ..runpod import Endpoint, ManagementClient
from ..settings import Environment
from .images import image_for
from .plan import Create, Recreate, Reuse, Step, Update, plan
from .spec import endpoint_request, live_name

_AT_ONCE = 3
DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True)
class Owner:
    """Who the endpoints belong to: a project, and a namespace within the account."""

    project: str
    namespace: str = DEFAULT_NAMESPACE

    @property
    def marker(self) -> str:
        """The value of ``PYTEST_FLASH_OWNER`` in an endpoint's environment."""
        return f"{self.project}/{self.namespace}"

    def endpoint_name(self, resource: ServerlessResource) -> str:
        """``live-<name>``; a namespace other than the default one stands in between."""
        return live_name(
            resource.name, None if self.namespace == DEFAULT_NAMESPACE else self.namespace
        )


class Provisioner:
    """Endpoints for resources, looked up, created or changed on first use.

    Synchronous, and safe to call from any number of threads: each resource is provisioned once
    and every other caller waits for that.
    """

    def __init__(
        self,
        client: ManagementClient,
        *,
        owner: Owner,
        environment: Environment,
        live: bool,
        on_event: EventSink,
    ) -> None:
        self._client = client
        self._owner = owner
        self._environment = environment
        self._live = live
        self._on_event = on_event
        self._ready: dict[ServerlessResource, Endpoint] = {}
        self._created: list[Endpoint] = []
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def known(self, resource: ServerlessResource) -> Endpoint | None:
        """The endpoint of ``resource`` if it was provisioned before; costs nothing."""
        return self._ready.get(resource)

    def ensure(self, resource: ServerlessResource, gone: Endpoint | None = None) -> Endpoint:
        """The endpoint of ``resource``, created or changed if need be.

        ``gone`` is an endpoint that turned out not to exist any more. Raises ProvisioningError
        when the name is taken by another owner, RunpodError when Runpod refuses or is away,
        SettingsError when there is no image for this Python.
        """
        with self._lock(resource.name):
            endpoint = self._ready.get(resource)
            if endpoint is None or endpoint is gone:
                endpoint = self._ready[resource] = self._provision(resource)
            return endpoint

    def ensure_all(self, resources: Iterable[ServerlessResource]) -> dict[str, Endpoint]:
        """The endpoints of all ``resources`` by resource name, three at a time.

        One that fails does not stop the others; the ProvisioningError names every failure.
        """
        wanted = list(resources)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="flash-provision") as pool:
            futures = {each.name: pool.submit(self.ensure, each) for each in wanted}
        failed = {name: error for name, future in futures.items() if (error := future.exception())}
        for error in failed.values():
            if not isinstance(error, FlashError):
                raise error
        if failed:
            lines = "\n".join(f"  {name}: {error}" for name, error in failed.items())
            raise ProvisioningError(
                f"{len(failed)} of {len(wanted)} endpoints could not be provisioned:\n{lines}"
            )
        return {name: future.result() for name, future in futures.items()}

    def endpoint_name(self, resource: ServerlessResource) -> str:
        """What the endpoint of ``resource`` is called."""
        return self._owner.endpoint_name(resource)

    def missing(self, resources: Iterable[ServerlessResource]) -> list[ServerlessResource]:
        """Those of ``resources`` that have no endpoint yet."""
        names = {endpoint.name for endpoint in self._client.endpoints()}
        return [each for each in resources if self.endpoint_name(each) not in names]

    def remove_created(self) -> list[tuple[Endpoint, FlashError]]:
        """Delete what this provisioner created; returns what could not be deleted, and why."""
        left: list[tuple[Endpoint, FlashError]] = []
        while self._created:
            endpoint = self._created.pop()
            try:
                self._client.delete(endpoint.id)
            except FlashError as error:
                left.append((endpoint, error))
            else:
                self._on_event(EndpointRemoved(endpoint.name, endpoint.id))
        return left

    def _provision(self, resource: ServerlessResource) -> Endpoint:
        started = time.monotonic()
        step = plan(self._request(resource), self._client.endpoints())
        endpoint, action = self._apply(step)
        self._on_event(
            EndpointReady(endpoint.name, endpoint.id, action, time.monotonic() - started)
        )
        return endpoint

    def _request(self, resource: ServerlessResource) -> dict[str, Any]:
        return endpoint_request(
            resource,
            name=self.endpoint_name(resource),
            image=image_for(resource, self._environment, live=self._live),
            owner=self._owner.marker,
        )

    def _apply(self, step: Step) -> tuple[Endpoint, str]:
        if isinstance(step, Reuse):
            return step.endpoint, "reused"
        if isinstance(step, Update):
            return self._client.update(step.endpoint.id, step.drift.patch), "updated"
        if isinstance(step, Recreate):
            self._client.delete(step.endpoint.id)
        endpoint = self._client.create(step.request)
        self._created.append(endpoint)
        return endpoint, "created" if isinstance(step, Create) else "recreated"

    def _lock(self, name: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())
