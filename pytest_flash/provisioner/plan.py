"""What has to happen so that endpoints are as their resources say. Decided here, done elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..resources import ServerlessResource
from ..resources.fields import bare_name
from ..runpod import Endpoint
from .request_and_drift import OWNER_VARIABLE, EndpointDrift, endpoint_patch
from .state.records import CreatedEndpoint

if TYPE_CHECKING:
    from ..wire.requests import CreateEndpoint


@dataclass(frozen=True)
class Wanted:
    """A resource and the ``CreateEndpointRequest`` (REST v2 schema) that makes its endpoint.

    ``source_file`` defines the resource. ``former_owner`` is the marker that a recorded endpoint
    may still carry; empty where there is none.
    """

    resource: ServerlessResource
    request: CreateEndpoint = field(repr=False)
    source_file: str
    former_owner: str = ""

    @property
    def recorded_as(self) -> str:
        """The resource's name in records: ``gpu`` and ``live-gpu`` mean one endpoint."""
        return bare_name(self.resource.name)

    @property
    def endpoint_name(self) -> str:
        """What the endpoint is called."""
        return str(self.request["name"])

    @property
    def owner(self) -> str:
        """The owner marker that the endpoint carries."""
        return str(self.request["env"][OWNER_VARIABLE])


@dataclass(frozen=True)
class Create:
    """There is no endpoint. ``why`` is empty unless there should have been one."""

    why: str = ""


@dataclass(frozen=True)
class Reuse:
    """The endpoint is as its resource says. ``adopted``: no record of it was there."""

    endpoint: Endpoint
    adopted: bool = False


@dataclass(frozen=True)
class Update:
    """The endpoint differs in what Runpod can change in place."""

    endpoint: Endpoint
    drift: EndpointDrift
    adopted: bool = False


@dataclass(frozen=True)
class Recreate:
    """The endpoint differs in what cannot be changed; ``why`` says in what."""

    endpoint: Endpoint
    why: str


@dataclass(frozen=True)
class Refuse:
    """The endpoint is not ours to touch; ``why`` says whose it is and what to do."""

    why: str


Step = Create | Reuse | Update | Recreate | Refuse


@dataclass(frozen=True)
class Plan:
    """A step for each resource, and the records whose resource is gone."""

    steps: tuple[tuple[Wanted, Step], ...]
    orphans: tuple[CreatedEndpoint, ...] = ()

    @property
    def creations(self) -> tuple[Wanted, ...]:
        """What costs money anew."""
        return tuple(wanted for wanted, step in self.steps if isinstance(step, Create))


def decide(
    wanted: Wanted, record: CreatedEndpoint | None, existing: Iterable[Endpoint], *, adopt: bool
) -> Step:
    """The step for ``wanted``, given our ``record`` of it and the account's endpoints.

    An endpoint with our name and marker but no record is taken over when it is equal, when the
    record is an intent to create it, or with ``adopt``. Anything else of that name is refused.
    """
    existing = tuple(existing)
    if record is not None and record.endpoint_id is not None:
        recorded = next((each for each in existing if each.id == record.endpoint_id), None)
        if recorded is not None:
            return _recorded(wanted, record, recorded)
    same_name = [each for each in existing if each.name == wanted.endpoint_name]
    ours = [each for each in same_name if _marker(each) == wanted.owner]
    if ours:
        intended = record is not None and record.endpoint_id is None
        return _unrecorded(wanted, ours[0], allowed=adopt or intended)
    if same_name:
        return _foreign(wanted, same_name[0])
    gone = record.endpoint_id if record is not None else None
    return Create(why=f"recorded as {gone}, which is gone" if gone else "")


def _recorded(wanted: Wanted, record: CreatedEndpoint, endpoint: Endpoint) -> Step:
    marker = _marker(endpoint)
    if marker is None:
        return Refuse(
            f"endpoint {endpoint.name!r} ({endpoint.id}) is recorded as ours, but its variable "
            f"{OWNER_VARIABLE} is gone. Set it to {wanted.owner!r} in the Runpod console, or "
            "delete the endpoint there"
        )
    if marker not in (wanted.owner, wanted.former_owner):
        return _foreign(wanted, endpoint)
    return _compared(wanted, endpoint, record.configuration.request)


def _compared(
    wanted: Wanted,
    endpoint: Endpoint,
    recorded: Mapping[str, Any] | None = None,
    *,
    adopted: bool = False,
) -> Step:
    try:
        drift = endpoint_patch(endpoint.document(), wanted.request, recorded)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        return Refuse(
            f"endpoint {endpoint.name!r} ({endpoint.id}) is ours, and Runpod describes it as this "
            f"version cannot read ({type(error).__name__}: {error}). Delete it with "
            f"'flash undeploy', or upgrade pytest-flash"
        )
    if drift.recreate is not None:
        return Recreate(endpoint, drift.recreate)
    return Update(endpoint, drift, adopted) if drift.changes else Reuse(endpoint, adopted)


def _unrecorded(wanted: Wanted, endpoint: Endpoint, *, allowed: bool) -> Step:
    step = _compared(wanted, endpoint, adopted=True)
    if allowed or isinstance(step, Reuse):
        return step
    return Refuse(
        f"endpoint {endpoint.name!r} ({endpoint.id}) exists, is marked as ours, has another "
        "configuration, and this machine has no record of it. Pass --adopt to take it over, or "
        "rename the resource"
    )


def _foreign(wanted: Wanted, endpoint: Endpoint) -> Refuse:
    marker = _marker(endpoint)
    whose = f"belongs to {marker!r}" if marker else "was not created by pytest-flash"
    return Refuse(
        f"endpoint {endpoint.name!r} ({endpoint.id}) exists and {whose}, not {wanted.owner!r}. "
        "Rename the resource, or set a namespace with FLASH_NAMESPACE"
    )


def _marker(endpoint: Endpoint) -> str | None:
    return endpoint.env.get(OWNER_VARIABLE)
