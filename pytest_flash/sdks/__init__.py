"""Apps of the official SDKs (``runpod_flash``, ``tetra_rp``, ``runpod`` 2.x) in our processes.

They go to Runpod's cloud by themselves, with any key that is around. Here they are kept from it
unless the command line says ``--live`` or ``--flash-live``: ``import_finder`` notices their import,
``keep_off_cloud`` closes the ways out, and ``official_functions`` finds what of an app would run
there.

Loaded by every pytest run on the machine, as ``import_finder`` is: nothing else is imported here.
"""

from __future__ import annotations

import sys

MODULES = ("runpod_flash", "tetra_rp", "runpod.apps")
"""What makes functions of an app run on Runpod. ``runpod`` alone is a client, or a handler."""


def loaded() -> tuple[str, ...]:
    """Those that this process has imported."""
    return tuple(each for each in MODULES if each in sys.modules)


def is_official(module: str) -> bool:
    """Whether ``module`` is one of them, or inside one."""
    return any(module == each or module.startswith(f"{each}.") for each in MODULES)
