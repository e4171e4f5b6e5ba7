"""What an app imports: the ``@remote`` decorator and the resources it takes.

Names are loaded when they are first used, so ``import pytest_flash`` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # As type checkers see it; importing typing would cost as much as Python.

if TYPE_CHECKING:
    from .functions.calling.handle import JobHandle
    from .functions.decorator import RemoteFunction, remote
    from .resources import (
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
        ServerlessScalerType,
    )

__all__ = [
    "CpuInstanceType",
    "CpuLiveLoadBalancer",
    "CpuLiveServerless",
    "CudaVersion",
    "DataCenter",
    "GpuGroup",
    "GpuType",
    "JobHandle",
    "LiveLoadBalancer",
    "LiveServerless",
    "NetworkVolume",
    "PodTemplate",
    "RemoteFunction",
    "ServerlessScalerType",
    "remote",
]

_FUNCTIONS = {"JobHandle": "calling.handle", "RemoteFunction": "decorator", "remote": "decorator"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        import sys

        from .missing_names import missing_name

        raise missing_name(name, __all__, sys._getframe(1))
    from importlib import import_module

    from .shadowed_modules import own_finder

    own_finder()
    module = f"functions.{_FUNCTIONS[name]}" if name in _FUNCTIONS else "resources"
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
