"""Container settings of an endpoint's workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from .base_model import Model
from .environment import leave_out_key, secret
from .fields import Ports, TemplateEnvironment, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class KeyValuePair(Model):
    """One environment variable of a template, as the official SDK spells it."""

    key: str
    value: Annotated[str, BeforeValidator(secret)]

    if TYPE_CHECKING:

        def __init__(self, *, key: str, value: str) -> None:
            """``key`` names a variable, ``value`` is its value.

            Raises ConfigurationError for anything but text.
            """
            ...

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """The key; the value may be a secret."""
        yield "key", self.key


class PodTemplate(Model):
    """Container settings: image, disk, arguments, ports, environment, registry credential.

    ``containerDiskInGb`` None means 64 GB for GPU workers and the most that CPU instances allow.
    ``env`` is a dict, or a list of key and value pairs; a resource's own ``env`` is laid over it.
    ``name`` is taken for compatibility: endpoints of REST v2 carry settings, not templates.
    """

    name: str = ""
    imageName: str = ""
    containerDiskInGb: Annotated[int, whole(1)] | None = None
    dockerArgs: str = ""
    ports: Ports = ()
    env: TemplateEnvironment = Field(default_factory=dict)
    containerRegistryAuthId: str = ""

    @classmethod
    def _translate(cls, said: dict[str, Any]) -> Iterator[str]:
        yield from super()._translate(said)
        yield from leave_out_key(said)

    @classmethod
    def _ignored(cls) -> dict[str, str]:
        return {
            "id": "Runpod gives it; for an existing template use templateId of the resource",
            "startScript": "Runpod's REST API has nothing like it; use dockerArgs",
            "advancedStart": "Runpod's REST API has nothing like it; use dockerArgs",
            "config": "Runpod's REST API has nothing like it",
            "volumeInGb": "serverless workers have no volume of their own; use a NetworkVolume",
        }

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            name: str = "",
            imageName: str = "",
            containerDiskInGb: int | None = None,
            dockerArgs: str = "",
            ports: str | Sequence[str] = (),
            env: Mapping[str, str] | Sequence[KeyValuePair | Mapping[str, str]] = ...,
            containerRegistryAuthId: str = "",
        ) -> None:
            """Say what an endpoint's workers run.

            ``imageName``: another image than Flash's. ``containerDiskInGb``: its disk.
            ``dockerArgs``: arguments of its command. ``ports``: such as ``"8888/http"``.
            ``env``: variables, under those of the resource.
            ``containerRegistryAuthId``: the credential of a private registry.
            ``name`` has no effect; it is taken so that existing code works.

            Raises ConfigurationError, which lists every value that cannot work.
            """
            ...
