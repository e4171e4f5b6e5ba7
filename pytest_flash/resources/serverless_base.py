"""What GPU and CPU endpoints have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ..wire.choices import Choice, one_of
from ..wire.data_centers import DataCenter
from .base_model import Model, nested
from .environment import leave_out_key
from .fields import DataCenters, Environment, Identifier, Name, whole
from .template import PodTemplate
from .volume import NetworkVolume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from typing_extensions import TypedDict

    class EndpointOptions(TypedDict, total=False):
        """Keywords that GPU and CPU endpoints share, as type checkers see them."""

        workersMin: int
        workersMax: int
        idleTimeout: int
        executionTimeoutMs: int
        env: Mapping[str, str]
        flashboot: bool
        scalerType: ServerlessScalerType | str
        scalerValue: int
        datacenter: DataCenter | str | Sequence[DataCenter | str]
        locations: str | Sequence[DataCenter | str]
        networkVolume: NetworkVolume | None
        networkVolumeId: str | None
        template: PodTemplate | None
        templateId: str | None


Routing = Literal["QUEUE", "LOAD_BALANCER"]
"""How calls reach a worker, in the words of REST v2's ``EndpointType``."""

_BY_RUNPOD = "Runpod fills it in"


class ServerlessType(Choice):
    """How the official SDK calls queue-based and load-balancing endpoints."""

    QB = "QB"
    LB = "LB"


def type_of(value: object) -> object:
    """The text of a member of an enum, ours or another; any other value as it is."""
    return getattr(value, "value", value)


class ServerlessScalerType(Choice):
    """What makes Runpod start workers: waiting time in the queue, or requests in flight."""

    QUEUE_DELAY = "QUEUE_DELAY"
    REQUEST_COUNT = "REQUEST_COUNT"


class ServerlessResource(Model):
    """An endpoint as user code describes it; make one of its subclasses, such as LiveServerless.

    Resources are hashable, compared by value, and immutable once they were used. ``idleTimeout``
    is in seconds, ``executionTimeoutMs`` in milliseconds (0: 10 minutes), ``scalerValue`` in
    seconds of delay or in requests for each worker.
    """

    _official_type: ClassVar[str] = "QB"

    name: Name
    workersMin: Annotated[int, whole(0)] = 0
    workersMax: Annotated[int, whole(0)] = 3
    idleTimeout: Annotated[int, whole(1, 3600)] = 5
    executionTimeoutMs: Annotated[int, whole(0)] = 0
    env: Environment = Field(default_factory=dict)
    flashboot: bool = True
    scalerType: Annotated[
        ServerlessScalerType, BeforeValidator(one_of("a scaler type", ServerlessScalerType))
    ] = ServerlessScalerType.QUEUE_DELAY
    scalerValue: Annotated[int, whole(1)] = 4
    datacenter: DataCenters = (DataCenter.EU_RO_1,)
    locations: DataCenters = ()
    networkVolume: Annotated[NetworkVolume, BeforeValidator(nested(NetworkVolume))] | None = None
    networkVolumeId: Identifier | None = None
    template: Annotated[PodTemplate, BeforeValidator(nested(PodTemplate))] | None = None
    templateId: Identifier | None = None

    @classmethod
    def _translate(cls, said: dict[str, Any]) -> Iterator[str]:
        if type_of(said.get("type")) == cls._official_type:
            del said["type"]
        yield from super()._translate(said)
        yield from leave_out_key(said)

    @classmethod
    def _ignored(cls) -> dict[str, str]:
        return {
            "id": _BY_RUNPOD,
            "aiKey": _BY_RUNPOD,
            "userId": _BY_RUNPOD,
            "createdAt": _BY_RUNPOD,
            "activeBuildid": _BY_RUNPOD,
            "computeType": _BY_RUNPOD,
            "hubRelease": _BY_RUNPOD,
            "repo": _BY_RUNPOD,
            "flashEnvironmentId": "it belongs to deployed Flash apps, which are not made here",
            "workersPFBTarget": "Runpod's REST API has nothing like it",
            "imageName": (
                "resources of this kind run the Flash image, in the official SDK too; for another "
                "one use template=PodTemplate(imageName=…)"
            ),
        }

    @classmethod
    def _refused(cls) -> dict[str, str]:
        return {
            "type": (
                f"is {cls._official_type} for every {cls.__name__}; queue-based endpoints (QB) "
                "are LiveServerless, load-balancing ones (LB) LiveLoadBalancer"
            ),
        }

    def __hash__(self) -> int:
        for each in (self, self.template, self.networkVolume):
            if each is not None:
                each._use()
        # Not over env and the like: equal resources have equal names, and names rarely repeat.
        return hash((type(self), self.name))

    @property
    @abstractmethod
    def compute(self) -> Literal["GPU", "CPU"]:
        """Which kind of worker runs the functions."""

    @property
    @abstractmethod
    def container_disk(self) -> int:
        """Container disk of a worker, in GB."""

    @property
    def routing(self) -> Routing:
        """How calls reach a worker."""
        return "QUEUE"

    @property
    def data_centers(self) -> tuple[DataCenter, ...]:
        """Where workers may run; empty for anywhere.

        What ``locations`` or ``datacenter`` says, else where the network volume is.
        """
        if "locations" in self.model_fields_set and self.locations:
            return self.locations
        volume = self.networkVolume.known_data_center if self.networkVolume else None
        if volume is not None and "datacenter" not in self.model_fields_set:
            return (volume,)
        return self.datacenter

    def _conflicts(self) -> Iterator[str]:
        yield from super()._conflicts()
        if self.workersMin > self.workersMax:
            yield f"workersMin: {self.workersMin} is more than workersMax, {self.workersMax}"
        yield from self._location_conflicts()
        if self.template is not None and self.templateId is not None:
            yield "templateId: give it or template, not both"
        volume = self.networkVolume
        if volume and self.networkVolumeId and volume.id != self.networkVolumeId:
            yield "networkVolumeId: names another volume than networkVolume; give one of them"

    def _location_conflicts(self) -> Iterator[str]:
        both = self.locations and "datacenter" in self.model_fields_set
        if both and set(self.locations) != set(self.datacenter):
            yield "locations: differs from datacenter; give one of them"
            return
        volume = self.networkVolume.known_data_center if self.networkVolume else None
        where = self.data_centers
        if volume is not None and where and set(where) != {volume}:
            yield (
                f"networkVolume: is in {volume} and reaches no worker elsewhere, but workers may "
                f"run in {', '.join(where)}; make dataCenterId of the volume and datacenter equal"
            )
