"""Inputs of ``saveEndpoint`` and ``saveTemplate`` as the bodies of REST v2 that mean the same.

The keys are those that runpod-flash 1.1.1 to 1.21.0 send; what has no counterpart in REST v2, such
as ``workersPFBTarget``, has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..server.http_errors import HttpError

Input = Mapping[str, Any]

# REST v2 has no "without limit"; the official SDKs send 0 for it.
_NO_TIMEOUT = 600_000
_TYPES = {"QB": "QUEUE", "LB": "LOAD_BALANCER"}
_FLASHBOOT_SUFFIX = "-fb"
_VCPUS = re.compile("[1-9][0-9]{0,2}")
KEY_VARIABLE = "RUNPOD_API_KEY"


def create_body(sent: Input, account_key: str) -> dict[str, Any]:
    """The body of ``POST /v2/serverless``. Raises HttpError 400 for an input it cannot be made of.

    CPUs with one vCPU, which REST v2 refuses, have two here: see ``vcpus``.
    """
    kind = _TYPES.get(sent.get("type") or "QB")
    if kind is None:
        raise HttpError(400, f"type must be QB or LB, not {sent['type']!r}")
    body = {"name": text(sent, "name"), "type": kind, **update_body(sent, kind, account_key)}
    body.setdefault("scaling", {"type": "REQUEST_COUNT", "requestCount": 4})
    if "cpu" not in body and "gpu" not in body:
        raise HttpError(400, "gpuIds or instanceIds must be given")
    return body


def update_body(sent: Input, kind: str, account_key: str) -> dict[str, Any]:
    """The body of a ``PATCH`` of an endpoint of this ``kind``; only what was sent is in it."""
    body: dict[str, Any] = {}
    if sent.get("name"):
        body["name"] = text(sent, "name")
    if sent.get("scalerType"):
        body["scaling"] = _scaling(sent)
    workers = _renamed(sent, workersMin="min", workersMax="max", idleTimeout="idleTimeout")
    if kind == "QUEUE" and sent.get("scalerType") == "REQUEST_COUNT":
        workers.pop("idleTimeout", None)
    if workers:
        body["workers"] = workers
    if sent.get("executionTimeoutMs") is not None:
        body["timeout"] = sent["executionTimeoutMs"] or _NO_TIMEOUT
    if sent.get("gpuIds"):
        body["gpu"] = _gpu(sent)
    if sent.get("instanceIds"):
        # As a set: cpu3c-1-2 and cpu3c-2-4 are one here.
        pairs = dict.fromkeys((flavor, max(count, 2)) for flavor, count in vcpus(sent))
        body["cpu"] = [{"id": flavor, "vcpuCount": count} for flavor, count in pairs]
    if sent.get("locations") is not None:
        body["dataCenterIds"] = _names(text(sent, "locations"))
    volumes = _volumes(sent)
    if volumes is not None:
        body["networkVolumes"] = volumes
    if sent.get("flashBootType"):
        body["flashboot"] = sent["flashBootType"]
    elif str(sent.get("name", "")).endswith(_FLASHBOOT_SUFFIX):
        body["flashboot"] = "FLASHBOOT"
    if sent.get("template") is not None:
        body |= container(_object(sent["template"], "template"), account_key)
    return body


def container(template: Input, account_key: str) -> dict[str, Any]:
    """What a template says of the container, for a body of REST v2.

    The account's own key is left out of ``env``: workers must not have it.
    """
    body = _renamed(template, imageName="image", dockerArgs="args")
    if template.get("containerDiskInGb"):
        body["disk"] = template["containerDiskInGb"]
    if template.get("ports") is not None:
        body["ports"] = _names(text(template, "ports"))
    if template.get("containerRegistryAuthId") is not None:
        body["registry"] = text(template, "containerRegistryAuthId") or None
    if template.get("env") is not None:
        pairs = [_object(each, "env") for each in _list(template["env"], "env")]
        env = {text(each, "key"): text(each, "value") for each in pairs}
        if env.get(KEY_VARIABLE) == account_key:
            del env[KEY_VARIABLE]
        body["env"] = env
    return body


def vcpus(sent: Input) -> list[tuple[str, int]]:
    """The CPU instances of an input, such as ``("cpu3c", 1)`` for ``cpu3c-1-2``."""
    found = []
    for name in _list(sent.get("instanceIds") or [], "instanceIds"):
        flavor, _, rest = str(name).partition("-")
        count = rest.partition("-")[0]
        if not _VCPUS.fullmatch(count):
            raise HttpError(400, f"{name!r} is not a CPU instance: <flavor>-<vCPUs>-<GB>")
        found.append((flavor, int(count)))
    return list(dict.fromkeys(found))


def text(sent: Input, name: str) -> str:
    """The string ``name`` of an input. Raises HttpError 400 where there is none."""
    value = sent.get(name)
    if not isinstance(value, str):
        raise HttpError(400, f"{name} must be a string")
    return value


def _scaling(sent: Input) -> dict[str, Any]:
    value = sent.get("scalerValue", 4)
    if sent["scalerType"] == "QUEUE_DELAY":
        return {"type": "QUEUE_DELAY", "queueDelay": value}
    return {"type": sent["scalerType"], "requestCount": value}


def _gpu(sent: Input) -> dict[str, Any]:
    # Sorted, since 1.1.1 sends a set in another order from each process: that is no change.
    names = sorted(_names(text(sent, "gpuIds")))
    gpu: dict[str, Any] = {
        "pools": [each for each in names if not each.startswith("-")],
        "excludedTypes": [each[1:] for each in names if each.startswith("-")],
        "count": sent.get("gpuCount") or 1,
    }
    allowed = _names(sent.get("allowedCudaVersions") or "")
    if allowed:
        gpu["allowedCudaVersions"] = allowed
    elif sent.get("minCudaVersion"):
        gpu["minCudaVersion"] = sent["minCudaVersion"]
    return gpu


def _volumes(sent: Input) -> list[str] | None:
    several = sent.get("networkVolumeIds")
    if several:
        each = [_object(item, "networkVolumeIds") for item in _list(several, "networkVolumeIds")]
        return [text(item, "networkVolumeId") for item in each]
    if sent.get("networkVolumeId"):
        return [text(sent, "networkVolumeId")]
    return [] if several == [] or sent.get("networkVolumeId") == "" else None


def _renamed(sent: Input, **names: str) -> dict[str, Any]:
    return {ours: sent[its] for its, ours in names.items() if sent.get(its) is not None}


def _names(value: object) -> list[str]:
    return [name for each in str(value).split(",") if (name := each.strip())]


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise HttpError(400, f"{name} must be a list")
    return value


def _object(value: object, name: str) -> Input:
    if not isinstance(value, dict):
        raise HttpError(400, f"{name} must be an object")
    return value
