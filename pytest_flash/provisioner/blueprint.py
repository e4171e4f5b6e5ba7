"""From a resource to the endpoint that it wants, for one owner on one target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import ConfigurationError
from ..resources import ServerlessResource
from ..settings import API_KEY, Environment
from .images import image_for
from .owner import Owner
from .plan import Wanted
from .spec import endpoint_request
from .volumes import Volumes

_UNMADE = "(to be created)"


@dataclass(frozen=True)
class Blueprint:
    """What decides an endpoint's request besides the resource itself."""

    owner: Owner
    environment: Environment
    volumes: Volumes
    live: bool

    def wanted(self, resource: ServerlessResource, source_file: str) -> Wanted:
        """The endpoint that ``resource`` wants.

        Raises ProvisioningError for a network volume that does not exist, SettingsError when
        there is no image for this Python, ConfigurationError for the Runpod key in ``env``.
        """
        return self._wanted(resource, source_file, self.volumes.ids(resource))

    def drafted(self, resource: ServerlessResource, source_file: str) -> Wanted:
        """As ``wanted``, for a plan: a missing volume stands in it under a placeholder."""
        if self.volumes.missing([resource]):
            return self._wanted(resource, source_file, (_UNMADE,))
        return self.wanted(resource, source_file)

    def _wanted(
        self, resource: ServerlessResource, source_file: str, volume_ids: tuple[str, ...]
    ) -> Wanted:
        request = endpoint_request(
            resource,
            name=self.owner.endpoint_name(resource.name),
            image=image_for(resource, self.environment, live=self.live),
            owner=self.owner.marker,
            volume_ids=volume_ids,
        )
        self._keep_the_key(resource, source_file, request["env"])
        return Wanted(resource, request, source_file, self.owner.former_marker)

    def _keep_the_key(
        self, resource: ServerlessResource, source_file: str, env: Mapping[str, str]
    ) -> None:
        """Raise ConfigurationError for a variable whose value holds the Runpod key."""
        key = self.environment.value(API_KEY)
        for name, value in env.items():
            if key and key in value:
                raise ConfigurationError(
                    f"{source_file}: env of {resource.name!r}: {name} contains the Runpod API key, "
                    "which stays on this machine; if a worker needs a key, pass one made for it"
                )
