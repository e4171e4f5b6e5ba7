"""Network volumes: storage that outlives workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator

from ..wire.choices import one_of
from ..wire.data_centers import DataCenter
from .base_model import Model
from .fields import Identifier, Name, whole


class NetworkVolume(Model):
    """A network volume, mounted at ``/runpod-volume`` in every worker.

    With ``id`` it is an existing one; without, the one of this name in its data center.
    ``size`` is in GB, from 10 to 4096 (REST v2 schema, ``CreateNetworkVolumeRequest``).
    """

    id: Identifier | None = None
    name: Name
    size: Annotated[int, whole(10, 4096)] = 100
    dataCenterId: Annotated[DataCenter, BeforeValidator(one_of("a data center", DataCenter))] = (
        DataCenter.EU_RO_1
    )

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            name: str,
            id: str | None = None,
            size: int = 100,
            dataCenterId: DataCenter | str = DataCenter.EU_RO_1,
        ) -> None: ...

    @property
    def known_data_center(self) -> DataCenter | None:
        """Where the volume is; None for an existing one of which only the id was given."""
        stated = self.id is None or "dataCenterId" in self.model_fields_set
        return self.dataCenterId if stated else None
