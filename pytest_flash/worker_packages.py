"""What workers have before any function declares something, as far as it is known."""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path

from .emulator.startup.config import Preinstalled, load_preinstalled
from .functions.declaration.specs import FunctionSpec
from .functions.shipping.loaded_source import LoadedTexts
from .functions.shipping.payload import Shipping
from .functions.shipping.source_facts import KnownSources
from .provisioner.images import image_override
from .settings import API_KEY, Environment
from .target import Target


class WorkerPackages:
    """The packages of the images that functions run on, for one project and target."""

    def __init__(self, project: Path, environment: Environment, *, live: bool) -> None:
        self._project = project
        self._environment = environment
        self._live = live

    def __call__(self, spec: FunctionSpec) -> Collection[str] | None:
        """Requirements that the image of ``spec`` brings; None for an image of the user's own.

        The project may say so for the embedded Runpod (``preinstalled``); a live worker has no
        less, and a function that relies on more would fail on one of the two.
        """
        template = spec.resource.template
        if template is not None and template.imageName:
            return None
        if self._live and image_override(spec.resource, self._environment):
            return None
        return self._preinstalled.gpu if spec.resource.compute == "GPU" else self._preinstalled.cpu

    @functools.cached_property
    def _preinstalled(self) -> Preinstalled:
        return load_preinstalled(self._project)


def shipping_to(
    target: Target,
    project: Path,
    environment: Environment,
    texts: LoadedTexts,
    known: KnownSources | None = None,
) -> Shipping:
    """What finds out what functions need, for workers of ``target``: of modules that are loaded
    here, their ``texts``; ``known`` is what these tell.

    Neither its key nor the one in the environment may travel.
    """
    secrets = [each for each in (target.api_key, environment.value(API_KEY)) if each]
    texts.keep()
    return Shipping(
        secrets, WorkerPackages(project, environment, live=target.is_live), texts, known
    )
