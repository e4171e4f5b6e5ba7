"""What an app imports: the ``@remote`` decorator and the resources it takes.

Names are loaded when they are first used, so ``import pytest_flash`` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # As type checkers see it; importing typing would cost as much as Python.

if TYPE_CHECKING:
    from .errors import FlashWarning
    from .functions.calling.handle import JobHandle
    from .functions.decorator import RemoteFunction, remote
    from .functions.endpoint import Endpoint
    from .resources import (
        CpuInstanceType,
        CpuLiveLoadBalancer,
        CpuLiveServerless,
        CpuLoadBalancerSlsResource,
        CpuServerlessEndpoint,
        CudaVersion,
        DataCenter,
        FlashApp,
        GpuGroup,
        GpuType,
        LiveLoadBalancer,
        LiveServerless,
        LoadBalancerSlsResource,
        NetworkVolume,
        PodTemplate,
        ResourceManager,
        ServerlessEndpoint,
        ServerlessScalerType,
        ServerlessType,
    )

    __version__: str

__all__ = [
    "CpuInstanceType",
    "CpuLiveLoadBalancer",
    "CpuLiveServerless",
    "CpuLoadBalancerSlsResource",
    "CpuServerlessEndpoint",
    "CudaVersion",
    "DataCenter",
    "Endpoint",
    "FlashApp",
    "FlashWarning",
    "GpuGroup",
    "GpuType",
    "JobHandle",
    "LiveLoadBalancer",
    "LiveServerless",
    "LoadBalancerSlsResource",
    "NetworkVolume",
    "PodTemplate",
    "RemoteFunction",
    "ResourceManager",
    "ServerlessEndpoint",
    "ServerlessScalerType",
    "ServerlessType",
    "remote",
]

_ELSEWHERE = {
    "Endpoint": "functions.endpoint",
    "FlashWarning": "errors",
    "JobHandle": "functions.calling.handle",
    "RemoteFunction": "functions.decorator",
    "remote": "functions.decorator",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("pytest-flash")
    if name not in __all__:
        import sys

        from .missing_names import missing_name

        raise missing_name(name, __all__, sys._getframe(1))
    from importlib import import_module

    from .shadowed_modules import own_finder

    own_finder()
    module = import_module(f"{__name__}.{_ELSEWHERE.get(name, 'resources')}")
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
