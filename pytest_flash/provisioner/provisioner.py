"""Makes the endpoints that resources describe: each once, a few at a time, each remembered."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..clock import monotonic
from ..errors import (
    ConfigurationError,
    EndpointLimitError,
    FlashError,
    ProvisioningError,
    RunpodApiError,
    StateFileError,
)
from ..events import EndpointPending, EndpointReady, EndpointRemoved, EventSink, Notice
from ..resources import ServerlessResource
from ..runpod import Endpoint, ManagementClient
from .account_listing import AccountListing
from .endpoint_specification import EndpointSpecification
from .plan import Plan, Recreate, Refuse, Reuse, Step, Update, Wanted, decide
from .request_and_drift import OWNER_VARIABLE, live_name
from .state.records import CreatedEndpoint

if TYPE_CHECKING:
    from .session_records import SessionRecords

Source = tuple[ServerlessResource, str]
"""A resource, and the file that defines it or uses it first."""

_AT_ONCE = 3

T = TypeVar("T")


class Provisioner:
    """Endpoints for resources, looked up, created or changed on first use.

    Synchronous, and safe to call from any number of threads: each resource is provisioned once
    and every other caller waits for that. With a ``session_records`` everything that is made is
    remembered, across processes too; without one (the embedded Runpod, which ends with us)
    nothing is, and whatever carries our marker is ours. ``adopt`` takes over endpoints that
    carry our marker, have no record, and differ. ``max_creations`` is how many endpoints may be
    created in all.
    """

    def __init__(
        self,
        client: ManagementClient,
        specification: EndpointSpecification,
        *,
        session_records: SessionRecords | None,
        adopt: bool,
        on_event: EventSink,
        max_creations: int | None = None,
    ) -> None:
        self._client = client
        self._blueprint = specification
        self._session_records = session_records
        self._adopt = adopt or session_records is None
        self._on_event = on_event
        self._inventory = AccountListing(client)
        self._ready: dict[ServerlessResource, Endpoint] = {}
        self._made_for: dict[str, Source] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._max_creations = max_creations
        self._creations = 0
        self._stopped = False

    def known(self, resource: ServerlessResource) -> Endpoint | None:
        """The endpoint of ``resource`` if it was provisioned before; costs nothing."""
        return self._ready.get(resource)

    def ensure(
        self, resource: ServerlessResource, source_file: str, gone: Endpoint | None = None
    ) -> Endpoint:
        """The endpoint of ``resource``, created or changed if need be.

        ``gone`` is an endpoint that turned out not to exist any more. Raises ProvisioningError
        when the name is taken, RunpodError when Runpod refuses or is away, SettingsError when
        there is no image for this Python.
        """
        with self._lock(live_name(resource.name)):
            endpoint = self._ready.get(resource)
            if endpoint is None or endpoint is gone:
                self._refuse_another(resource, source_file)
                if gone is not None:
                    self._inventory.forget()
                wanted = self._blueprint.wanted(resource, source_file)
                endpoint = self._ready[resource] = self._provision(wanted)
            return endpoint

    def ensure_all(self, resources: Iterable[Source]) -> dict[str, Endpoint]:
        """The endpoints of ``resources`` (each with its source file) by name, three at a time.

        One that fails does not stop the others; the ProvisioningError names every failure, and is
        an EndpointLimitError if one is.
        """
        calls = {
            resource.name: partial(self.ensure, resource, file) for resource, file in resources
        }
        done, failed = _at_once(calls)
        if failed:
            limited = any(isinstance(each, EndpointLimitError) for each in failed.values())
            raise (EndpointLimitError if limited else ProvisioningError)(
                f"{len(failed)} of {len(calls)} endpoints could not be provisioned:\n"
                + _lines(failed)
            )
        return done

    @property
    def creations(self) -> int:
        """How many endpoints have been created, or were tried to."""
        return self._creations

    def stop(self) -> None:
        """Create nothing any more; what is under way goes on. From any thread."""
        self._stopped = True

    def plan(self, resources: Iterable[Source]) -> Plan:
        """What ``ensure_all`` would do, and the records that none of ``resources`` explains."""
        steps = []
        for resource, file in resources:
            wanted = self._blueprint.drafted(resource, file)
            steps.append((wanted, self._step(wanted)))
        names = {wanted.endpoint_name for wanted, _ in steps}
        records = self._session_records.records() if self._session_records else ()
        orphans = tuple(each for each in records if each.endpoint_name not in names)
        return Plan(tuple(steps), orphans)

    def remove(
        self, records: Iterable[CreatedEndpoint], *, unused: bool = False
    ) -> dict[str, FlashError]:
        """Delete recorded endpoints, three at a time; what could not be deleted, and why.

        One that is already gone counts as deleted. With ``unused`` one that another living session
        has joined meanwhile is left alone. A disk that refuses keeps nothing from being deleted.
        """
        _, failed = _at_once(
            {each.resource: partial(self._remove, each, unused=unused) for each in records}
        )
        return failed

    def release(self, *, keep: bool) -> dict[str, FlashError]:
        """End this session's use of its endpoints; as ``remove`` for what nobody needs now.

        Deletes what test sessions created and no living session uses, unless ``keep``. Where the
        state cannot even be read, everything that this session used is left.
        """
        if self._session_records is None:
            return {}
        try:
            unused = self._session_records.leave(keep=keep)
        except ProvisioningError as error:
            used = () if keep else self._ready.values()
            return {each.name: ProvisioningError(f"{each.id}: {error}") for each in used}
        return self.remove(unused, unused=True)

    def retry_deletions(self) -> dict[str, FlashError]:
        """Delete what an earlier session could not; as ``remove``."""
        records = self._session_records.records() if self._session_records else ()
        return self.remove((each for each in records if each.deleting), unused=True)

    def _refuse_another(self, resource: ServerlessResource, source_file: str) -> None:
        """Two resources on one endpoint would undo each other's settings, call by call."""
        name = live_name(resource.name)
        known, file = self._made_for.setdefault(name, (resource, source_file))
        if known != resource:
            raise ConfigurationError(
                f"two different resources share the endpoint {name!r}: one of {file} and one of "
                f"{source_file}; rename one, or make them equal"
            )

    def _provision(self, wanted: Wanted) -> Endpoint:
        started = monotonic()
        with self._alone(wanted.recorded_as):
            endpoint, action = self._apply(wanted, self._step(wanted))
        seconds = monotonic() - started
        self._on_event(EndpointReady(endpoint.name, endpoint.id, action, seconds))
        return endpoint

    def _step(self, wanted: Wanted) -> Step:
        record = self._session_records.record(wanted.recorded_as) if self._session_records else None
        if record is not None and record.endpoint_id is None:
            # Another session died over it, perhaps after the list was made.
            self._inventory.forget()
        existing = self._inventory.including(record.endpoint_id if record else None)
        return decide(wanted, record, existing, adopt=self._adopt)

    def _apply(self, wanted: Wanted, step: Step) -> tuple[Endpoint, str]:
        if isinstance(step, Refuse):
            raise ProvisioningError(step.why)
        if isinstance(step, Reuse):
            self._settle(wanted, step.endpoint, adopted=step.adopted)
            return step.endpoint, "adopted" if step.adopted and self._session_records else "reused"
        if isinstance(step, Update):
            self._on_event(EndpointPending(wanted.endpoint_name, "updating"))
            endpoint = self._client.update(step.endpoint.id, step.drift.patch)
            self._settle(wanted, endpoint, adopted=step.adopted)
            return endpoint, f"updated ({', '.join(c.field for c in step.drift.changes)})"
        if isinstance(step, Recreate):
            self._on_event(EndpointPending(wanted.endpoint_name, f"recreating ({step.why})"))
            if self._session_records is not None:
                # First, so that nothing is deleted where its successor could not be written down.
                self._session_records.condemn(wanted.recorded_as)
            self._delete(step.endpoint)
            return self._create(wanted, in_place=True), "recreated"
        self._count_creation(wanted)
        why = f" ({step.why})" if step.why else ""
        self._on_event(EndpointPending(wanted.endpoint_name, f"creating{why}"))
        return self._create(wanted), "created"

    def _create(self, wanted: Wanted, *, in_place: bool = False) -> Endpoint:
        intended = False
        if self._session_records is not None:
            record = self._session_records.record(wanted.recorded_as)
            intended = record is not None and record.endpoint_id is None
            self._session_records.intend(wanted, in_place=in_place)
        try:
            endpoint = self._client.create(wanted.request, again=intended)
        except RunpodApiError as error:
            if self._session_records is not None and error.status < 500:
                self._session_records.forget(wanted.recorded_as)
            raise
        self._settle(wanted, endpoint)
        return endpoint

    def _count_creation(self, wanted: Wanted) -> None:
        if self._stopped:
            raise ProvisioningError(f"{wanted.endpoint_name} is not created: this was stopped")
        with self._guard:
            if self._max_creations is not None and self._creations >= self._max_creations:
                raise EndpointLimitError(
                    f"{wanted.endpoint_name} is not created: this run may create "
                    f"{self._max_creations} endpoints, and did so"
                )
            self._creations += 1

    def _settle(self, wanted: Wanted, endpoint: Endpoint, *, adopted: bool = False) -> None:
        self._inventory.put(endpoint)
        if self._session_records is not None:
            self._session_records.settle(wanted, endpoint, adopted=adopted)

    def _remove(self, record: CreatedEndpoint, *, unused: bool) -> None:
        assert self._session_records is not None
        with self._session_records.alone(record.resource, at_least=False):
            current = self._session_records.record(record.resource)
            if current is None or current.endpoint_id != record.endpoint_id:
                return  # Another session was quicker.
            if unused and self._session_records.others(current):
                return
            # If it dies on the way, the next session goes on; where this cannot be written down,
            # what is deleted here is found to be gone when it is looked for.
            with contextlib.suppress(StateFileError):
                self._session_records.condemn(record.resource)
            for endpoint in self._condemned(current):
                self._delete(endpoint)
                self._on_event(EndpointRemoved(endpoint.name, endpoint.id))
            self._forget_if_possible(record)

    def _forget_if_possible(self, record: CreatedEndpoint) -> None:
        assert self._session_records is not None
        try:
            self._session_records.forget(record.resource)
        except StateFileError as error:
            self._on_event(
                Notice(f"{record.endpoint_name} is deleted, and is still recorded: {error}")
            )

    def _delete(self, endpoint: Endpoint) -> None:
        self._client.delete(endpoint.id)
        self._inventory.discard(endpoint.id)

    def _condemned(self, record: CreatedEndpoint) -> list[Endpoint]:
        """The endpoint of ``record``, if it exists and nobody else's marker is on it.

        An intent has no id: its endpoint is known by name and marker.
        """
        owner = self._blueprint.owner
        ours = (owner.marker, *([owner.former_marker] if owner.former_marker else []))
        if record.endpoint_id is None:
            self._inventory.forget()
        existing = self._inventory.including(record.endpoint_id)
        if record.endpoint_id is None:
            found = [each for each in existing if each.name == record.endpoint_name]
            self._tell_of_former(found)
            ours = (owner.marker,)
        else:
            found = [each for each in existing if each.id == record.endpoint_id]
            if found and OWNER_VARIABLE not in found[0].env:
                raise ProvisioningError(
                    f"endpoint {found[0].name!r} ({found[0].id}) lost its variable "
                    f"{OWNER_VARIABLE}, so it is left alone; delete it in the Runpod console"
                )
            if found and found[0].env[OWNER_VARIABLE] not in ours:
                whose = found[0].env[OWNER_VARIABLE]
                self._on_event(
                    Notice(
                        f"endpoint {found[0].name} ({found[0].id}) belongs to {whose!r} now, so it "
                        "is left alone and no longer recorded here"
                    )
                )
        return [each for each in found if each.env.get(OWNER_VARIABLE) in ours]

    def _tell_of_former(self, found: Iterable[Endpoint]) -> None:
        former = self._blueprint.owner.former_marker
        for endpoint in found:
            if former and endpoint.env.get(OWNER_VARIABLE) == former:
                self._on_event(
                    Notice(
                        f"endpoint {endpoint.name} ({endpoint.id}) carries the mark {former!r}, "
                        "which other projects have as well, so it is left alone; if it is this "
                        "project's, delete it in the Runpod console"
                    )
                )

    @contextlib.contextmanager
    def _alone(self, resource: str) -> Iterator[None]:
        if self._session_records is None:
            yield
            return
        with self._session_records.alone(resource):
            yield

    def _lock(self, name: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())


def _at_once(calls: Mapping[str, Callable[[], T]]) -> tuple[dict[str, T], dict[str, FlashError]]:
    """Results and errors by name, with three calls under way at most.

    Whatever is no FlashError is a defect, and is raised.
    """
    if not calls:
        return {}, {}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="flash-provision") as pool:
        futures = {name: pool.submit(call) for name, call in calls.items()}
    done: dict[str, T] = {}
    failed: dict[str, FlashError] = {}
    for name, future in futures.items():
        try:
            done[name] = future.result()
        except FlashError as error:
            failed[name] = error
    return done, failed


def _lines(failed: Mapping[str, FlashError]) -> str:
    return "\n".join(f"  {name}: {error}" for name, error in failed.items())
