"""Where apps of the official SDK look for what ``pytest_flash`` itself has.

The SDK (``runpod_flash`` 1.x, ``tetra_rp``) keeps its classes in ``core.resources`` as well.
"""

from __future__ import annotations

raise ModuleNotFoundError(
    "pytest_flash has no 'core': what runpod_flash.core.resources has is in pytest_flash itself. "
    "Write 'from pytest_flash import PodTemplate', and likewise for other names",
    name=__name__,
)
