"""What the management plane answers, as far as we read it: a part of ``wire.documents``.

An account holds what others made, and Runpod may add to its answers: what is not read here may be
missing, and what is has the types that are needed, with names for statuses that are not known yet.
"""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ..errors import RunpodConnectionError
from .paths import is_id

M = TypeVar("M", bound=BaseModel)

# REST v2 schema, CreateEndpointRequest: what an endpoint has whose creator said nothing.
_TIMEOUT_MS = 300_000


def _addressable(value: str) -> str:
    """An id is part of a path, which these would make that of something else."""
    if not is_id(value):
        raise ValueError("is not an id")
    return value


def _texts(value: Any) -> Any:
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if isinstance(text, str)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(otherwise: int) -> BeforeValidator:
    def read(value: Any) -> int:
        return value if type(value) is int else otherwise

    return BeforeValidator(read)


Id = Annotated[str, AfterValidator(_addressable)]


class Endpoint(BaseModel):
    """An endpoint (schema ``Endpoint``); unknown fields are kept. ``timeout`` is milliseconds.

    An account holds what others made, in whatever way: of an endpoint no more than ``id`` and
    ``name`` has to be there. What else is not as the schema says counts as if it were not.
    """

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    id: Id
    name: str
    env: Annotated[dict[str, str], BeforeValidator(_texts)] = Field(
        default_factory=dict, repr=False
    )
    timeout: Annotated[int, _number(_TIMEOUT_MS)] = _TIMEOUT_MS

    @property
    def balancer_url(self) -> str | None:
        """Where a load-balancing endpoint says it is reached; None for any other endpoint.

        Ask ``Target.balancer_url`` before sending a key there.
        """
        urls = (self.model_extra or {}).get("requestUrls")
        base = urls.get("base") if isinstance(urls, dict) else None
        return base if isinstance(base, str) else None

    def document(self) -> dict[str, Any]:
        """The whole answer as plain JSON values."""
        return self.model_dump(mode="json")


class _Answer(BaseModel):
    """Fields that we do not name are left out."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class Worker(_Answer):
    """A worker that is not scaled down (schema ``Worker``).

    ``status`` is RUNNING (a job), IDLE (ready), INITIALIZING, THROTTLED (no capacity) or
    UNHEALTHY. ``is_stale``: it runs an older configuration than the endpoint's.
    """

    id: str
    status: str
    gpu_count: int
    is_stale: bool
    gpu_type_id: str | None = None
    data_center_id: str | None = None


class WorkerSummary(_Answer):
    """How many workers are in each status (schema ``WorkerSummary``)."""

    running: int
    idle: int
    initializing: int
    throttled: int
    unhealthy: int
    total: int


class Workers(_Answer):
    """An endpoint's workers (schema ``ListEndpointWorkersResponse``)."""

    workers: tuple[Worker, ...]
    summary: WorkerSummary
    endpoint_version: int | None = None


class Volume(_Answer):
    """A network volume (schema ``NetworkVolume``). ``size`` is GB, 0 where it is not known.

    ``type`` is the storage tier, STANDARD or HIGH_PERFORMANCE.
    """

    id: Id
    name: str
    data_center: str
    size: Annotated[int, _number(0)] = 0
    type: Annotated[str, BeforeValidator(_text)] = ""


class GpuPrice(_Answer):
    """USD per hour for one GPU; ``serverless`` is None outside the serverless pools."""

    secure: float
    community: float
    serverless: float | None = None


class GpuListing(_Answer):
    """A GPU of the catalog (schema ``GpuType``). ``memory`` is GB; ``pool`` as in requests."""

    id: str
    name: str
    pool: str | None
    memory: int
    price: GpuPrice


class CpuRange(_Answer):
    """How many vCPUs an instance may have."""

    min: int
    max: int


class CpuPrice(_Answer):
    """USD per hour for one vCPU."""

    secure_per_vcpu: float
    serverless_per_vcpu: float


class CpuType(_Answer):
    """A CPU flavor of the catalog (schema ``CpuType``)."""

    id: str
    name: str
    vcpu: CpuRange
    ram_gb_per_vcpu: float
    price: CpuPrice


def one(model: type[M], document: Any, what: str) -> M:
    """``document`` as a ``model``; RunpodConnectionError, which says ``what``, if it is none."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
    raise RunpodConnectionError(f"{what} in the answer is malformed: {problems}")


def many(model: type[M], answer: dict[str, Any], key: str, request: str) -> list[M]:
    """The ``model`` items of the list that ``answer`` wraps under ``key``.

    What is none is left out: one thing that somebody else made must not hide all the others.
    Raises RunpodConnectionError where there is no list, or nothing of it can be read: what is ours
    would pass for gone, and be made again.
    """
    found = answer.get(key)
    if not isinstance(found, list):
        raise RunpodConnectionError(f"{request}: the answer has no list {key!r}")
    read: list[M] = []
    for item in found:
        with contextlib.suppress(ValidationError):
            # Without a name it is nobody's, and is there all the same.
            nameless = isinstance(item, dict) and not isinstance(item.get("name"), str)
            read.append(model.model_validate({**item, "name": ""} if nameless else item))
    if found and not read:
        raise RunpodConnectionError(f"{request}: all of {key!r} in the answer is malformed")
    return read
