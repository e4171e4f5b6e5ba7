"""The API key's value stays out of configurations: they are shown, written down and sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import ConfigurationError
from ..resources import ServerlessResource
from ..security.api_key import holds, without


def refuse_key(resource: ServerlessResource, source_file: str, key: str | None) -> None:
    """Raise ConfigurationError where ``key`` stands anywhere in ``resource``, naming the field.

    Environment values that are the key are refused whatever its length.
    """
    refuse_key_in(resource.model_dump(), resource.name, source_file, key)


def refuse_key_in(
    configuration: Mapping[str, object], name: str, source_file: str, key: str | None
) -> None:
    """As ``refuse_key``, for the ``configuration`` of the resource called ``name``."""
    place = next(_places(configuration, key), None) if key else None
    if place is not None:
        raise ConfigurationError(
            f"{source_file}: {without(place, key)} of {without(name, key)!r} contains the Runpod "
            "API key, which stays on this machine; if a worker needs a key, pass one made for it"
        )


def _places(value: object, key: str | None, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Where ``key`` stands in ``value``, as dotted paths."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            here = (*path, str(name))
            if holds(str(name), key):
                yield ".".join(here)
            yield from _places(each, key, here)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _places(each, key, path)
    elif isinstance(value, str) and (holds(value, key) or ("env" in path and value == key)):
        yield ".".join(path)
