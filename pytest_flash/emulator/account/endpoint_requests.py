"""The request bodies of the management plane, as the REST v2 schema states them.

What the schema itself forbids is refused here (422); rules between fields, and between a body
and the endpoint it changes, are in ``endpoint_records`` (400).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ...wire.documents import EndpointType, FlashBoot
from ..server.http_errors import HttpError


def _without_nulls(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Let a model's schema say what ``_no_nulls`` does."""
    assert issubclass(model, RequestSchema)
    for name, described in schema.get("properties", {}).items():
        if name in model.nullable or "anyOf" not in described:
            continue
        described.pop("default", None)
        others = [each for each in described["anyOf"] if each != {"type": "null"}]
        if len(others) == 1:
            del described["anyOf"]
            described.update(others[0])
        else:
            described["anyOf"] = others


class RequestSchema(BaseModel):
    """A request body: no unknown keys, no conversions, and null only where it is ``nullable``."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        json_schema_extra=_without_nulls,
    )
    nullable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, values: Any) -> Any:
        # None stands for "not sent" in these models; on the wire the schema does not allow it.
        if isinstance(values, dict):
            for name in values:
                if values[name] is None and name not in cls.nullable:
                    raise ValueError(f"{name} must not be null")
        return values


class QueueDelayBody(RequestSchema):
    """Schema ``QueueDelayScaling``."""

    type: Literal["QUEUE_DELAY"]
    queueDelay: Annotated[float, Field(ge=0.5)]


class RequestCountBody(RequestSchema):
    """Schema ``RequestCountScaling``."""

    type: Literal["REQUEST_COUNT"]
    requestCount: Annotated[int, Field(ge=1)]


ScalingBody = Annotated[QueueDelayBody | RequestCountBody, Field(discriminator="type")]


class WorkersBody(RequestSchema):
    """Schema ``EndpointWorkers``; ``idleTimeout`` in seconds."""

    min: Annotated[int, Field(ge=0)] | None = None
    max: Annotated[int, Field(ge=0)] | None = None
    idleTimeout: Annotated[int, Field(ge=1, le=3600)] | None = None


_Pools = Annotated[list[str], Field(min_length=1)]
_ExcludedType = Annotated[str, Field(pattern=r"^\s*[^-\s]")]
_CudaVersion = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")]


def _all_different(values: list[Any]) -> None:
    if any(value in values[:index] for index, value in enumerate(values)):
        raise ValueError("items must be unique")


class UpdateGpuBody(RequestSchema):
    """Schema ``UpdateEndpointGpuConfig``."""

    pools: _Pools | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    excludedTypes: list[_ExcludedType] | None = None
    allowedCudaVersions: list[_CudaVersion] | None = None
    minCudaVersion: Annotated[str, Field(pattern=r"^$|^[0-9]+\.[0-9]+$")] | None = None

    @field_validator("excludedTypes")
    @classmethod
    def _unique(cls, values: list[str] | None) -> list[str] | None:
        _all_different(values or [])
        return values

    @model_validator(mode="after")
    def _exclusions_need_pools(self) -> UpdateGpuBody:
        if self.excludedTypes is not None and self.pools is None:
            raise ValueError("excludedTypes requires pools: the two are one selection")
        return self


class CreateGpuBody(UpdateGpuBody):
    """Schema ``CreateEndpointGpuConfig``."""

    pools: _Pools
    minCudaVersion: _CudaVersion | None = None


class CpuBody(RequestSchema):
    """Schema ``CreateCpuConfig``."""

    id: Annotated[str, Field(min_length=1)]
    vcpuCount: Annotated[int, Field(ge=2)]


class _EndpointBody(RequestSchema):
    nullable: ClassVar[frozenset[str]] = frozenset({"registry"})

    image: str | None = None
    args: str | None = None
    disk: Annotated[int, Field(ge=1)] | None = None
    env: dict[str, str] | None = Field(default=None, repr=False)
    ports: list[str] | None = None
    registry: str | None = None
    cpu: Annotated[list[CpuBody], Field(min_length=1)] | None = None
    workers: WorkersBody | None = None
    dataCenterIds: list[str] | None = None
    networkVolumes: list[str] | None = None
    timeout: int | None = None
    flashboot: FlashBoot | None = None

    @field_validator("cpu")
    @classmethod
    def _unique(cls, values: list[CpuBody] | None) -> list[CpuBody] | None:
        _all_different(values or [])
        return values


class CreateEndpointBody(_EndpointBody):
    """Schema ``CreateEndpointRequest``."""

    name: Annotated[str, Field(min_length=1)]
    type: EndpointType
    scaling: ScalingBody
    gpu: CreateGpuBody | None = None
    templateId: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _conditions(self) -> CreateEndpointBody:
        if self.templateId is None and self.image is None:
            raise ValueError("image is required unless templateId is given")
        if self.type == "LOAD_BALANCER" and self.scaling.type != "REQUEST_COUNT":
            raise ValueError("scaling.type of a LOAD_BALANCER endpoint must be REQUEST_COUNT")
        return self


class UpdateEndpointBody(_EndpointBody):
    """Schema ``UpdateEndpointRequest``; only what was sent changes (``model_fields_set``)."""

    name: Annotated[str, Field(min_length=1)] | None = None
    scaling: ScalingBody | None = None
    gpu: UpdateGpuBody | None = None
    templateId: str | None = None


_B = TypeVar("_B", bound=RequestSchema)


def parse_create(body: bytes) -> CreateEndpointBody:
    """Read a create request; raises HttpError 400 (no JSON) or 422 (against the schema)."""
    return parse(CreateEndpointBody, body)


def parse_update(body: bytes) -> UpdateEndpointBody:
    """Read a patch; raises HttpError 400 (no JSON) or 422 (against the schema)."""
    return parse(UpdateEndpointBody, body)


def parse(model: type[_B], body: bytes) -> _B:
    """Read ``body`` as ``model``; raises HttpError 400 (no JSON) or 422 (against the schema)."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
    if any(problem["type"] == "json_invalid" for problem in problems):
        raise HttpError(400, f"the request body is not JSON: {problems[0]['msg']}")
    raise HttpError(
        422,
        "Request validation failed.",
        errors=tuple(f"{_path(problem['loc'])}: {problem['msg']}" for problem in problems),
    )


def _path(location: tuple[int | str, ...]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "$" + "".join(steps)
