"""Network volumes that resources give by name: found on the account, created when allowed."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from ..errors import ProvisioningError
from ..resources import NetworkVolume, ServerlessResource
from ..runpod import ManagementClient
from ..runpod.models import Volume


class AccountVolumes:
    """The account's network volumes. ``create`` says that missing ones may simply be made."""

    def __init__(self, client: ManagementClient, *, create: bool) -> None:
        self._client = client
        self._create = create
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Volume] | None = None

    def ids(self, resource: ServerlessResource) -> tuple[str, ...]:
        """The id of the volume that ``resource`` names; empty when it names none.

        Raises ProvisioningError for one that does not exist and may not be created.
        """
        volume = _named(resource)
        if volume is None:
            return ()
        with self._lock:
            found = self._listed().get(_key(volume))
            if found is None and self._create:
                found = self._made(volume)
        if found is None:
            raise ProvisioningError(
                f"resource {resource.name!r}: there is no network volume {volume.name!r} in "
                f"{volume.dataCenterId.value}. 'flash run --auto-provision' creates it after "
                "asking; a volume is billed until someone deletes it"
            )
        return (found.id,)

    def missing(self, resources: Iterable[ServerlessResource]) -> tuple[NetworkVolume, ...]:
        """The volumes that ``resources`` name and that do not exist, each once."""
        named = {_key(each): each for each in map(_named, resources) if each is not None}
        if not named:
            return ()
        with self._lock:
            listed = self._listed()
        return tuple(volume for key, volume in named.items() if key not in listed)

    def make(self, volume: NetworkVolume) -> Volume:
        """Create a missing volume. It is never deleted by us."""
        with self._lock:
            return self._listed().get(_key(volume)) or self._made(volume)

    def _listed(self) -> dict[tuple[str, str], Volume]:
        if self._known is None:
            listed = self._client.network_volumes()
            self._known = {(each.name, each.data_center): each for each in listed}
        return self._known

    def _made(self, volume: NetworkVolume) -> Volume:
        made = self._client.create_network_volume(
            volume.name, volume.size, volume.dataCenterId.value
        )
        self._listed()[_key(volume)] = made
        return made


def _named(resource: ServerlessResource) -> NetworkVolume | None:
    volume = resource.networkVolume
    return volume if volume is not None and volume.id is None else None


def _key(volume: NetworkVolume) -> tuple[str, str]:
    return volume.name, volume.dataCenterId.value
