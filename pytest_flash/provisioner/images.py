"""Which worker image an endpoint runs."""

from __future__ import annotations

import sys

from ..errors import SettingsError
from ..resources import ServerlessResource
from ..settings import Environment

# Official SDK 1.19: repositories, override variables, tag form and supported Pythons.
_REPOSITORIES = {
    ("QUEUE", "GPU"): "runpod/flash",
    ("QUEUE", "CPU"): "runpod/flash-cpu",
    ("LOAD_BALANCER", "GPU"): "runpod/flash-lb",
    ("LOAD_BALANCER", "CPU"): "runpod/flash-lb-cpu",
}
_OVERRIDES = {
    ("QUEUE", "GPU"): "FLASH_GPU_IMAGE",
    ("QUEUE", "CPU"): "FLASH_CPU_IMAGE",
    ("LOAD_BALANCER", "GPU"): "FLASH_LB_IMAGE",
    ("LOAD_BALANCER", "CPU"): "FLASH_CPU_LB_IMAGE",
}
_TAG = "FLASH_IMAGE_TAG"
_OLDEST, _NEWEST = (3, 10), (3, 13)


def image_for(
    resource: ServerlessResource,
    environment: Environment,
    *,
    live: bool,
    python: tuple[int, int] = sys.version_info[:2],
) -> str:
    """The image of ``resource``: ``runpod/flash:py3.11-latest`` and the like.

    Live, ``FLASH_GPU_IMAGE`` and its like replace it whole; the embedded Runpod runs its own
    worker in place of any. Function calls travel pickled, so the worker's Python is this one,
    ``python``; live raises SettingsError where no official image has it.
    """
    kind = (resource.routing, resource.compute)
    if live and (override := image_override(resource, environment)):
        return override
    if live and not _OLDEST <= python <= _NEWEST:
        raise SettingsError(
            f"there is no Flash worker image for Python {python[0]}.{python[1]} (only "
            f"{_OLDEST[0]}.{_OLDEST[1]} to {_NEWEST[0]}.{_NEWEST[1]}); run the app with one of "
            f"those, or name an image of your own in {_OVERRIDES[kind]}"
        )
    tag = environment.value(_TAG) or "latest"
    return f"{_REPOSITORIES[kind]}:py{python[0]}.{python[1]}-{tag}"


def image_override(resource: ServerlessResource, environment: Environment) -> str | None:
    """The image that the environment names in place of the official one, live."""
    return environment.value(_OVERRIDES[resource.routing, resource.compute])
