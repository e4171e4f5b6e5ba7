"""What a test gets from the plugin's fixtures, for annotations: ``def test_it(flash_jobs: Jobs)``.

``EmulatorControl`` sets faults of a ``flash emulator`` from a script as well, without pytest.

Names are loaded when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # As type checkers see it; importing typing costs time.

if TYPE_CHECKING:
    from ..emulator.client.control import (
        EmulatorControl,
        EndpointReport,
        JobReport,
        WorkerReport,
    )
    from ..progress import Job
    from ..runner.serving.app_server import ThreadServer as Server
    from .config import FlashConfig
    from .endpoints import Endpoints, Stub
    from .observing.jobs import Jobs
    from .session import FlashSession

__all__ = [
    "EmulatorControl",
    "EndpointReport",
    "Endpoints",
    "FlashConfig",
    "FlashSession",
    "Job",
    "JobReport",
    "Jobs",
    "Server",
    "Stub",
    "WorkerReport",
]

_CONTROL = "..emulator.client.control"
_MODULES = {
    **{
        name: (_CONTROL, name)
        for name in ("EmulatorControl", "EndpointReport", "JobReport", "WorkerReport")
    },
    "Endpoints": ("endpoints", "Endpoints"),
    "FlashConfig": ("config", "FlashConfig"),
    "Job": ("..progress", "Job"),
    "Jobs": ("observing.jobs", "Jobs"),
    "Server": ("..runner.serving.app_server", "ThreadServer"),
    "Stub": ("endpoints", "Stub"),
    "FlashSession": ("session", "FlashSession"),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _MODULES[name]
    relative = module if module.startswith(".") else f".{module}"
    value: object = getattr(import_module(relative, __name__), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
