"""Resources as Runpod's REST v2 sees them: the body that creates an endpoint, and drift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import ProvisioningError
from ..resources import (
    POOL_TYPES,
    CpuInstanceType,
    CpuLiveServerless,
    GpuGroup,
    GpuType,
    LiveServerless,
    ServerlessResource,
    ServerlessScalerType,
    pool_of,
)
from ..resources.environment import OWNER_VARIABLE, set_by_platform
from ..resources.fields import LIVE_PREFIX, bare_name

if TYPE_CHECKING:
    from ..wire.documents import QueueDelayScaling, RequestCountScaling
    from ..wire.requests import (
        Cpu,
        CreateEndpoint,
        CreateGpu,
        WorkerBounds,
    )

__all__ = [
    "OWNER_VARIABLE",
    "EndpointDrift",
    "FieldChange",
    "endpoint_patch",
    "endpoint_request",
    "live_name",
]

# "No limit" of the official SDK; REST v2 has none. 10 minutes is what Runpod's docs,
# send-requests, give as the default of a job.
_NO_TIMEOUT_MS = 600_000
_HIDDEN = "(hidden)"
# Flash SDK 1.19, core/resources/serverless: Runpod writes them into a load balancer's environment.
_PORTS = ("PORT", "PORT_HEALTH")
_CONTAINER = ("image", "disk", "args", "ports", "registry")


def live_name(name: str, namespace: str | None = None) -> str:
    """``live-<name>``, or ``live-<namespace>-<name>``; a leading ``live-`` is never doubled."""
    bare = bare_name(name)
    return LIVE_PREFIX + bare_name(f"{namespace}-{bare}" if namespace else bare)


def endpoint_request(
    resource: ServerlessResource,
    *,
    name: str,
    image: str,
    owner: str,
    volume_ids: Sequence[str] = (),
) -> CreateEndpoint:
    """The ``CreateEndpointRequest`` (REST v2 schema) that makes ``resource``'s endpoint.

    ``image`` is used unless the resource brings its own, ``owner`` goes into the workers'
    environment. ``volume_ids`` are the ids found for a network volume that is given by name;
    without them such a resource raises ProvisioningError.
    """
    request: CreateEndpoint = {
        "name": name,
        "type": resource.routing,
        "workers": _workers(resource),
        "scaling": _scaling(resource),
        "dataCenterIds": [str(place) for place in resource.data_centers],
        "networkVolumes": _volumes(resource, volume_ids),
        "timeout": resource.executionTimeoutMs or _NO_TIMEOUT_MS,
        "flashboot": "FLASHBOOT" if resource.flashboot else "OFF",
    }
    _add_container(request, resource, image, owner)
    if isinstance(resource, LiveServerless):
        request["gpu"] = _gpu(resource)
    elif isinstance(resource, CpuLiveServerless):
        request["cpu"] = [_cpu(each) for each in resource.instanceIds]
    else:
        raise TypeError(f"{type(resource).__name__} has no form in REST v2")
    return request


def _cpu(instance: CpuInstanceType) -> Cpu:
    return {"id": instance.flavor, "vcpuCount": instance.vcpus}


def _gpu(resource: LiveServerless) -> CreateGpu:
    pools, excluded = _pools(resource.gpus)
    gpu: CreateGpu = {"pools": pools, "count": resource.gpuCount}
    if excluded:
        gpu["excludedTypes"] = excluded
    if resource.cuda_versions:
        gpu["allowedCudaVersions"] = [str(version) for version in resource.cuda_versions]
    return gpu


def _pools(gpus: Sequence[GpuGroup | GpuType]) -> tuple[list[str], list[str]]:
    """Pool ids, and the GPU type ids to subtract from them.

    A pool counts whole when it is named itself; otherwise only its named types are kept.
    """
    whole = {gpu for gpu in gpus if isinstance(gpu, GpuGroup)}
    if not gpus or any(gpu.value == GpuGroup.ANY.value for gpu in gpus):
        return [str(pool) for pool in POOL_TYPES], []
    pools = dict.fromkeys(pool_of(gpu) if isinstance(gpu, GpuType) else gpu for gpu in gpus)
    excluded = [
        str(gpu)
        for pool in pools
        if pool not in whole
        for gpu in POOL_TYPES[pool]
        if gpu not in gpus
    ]
    return [str(pool) for pool in pools], excluded


def _add_container(
    request: CreateEndpoint, resource: ServerlessResource, image: str, owner: str
) -> None:
    template = resource.template
    if resource.templateId is not None:
        # Runpod fills in what the body leaves out from the template it names.
        request["templateId"] = resource.templateId
    else:
        request["image"] = (template and template.imageName) or image
        request["disk"] = resource.container_disk
    if template is not None and template.dockerArgs:
        request["args"] = template.dockerArgs
    if template is not None and template.ports:
        request["ports"] = list(template.ports)
    if template is not None and template.containerRegistryAuthId:
        request["registry"] = template.containerRegistryAuthId
    of_template = template.env if template is not None else {}
    request["env"] = {**of_template, **resource.env, OWNER_VARIABLE: owner}


def _workers(resource: ServerlessResource) -> WorkerBounds:
    workers: WorkerBounds = {"min": resource.workersMin, "max": resource.workersMax}
    # REST v2 rejects it for queue endpoints that scale on request count.
    by_count = resource.scalerType is ServerlessScalerType.REQUEST_COUNT
    if resource.routing != "QUEUE" or not by_count:
        workers["idleTimeout"] = resource.idleTimeout
    return workers


def _scaling(resource: ServerlessResource) -> QueueDelayScaling | RequestCountScaling:
    if resource.scalerType is ServerlessScalerType.REQUEST_COUNT:
        return {"type": "REQUEST_COUNT", "requestCount": resource.scalerValue}
    return {"type": "QUEUE_DELAY", "queueDelay": resource.scalerValue}


def _volumes(resource: ServerlessResource, found: Sequence[str]) -> list[str]:
    volume = resource.networkVolume
    given = resource.networkVolumeId or (volume.id if volume is not None else None)
    if volume is not None and given is None and not found:
        raise ProvisioningError(
            f"resource {resource.name!r}: its network volume {volume.name!r} is given by name "
            "and no id was found for it; create it in Runpod's console and give its id"
        )
    return list(dict.fromkeys([*([given] if given else []), *found]))


@dataclass(frozen=True)
class FieldChange:
    """One difference. ``field`` is a dotted path; values of ``env`` are hidden."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class EndpointDrift:
    """How an endpoint differs from what is wanted.

    ``patch`` is the ``UpdateEndpointRequest`` that removes the difference, empty when there is
    none. Where ``recreate`` gives a reason, no patch can, and the endpoint has to be made anew.
    """

    changes: tuple[FieldChange, ...] = ()
    patch: dict[str, Any] = field(default_factory=dict, repr=False)
    recreate: str | None = None


def endpoint_patch(
    current: Mapping[str, Any],
    wanted: Mapping[str, Any],
    recorded: Mapping[str, Any] | None = None,
) -> EndpointDrift:
    """Compare an ``Endpoint`` answer with the ``CreateEndpointRequest`` it should come from.

    The order of lists, defaults spelled out, variables that Runpod sets in workers, and what
    only Runpod fills in are no difference. Settings taken from a ``templateId`` cannot be told
    from an answer and are not compared; whether it is another one says ``recorded``, the request
    that was carried out last, if that is known.
    """
    final = _immutable_change(current, wanted)
    if final is not None:
        reason = f"{final.field} cannot be changed from {final.old} to {final.new}"
        return EndpointDrift((final,), {}, reason)
    old, new = _settings(current), _settings(wanted)
    changed = [key for key in new if key in old and old[key] != new[key]]
    if new["workers.idleTimeout"] is None:
        changed = [key for key in changed if key != "workers.idleTimeout"]
    changes = [FieldChange(key, old[key], new[key]) for key in changed]
    patch = _patch(changed, new)
    template = list(_template_change(recorded, wanted))
    env = list(_env_changes(current, wanted))
    if env or template:
        # Runpod adds the ports once, at the creation.
        kept = {key: value for key, value in current.get("env", {}).items() if key in _PORTS}
        ports = kept if wanted["type"] == "LOAD_BALANCER" else {}
        patch["env"] = {**ports, **wanted.get("env", {})}
        # An env replaces the old one whole; named again, the template contributes its part.
        patch |= {"templateId": wanted["templateId"]} if "templateId" in wanted else {}
    return EndpointDrift((*changes, *template, *env), patch)


def _immutable_change(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> FieldChange | None:
    if current.get("type", wanted["type"]) != wanted["type"]:
        return FieldChange("type", current["type"], wanted["type"])
    has, needs = ("CPU" if document.get("cpu") else "GPU" for document in (current, wanted))
    return None if has == needs else FieldChange("compute", has, needs)


def _template_change(
    recorded: Mapping[str, Any] | None, wanted: Mapping[str, Any]
) -> Iterator[FieldChange]:
    if recorded is not None and "templateId" in wanted:
        applied = recorded.get("templateId")
        if applied != wanted["templateId"]:
            yield FieldChange("templateId", applied, wanted["templateId"])


def _settings(document: Mapping[str, Any]) -> dict[str, Any]:
    """What can be changed, by dotted path, in one form for requests and answers.

    Defaults are those of ``CreateEndpointRequest``. What has no default there, or comes from a
    template, is left out unless the document states it.
    """
    templated = "templateId" in document
    unstated: dict[str, Any] = {} if templated else {"args": "", "ports": [], "registry": None}
    container = {key: document[key] for key in _CONTAINER if key in document}
    if "ports" in container:
        container["ports"] = sorted(container["ports"])
    return {
        "name": document["name"],
        **unstated,
        **container,
        **_compute_settings(document, templated),
        **_worker_settings(document),
        "dataCenterIds": sorted(document.get("dataCenterIds", [])),
        "networkVolumes": sorted(document.get("networkVolumes", [])),
        "timeout": document.get("timeout", 300_000),
        "flashboot": document.get("flashboot", "OFF"),
    }


def _compute_settings(document: Mapping[str, Any], templated: bool) -> dict[str, Any]:
    if document.get("cpu"):
        # Answers add the memory that follows from the rest.
        cpu = [{"id": each["id"], "vcpuCount": each["vcpuCount"]} for each in document["cpu"]]
        return {"cpu": sorted(cpu, key=lambda each: (each["id"], each["vcpuCount"]))}
    gpu = document.get("gpu") or {}
    settings = {
        "gpu.pools": sorted(gpu.get("pools", [])),
        "gpu.excludedTypes": sorted(each.strip() for each in gpu.get("excludedTypes", [])),
        "gpu.count": gpu.get("count", 1),
        "gpu.allowedCudaVersions": sorted(gpu.get("allowedCudaVersions", [])),
        "gpu.minCudaVersion": gpu.get("minCudaVersion") or "",
    }
    if templated and "allowedCudaVersions" not in gpu:
        del settings["gpu.allowedCudaVersions"]
    return settings


def _worker_settings(document: Mapping[str, Any]) -> dict[str, Any]:
    workers, scaling = document.get("workers", {}), document["scaling"]
    by_count = (document.get("type", "QUEUE"), scaling["type"]) == ("QUEUE", "REQUEST_COUNT")
    return {
        "workers.min": workers.get("min", 0),
        "workers.max": workers.get("max", 3),
        "workers.idleTimeout": None if by_count else workers.get("idleTimeout", 10),
        "scaling": dict(scaling),
    }


def _patch(changed: Sequence[str], new: Mapping[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for key in changed:
        parent, _, child = key.partition(".")
        if not child:
            patch[key] = new[key]
        elif parent == "workers":
            bounds = ("min", "max", "idleTimeout")
            patch[parent] = {each: new[f"workers.{each}"] for each in bounds}
        else:
            patch.setdefault(parent, {})[child] = new[key]
    if "workers" in patch and patch["workers"]["idleTimeout"] is None:
        del patch["workers"]["idleTimeout"]
    if {"pools", "excludedTypes"} & patch.get("gpu", {}).keys():
        # One selection in REST v2: either alone is refused, or widens what the other narrowed.
        patch["gpu"] |= {key: new[f"gpu.{key}"] for key in ("pools", "excludedTypes")}
    return patch


def _env_changes(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[FieldChange]:
    old, new = current.get("env", {}), wanted.get("env", {})
    for name in sorted(old.keys() | new.keys()):
        given = set_by_platform(name) or (name in _PORTS and wanted["type"] == "LOAD_BALANCER")
        if name not in new and (given or "templateId" in wanted):
            continue
        if old.get(name) != new.get(name):
            shown = (_HIDDEN if name in env else None for env in (old, new))
            yield FieldChange(f"env.{name}", *shown)
