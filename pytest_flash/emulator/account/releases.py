"""The versions that an endpoint has had, as the management plane shows them (REST v2 schemas)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ...clock import utc_now
from .endpoint_views import WorkerView, timestamp
from .ids import new_id

if TYPE_CHECKING:
    from ...wire import documents
    from .endpoint_records import EndpointRecord

_KEPT = 100


@dataclass(frozen=True)
class Release:
    """One version of an endpoint: its configuration at that time."""

    record: EndpointRecord
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=utc_now)


class Releases:
    """The latest versions of one endpoint, the newest last."""

    def __init__(self, record: EndpointRecord) -> None:
        # One more than are shown, to tell what the oldest of those changed.
        self._releases = deque([Release(record, created_at=record.created_at)], maxlen=_KEPT + 1)

    def follow(self, record: EndpointRecord) -> None:
        """Note a changed configuration: a release, if it is a new version."""
        if record.version != self._releases[-1].record.version:
            self._releases.append(Release(record))

    def document(self, record: EndpointRecord, workers: Sequence[WorkerView]) -> documents.Releases:
        """Schema ``ListEndpointReleasesResponse``; ``workers`` are the endpoint's own."""
        running = Counter(worker.version for worker in workers)
        latest, total = running[record.version], len(workers)
        shown = [*_with_changes(self._releases)][-_KEPT:]
        return {
            "endpointVersion": record.version,
            "rollout": {
                "inProgress": latest < total,
                "workersOnLatest": latest,
                "workersTotal": total,
                "percentOnLatest": 100 * latest // total if total else 0,
            },
            "releases": [
                {
                    "id": release.id,
                    "version": release.record.version,
                    "source": "MANUAL",
                    "buildId": None,
                    "createdByUserId": None,
                    "workerCount": running[release.record.version],
                    "createdAt": timestamp(release.created_at),
                    "diff": diff,
                }
                for release, diff in reversed(shown)
            ],
        }


def _with_changes(
    releases: Iterable[Release],
) -> Iterator[tuple[Release, list[documents.Change]]]:
    every = [*releases]
    yield every[0], []
    for before, after in pairwise(every):
        old, new = _fields(before.record), _fields(after.record)
        yield (
            after,
            [
                {"field": name, "old": old[name], "new": new[name]}
                for name in new
                if old[name] != new[name]
            ],
        )


def _fields(record: EndpointRecord) -> dict[str, Any]:
    """The configuration by field names: documented ones, such as ``template.imageName`` and
    ``gpuCount``, else GraphQL's of the template and REST v2's own."""
    container, gpu = record.container, record.gpu
    return {
        "name": record.name,
        "template.imageName": container.image,
        "template.dockerArgs": container.args,
        "template.containerDiskInGb": container.disk,
        "template.env": dict(container.env),
        "template.ports": list(container.ports),
        "template.containerRegistryAuthId": container.registry,
        "gpu.pools": list(gpu.pools) if gpu else None,
        "gpu.excludedTypes": list(gpu.excluded) if gpu else None,
        "gpuCount": gpu.count if gpu else None,
        "gpu.allowedCudaVersions": list(gpu.allowed_cuda) if gpu else None,
        "gpu.minCudaVersion": gpu.min_cuda if gpu else None,
        "cpu": [asdict(each) for each in record.cpu],
        "workers.min": record.workers_min,
        "workers.max": record.workers_max,
        "workers.idleTimeout": record.idle_timeout if record.has_idle_timeout else None,
        "scaling": {"type": type(record.scaling).__name__, **asdict(record.scaling)},
        "locations": list(record.data_centers),
        "networkVolumes": list(record.volumes),
        "timeout": record.timeout,
        "flashboot": record.flashboot,
    }
