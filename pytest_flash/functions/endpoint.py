"""``Endpoint`` of the official SDK 1.2 to 1.21: another way to write a resource and ``@remote``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ConfigurationError
from ..resources import (
    CpuInstanceType,
    CpuLiveLoadBalancer,
    CpuLiveServerless,
    CudaVersion,
    DataCenter,
    GpuGroup,
    GpuType,
    LiveLoadBalancer,
    LiveServerless,
    NetworkVolume,
    PodTemplate,
    ServerlessResource,
    ServerlessScalerType,
)
from ..resources.definition_warnings import warn
from .declaration.specs import REMOTE_MARK
from .decorator import RemoteDecorator, remote

_Gpus = GpuGroup | GpuType | str | Sequence[GpuGroup | GpuType | str] | None
_Cpus = CpuInstanceType | str | Sequence[CpuInstanceType | str] | None
# Endpoint of 1.21: what it has where nothing is said.
_WORKERS, _IDLE = (0, 1), 60


class Endpoint:
    """An endpoint, on GPUs unless ``cpu`` is given, and what its functions need.

    It is a decorator for one function of a queue-based endpoint. With ``@endpoint.post("/x")``,
    and the like for other methods, it is a load-balancing endpoint for as many as one likes.
    ``workers`` is the most, or the least and the most; ``idle_timeout`` is in seconds,
    ``execution_timeout_ms`` in milliseconds.

    Raises ConfigurationError for what cannot work: among that ``id`` and ``image``, which name an
    endpoint that runs no functions of this app.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        id: str | None = None,
        gpu: _Gpus = None,
        cpu: _Cpus = None,
        workers: int | tuple[int, int] | None = None,
        idle_timeout: int = _IDLE,
        dependencies: Sequence[str] | None = None,
        system_dependencies: Sequence[str] | None = None,
        accelerate_downloads: bool = True,
        volume: NetworkVolume | Sequence[NetworkVolume] | None = None,
        datacenter: DataCenter | str | Sequence[DataCenter | str] | None = None,
        env: Mapping[str, str] | None = None,
        gpu_count: int = 1,
        execution_timeout_ms: int = 0,
        flashboot: bool = True,
        image: str | None = None,
        scaler_type: ServerlessScalerType | None = None,
        scaler_value: int = 4,
        template: PodTemplate | None = None,
        min_cuda_version: CudaVersion | str | None = None,
        max_concurrency: int = 1,
    ) -> None:
        if id is not None or image is not None:
            raise ConfigurationError(
                f"Endpoint {name or id or image!r}: id and image name endpoints that run no "
                "functions of this app; call such an endpoint through Runpod's API, or give its "
                "image to functions with template=PodTemplate(imageName=…)"
            )
        if gpu is not None and cpu is not None:
            raise ConfigurationError(f"Endpoint {name!r}: give gpu or cpu, not both")
        self._name = name
        self._on_cpus = cpu is not None
        least, most = (0, workers) if isinstance(workers, int) else workers or _WORKERS
        fields: dict[str, Any] = {
            "workersMin": least,
            "workersMax": most,
            "idleTimeout": idle_timeout,
            "executionTimeoutMs": execution_timeout_ms,
            "flashboot": flashboot,
            "scalerType": scaler_type,
            "scalerValue": scaler_value,
            "env": env,
            "networkVolume": _volume(name, volume),
            "template": template,
            "datacenter": datacenter,
        }
        if self._on_cpus:
            fields["instanceIds"] = cpu
        else:
            fields |= {"gpus": gpu, "gpuCount": gpu_count}
            fields["cudaVersions"] = _from(name, min_cuda_version)
        self._fields = {key: value for key, value in fields.items() if value is not None}
        self._needs: dict[str, Any] = {
            "dependencies": dependencies,
            "system_dependencies": system_dependencies,
            "accelerate_downloads": accelerate_downloads,
        }
        self._resource: ServerlessResource | None = None
        if max_concurrency != 1:
            warn(
                f"Endpoint {name!r}: max_concurrency is ignored: a worker of a queue-based "
                "endpoint runs one job at a time here"
            )

    def __call__(self, function: Callable[..., Any], /) -> Any:
        """``function`` as one that runs on this endpoint, which is a queue-based one."""
        return self._remote(function.__name__)(function)

    def get(self, path: str) -> RemoteDecorator:
        """For a function at ``GET path``."""
        return self._route("GET", path)

    def post(self, path: str) -> RemoteDecorator:
        """For a function at ``POST path``."""
        return self._route("POST", path)

    def put(self, path: str) -> RemoteDecorator:
        """For a function at ``PUT path``."""
        return self._route("PUT", path)

    def patch(self, path: str) -> RemoteDecorator:
        """For a function at ``PATCH path``."""
        return self._route("PATCH", path)

    def delete(self, path: str) -> RemoteDecorator:
        """For a function at ``DELETE path``."""
        return self._route("DELETE", path)

    def _route(self, method: str, path: str) -> RemoteDecorator:
        if self._name is None:
            raise ConfigurationError("an Endpoint with routes needs a name: Endpoint(name=…)")
        return self._remote(self._name, method, path)

    def _remote(
        self, name: str, method: str | None = None, path: str | None = None
    ) -> RemoteDecorator:
        balanced = method is not None
        if self._resource is None:
            self._resource = _KINDS[self._on_cpus, balanced](
                **{"name": self._name or name, **self._fields}
            )
        if (self._resource.routing == "LOAD_BALANCER") is not balanced:
            raise ConfigurationError(
                f"Endpoint {self._resource.name!r} has functions with routes and one without; "
                "give the one without an Endpoint of its own"
            )
        return remote(self._resource, **self._needs, method=method, path=path)


# Shipped source is without the decorators that an Endpoint is or makes.
for _decorator in (Endpoint, *map(vars(Endpoint).get, ("get", "post", "put", "patch", "delete"))):
    setattr(_decorator, REMOTE_MARK, True)

_KINDS: Mapping[tuple[bool, bool], Callable[..., ServerlessResource]] = {
    (False, False): LiveServerless,
    (False, True): LiveLoadBalancer,
    (True, False): CpuLiveServerless,
    (True, True): CpuLiveLoadBalancer,
}


def _volume(
    name: str | None, given: NetworkVolume | Sequence[NetworkVolume] | None
) -> NetworkVolume | None:
    if given is None or isinstance(given, NetworkVolume):
        return given
    if len(given) > 1:
        raise ConfigurationError(
            f"Endpoint {name!r}: several volumes are for workers in several data centers, and "
            "workers run here in that of their volume; give one"
        )
    return given[0] if given else None


def _from(name: str | None, oldest: CudaVersion | str | None) -> list[CudaVersion] | None:
    if oldest is None:
        return None
    versions = list(CudaVersion)
    try:
        return versions[versions.index(CudaVersion(oldest)) :]
    except ValueError:
        known = ", ".join(versions)
        raise ConfigurationError(
            f"Endpoint {name!r}: min_cuda_version {oldest!r} is not a CUDA version ({known})"
        ) from None
