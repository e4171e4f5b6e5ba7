"""Network volumes: storage that outlives workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

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
            datacenter: DataCenter | str | None = None,
        ) -> None:
            """Name a volume, which is created if there is none.

            ``name``: what it is called. ``id``: an existing one.
            ``size``: GB, 10 to 4096. ``dataCenterId`` or ``datacenter``: where it is, EU-RO-1;
            it reaches workers there only.

            Raises ConfigurationError, which lists every value that cannot work.
            """
            ...

    @classmethod
    def _translate(cls, said: dict[str, Any]) -> Iterator[str]:
        if "datacenter" in said:  # As the official SDK calls it from 1.2 on.
            said.setdefault("dataCenterId", said.pop("datacenter"))
        yield from super()._translate(said)

    @property
    def known_data_center(self) -> DataCenter | None:
        """Where the volume is; None for an existing one of which only the id was given."""
        stated = self.id is None or "dataCenterId" in self.model_fields_set
        return self.dataCenterId if stated else None
