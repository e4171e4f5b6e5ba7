"""In place of py-cpuinfo for the scripts in this folder, which run on the official packages.

Runpod's worker imports it for the name of the processor, which it logs when it is debugged. To
find that name costs a second of processor time in every process, more than all the rest of a
worker's start; nothing here reads it.
"""

from __future__ import annotations

import platform


def get_cpu_info() -> dict[str, str]:
    """What the worker reads of it."""
    return {"brand_raw": platform.processor()}
