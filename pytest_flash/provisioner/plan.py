"""What has to happen so that an endpoint is as its resource says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ProvisioningError
from ..runpod import Endpoint
from .spec import OWNER_VARIABLE, EndpointDrift, endpoint_patch


@dataclass(frozen=True)
class Create:
    """No endpoint of this name exists."""

    request: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Reuse:
    """The endpoint is as its resource says."""

    endpoint: Endpoint


@dataclass(frozen=True)
class Update:
    """The endpoint differs in what can be changed in place."""

    endpoint: Endpoint
    drift: EndpointDrift


@dataclass(frozen=True)
class Recreate:
    """The endpoint differs in what cannot be changed; ``why`` says in what."""

    endpoint: Endpoint
    request: Mapping[str, Any] = field(repr=False)
    why: str


Step = Create | Reuse | Update | Recreate


def plan(wanted: Mapping[str, Any], existing: Iterable[Endpoint]) -> Step:
    """The step that makes one of ``existing`` equal to ``wanted`` (a CreateEndpointRequest).

    Raises ProvisioningError when the name belongs to an endpoint of another owner.
    """
    name, owner = wanted["name"], wanted["env"][OWNER_VARIABLE]
    same_name = [endpoint for endpoint in existing if endpoint.name == name]
    ours = [each for each in same_name if each.env.get(OWNER_VARIABLE) == owner]
    if not ours and same_name:
        other = same_name[0].env.get(OWNER_VARIABLE)
        whose = f"belongs to {other!r}" if other else "was not created by pytest-flash"
        raise ProvisioningError(
            f"endpoint {name!r} ({same_name[0].id}) exists and {whose}, not {owner!r}; rename the "
            "resource, or delete that endpoint"
        )
    if not ours:
        return Create(wanted)
    drift = endpoint_patch(ours[0].document(), wanted)
    if drift.recreate is not None:
        return Recreate(ours[0], wanted, drift.recreate)
    return Update(ours[0], drift) if drift.changes else Reuse(ours[0])
