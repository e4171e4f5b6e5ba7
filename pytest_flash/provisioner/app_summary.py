"""An app's endpoints as people see them: hardware, functions and configuration in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ..events import EndpointFound, FunctionFound
from ..resources import ServerlessResource, ServerlessScalerType
from .discover import ResourceUse
from .hardware_texts import describe
from .owner import Owner


def overview(
    uses: Iterable[ResourceUse], owner: Owner, existing: Collection[str]
) -> tuple[EndpointFound, ...]:
    """Each of ``uses`` as an endpoint of ``owner``; ``existing`` names those known to exist."""
    return tuple(_endpoint(use, owner.endpoint_name(use.resource.name), existing) for use in uses)


def _endpoint(use: ResourceUse, name: str, existing: Collection[str]) -> EndpointFound:
    return EndpointFound(
        name=name,
        hardware=describe(use.resource),
        functions=tuple(
            FunctionFound(spec.name, spec.location, (*spec.system_dependencies, *spec.dependencies))
            for spec in use.functions
        ),
        exists=name in existing,
        configuration=tuple(_configuration(use.resource)),
    )


def _configuration(resource: ServerlessResource) -> Iterator[tuple[str, str]]:
    idle = f"idle for {resource.idleTimeout} s"
    yield "workers", f"{resource.workersMin} to {resource.workersMax}, {idle}"
    by_count = resource.scalerType is ServerlessScalerType.REQUEST_COUNT
    unit = "requests a worker" if by_count else "s of queue delay"
    yield "scaling", f"{resource.scalerValue} {unit}"
    seconds = (resource.executionTimeoutMs or 600_000) / 1000
    yield "time limit", f"{seconds:g} s a job"
    places = ", ".join(str(place) for place in resource.data_centers)
    yield "data centers", places or "any"
    yield "disk", f"{resource.container_disk} GB"
    template = resource.template
    if resource.templateId is not None:
        yield "template", resource.templateId
    if template is not None and template.imageName:
        yield "image", template.imageName
    volume = resource.networkVolume
    if resource.networkVolumeId is not None or volume is not None:
        yield (
            "network volume",
            volume.name if volume is not None else resource.networkVolumeId or "",
        )
    variables = sorted({*(template.env if template is not None else ()), *resource.env})
    if variables:
        # Their values may be secrets.
        yield "variables", ", ".join(variables)
