"""Endpoints as GraphQL shows them: the types ``Endpoint`` and ``Template``, as far as official
SDKs select their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...wire.cpus import GB_PER_VCPU
from ..account.desired_workers import RequestCount
from ..account.endpoint_views import timestamp

if TYPE_CHECKING:
    from ..account.endpoint_records import EndpointRecord

_TEMPLATE = "template-"


def template_id(endpoint_id: str) -> str:
    """The id of an endpoint's template: each has one of its own."""
    return _TEMPLATE + endpoint_id


def endpoint_of_template(template: str) -> str:
    """The id of the endpoint that has this template; not always one that exists."""
    return template.removeprefix(_TEMPLATE)


def endpoint_object(record: EndpointRecord) -> dict[str, Any]:
    """Type ``Endpoint``.

    ``aiKey`` is null, so that the account's key is used; ``idleTimeout`` is in seconds.
    """
    counted = isinstance(record.scaling, RequestCount)
    value = record.scaling.value if counted else record.scaling.seconds  # type: ignore[union-attr]
    gpu, volumes = record.gpu, list(record.volumes)
    excluded = [f"-{each}" for each in gpu.excluded] if gpu else []
    return {
        "id": record.id,
        "name": record.name,
        "type": "QB" if record.type == "QUEUE" else "LB",
        "templateId": template_id(record.id),
        "template": template_object(record),
        "version": record.version,
        "workersMin": record.workers_min,
        "workersMax": record.workers_max,
        "workersStandby": record.workers_min,
        "workersPFBTarget": 0,
        "idleTimeout": record.idle_timeout,
        "scalerType": "REQUEST_COUNT" if counted else "QUEUE_DELAY",
        "scalerValue": int(value),
        "executionTimeoutMs": record.timeout,
        "gpuIds": ",".join([*gpu.pools, *excluded]) if gpu else "",
        "gpuCount": gpu.count if gpu else 0,
        "allowedCudaVersions": ",".join(gpu.allowed_cuda) if gpu else "",
        "minCudaVersion": gpu.min_cuda if gpu else None,
        "instanceIds": [
            f"{each.id}-{each.vcpus}-{each.vcpus * GB_PER_VCPU[each.id]}" for each in record.cpu
        ]
        or None,
        "locations": ",".join(record.data_centers),
        "networkVolumeId": volumes[0] if volumes else None,
        "networkVolumeIds": [{"networkVolumeId": each, "dataCenterId": None} for each in volumes],
        "flashBootType": record.flashboot,
        "env": _env(record),
        "createdAt": timestamp(record.created_at),
        **dict.fromkeys(("aiKey", "userId", "flashEnvironmentId", "activeBuildid", "idePodId")),
    }


def template_object(record: EndpointRecord) -> dict[str, Any]:
    """Type ``Template``, ``containerDiskInGb`` in GB."""
    return {
        "id": template_id(record.id),
        "name": record.name,
        "imageName": record.container.image,
        "dockerArgs": record.container.args,
        "containerDiskInGb": record.container.disk,
        "env": _env(record),
        "readme": "",
    }


def _env(record: EndpointRecord) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in record.container.env.items()]
