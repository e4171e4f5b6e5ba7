"""The network volumes of one emulator: what they are called, and the folder that each is."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..server.daemon_threads import in_thread
from ..server.http_errors import HttpError
from .ids import new_id

if TYPE_CHECKING:
    from ...wire import documents
    from ...wire.data_centers import VolumeType
    from ...wire.requests import CreateVolume, UpdateVolume

# REST v2 leaves the default to the data center and does not say which has which.
_DEFAULT_TYPE: VolumeType = "STANDARD"


@dataclass(frozen=True)
class EmulatedVolume:
    """One network volume. ``size`` in GB; here it limits nothing."""

    id: str
    name: str
    size: int
    data_center: str
    type: VolumeType

    def document(self) -> documents.NetworkVolume:
        """Schema ``NetworkVolume``."""
        return {
            "id": self.id,
            "name": self.name,
            "size": self.size,
            "dataCenter": self.data_center,
            "type": self.type,
        }


class EmulatedVolumes:
    """The volumes by id, each a folder in ``parent``.

    They change on one event loop; ``folder_of`` may be called in any thread.
    """

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._volumes: dict[str, EmulatedVolume] = {}

    def all(self) -> list[EmulatedVolume]:
        """Every volume, in the order of their creation."""
        return list(self._volumes.values())

    def get(self, volume_id: str) -> EmulatedVolume:
        """The volume of this id. Raises HttpError 404."""
        try:
            return self._volumes[volume_id]
        except KeyError:
            raise HttpError(404, f"network volume {volume_id!r} not found") from None

    def create(self, body: CreateVolume) -> EmulatedVolume:
        """Make the volume that a create request asks for, and its folder."""
        volume = EmulatedVolume(
            new_id(),
            body["name"],
            body["size"],
            body["dataCenter"],
            body.get("type", _DEFAULT_TYPE),
        )
        self._folder(volume.id).mkdir(mode=0o700, parents=True)
        self._volumes[volume.id] = volume
        return volume

    def update(self, volume_id: str, body: UpdateVolume) -> EmulatedVolume:
        """Change what a patch names. Raises HttpError 404, and 400 for a size below the present.

        REST v2, "Update a network volume": storage cannot be reduced.
        """
        volume = self.get(volume_id)
        size = body.get("size", volume.size)
        if size < volume.size:
            raise HttpError(400, f"size cannot be reduced, from {volume.size} GB to {size} GB")
        volume = replace(volume, name=body.get("name", volume.name), size=size)
        self._volumes[volume_id] = volume
        return volume

    async def remove(self, volume_id: str) -> None:
        """Forget a volume and delete what is on it. Raises HttpError 404."""
        self.get(volume_id)
        del self._volumes[volume_id]
        await in_thread(partial(shutil.rmtree, self._folder(volume_id), ignore_errors=True))

    def require(self, volume_ids: Iterable[str]) -> None:
        """Raise HttpError 400 when an endpoint is to have a volume that does not exist.

        A 404 would tell who patches an endpoint that the endpoint is gone.
        """
        for volume_id in volume_ids:
            if volume_id not in self._volumes:
                raise HttpError(400, f"networkVolumes: there is no network volume {volume_id!r}")

    def folder_of(self, volume_id: str) -> Path | None:
        """Where a volume's files are; None when it has been deleted."""
        return self._folder(volume_id) if volume_id in self._volumes else None

    def _folder(self, volume_id: str) -> Path:
        return self._parent / volume_id
