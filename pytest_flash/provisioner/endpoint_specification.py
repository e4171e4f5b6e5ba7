"""From a resource to the endpoint that it wants, for one owner on one target."""

from __future__ import annotations

from dataclasses import dataclass

from ..resources import ServerlessResource
from ..settings import Environment
from .account_volumes import AccountVolumes
from .images import image_for
from .key_in_configuration import refuse_key, refuse_key_in
from .owner import Owner
from .plan import Wanted
from .request_and_drift import endpoint_request

_UNMADE = "(to be created)"


@dataclass(frozen=True)
class EndpointSpecification:
    """What decides an endpoint's request besides the resource itself."""

    owner: Owner
    environment: Environment
    volumes: AccountVolumes
    live: bool

    def wanted(self, resource: ServerlessResource, source_file: str) -> Wanted:
        """The endpoint that ``resource`` wants.

        Raises ConfigurationError, before anything is sent, where the Runpod key stands in it;
        ProvisioningError for a network volume that does not exist, SettingsError when there is no
        image for this Python.
        """
        refuse_key(resource, source_file, self.environment.key)
        return self._wanted(resource, source_file, self.volumes.ids(resource))

    def drafted(self, resource: ServerlessResource, source_file: str) -> Wanted:
        """As ``wanted``, for a plan: a missing volume stands in it under a placeholder."""
        refuse_key(resource, source_file, self.environment.key)
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
        # Once more: the owner's mark and the image are not the resource's.
        refuse_key_in(request, resource.name, source_file, self.environment.key)
        return Wanted(resource, request, source_file, self.owner.former_marker)
