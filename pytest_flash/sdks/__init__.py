"""Apps of the official SDKs (``runpod_flash``, ``tetra_rp``, ``runpod`` 2.x) in our processes.

They go to Runpod's cloud by themselves, with any key that is around. Here ``import_finder`` notices
their import. On the embedded Runpod ``emulator_host`` leads ``runpod_flash`` to the emulator. All
else is kept off the cloud, the others unless the command line says ``--live`` or ``--flash-live``:
``keep_off_cloud`` closes the ways out, and ``official_functions`` finds what would run there.

Loaded by every pytest run on the machine, as ``import_finder`` is: nothing else is imported here.
"""

from __future__ import annotations

import sys

MODULES = ("runpod_flash", "tetra_rp", "runpod.apps")
"""What makes functions of an app run on Runpod. ``runpod`` alone is a client, or a handler."""

GUESTS = MODULES[:1]
"""Those that can run on the embedded Runpod."""


def loaded() -> tuple[str, ...]:
    """Those that this process has imported."""
    return tuple(each for each in MODULES if each in sys.modules)


def is_official(module: str) -> bool:
    """Whether ``module`` is one of them, or inside one."""
    return any(module == each or module.startswith(f"{each}.") for each in MODULES)
