"""Which resources an app uses: what ``@remote`` saw while its modules were imported."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigurationError
from ..functions.declaration.specs import FunctionSpec
from ..resources import ServerlessResource
from .key_in_configuration import refuse_key
from .request_and_drift import live_name


@dataclass(frozen=True)
class ResourceUse:
    """A resource and the functions that run on it, in order of definition."""

    resource: ServerlessResource
    functions: tuple[FunctionSpec, ...]


def discover(
    functions: Iterable[FunctionSpec], *, key: str | None = None, exclude: Collection[Path] = ()
) -> tuple[ResourceUse, ...]:
    """The resources of ``functions``, without those that only files in ``exclude`` use.

    Raises ConfigurationError when two resources share a name and differ, naming both places, and
    where ``key``, the API key, stands in one: names are shown before anything is provisioned.
    """
    uses: dict[str, list[FunctionSpec]] = {}
    for spec in functions:
        if Path(spec.file) in exclude:
            continue
        refuse_key(spec.resource, spec.file, key)
        # `gpu` and `live-gpu` name the same endpoint.
        same_name = uses.setdefault(live_name(spec.resource.name), [])
        if same_name and same_name[0].resource != spec.resource:
            raise ConfigurationError(
                f"two different resources share the endpoint {live_name(spec.resource.name)!r}: "
                f"one of {same_name[0].name} ({same_name[0].location}) and one of {spec.name} "
                f"({spec.location}); rename one, or make them equal"
            )
        same_name.append(spec)
    return tuple(ResourceUse(specs[0].resource, tuple(specs)) for specs in uses.values())
