"""Names of the official SDK for what there is not here; each says what to use in its place."""

from __future__ import annotations

from typing import ClassVar

from ..errors import ConfigurationError


class _NotHere:
    _instead: ClassVar[str]

    def __init__(self, *_: object, **__: object) -> None:
        raise ConfigurationError(f"{type(self).__name__} cannot be used here: {self._instead}")


class ServerlessEndpoint(_NotHere):
    """An endpoint with an image of one's own, which runs no functions of an app."""

    _instead = (
        "it runs the handler of an image, not your functions; use LiveServerless, and for an image "
        "with what they need LiveServerless(template=PodTemplate(imageName=…))"
    )


class CpuServerlessEndpoint(_NotHere):
    """As ServerlessEndpoint, on CPUs."""

    _instead = (
        "it runs the handler of an image, not your functions; use CpuLiveServerless, and for an "
        "image with what they need CpuLiveServerless(template=PodTemplate(imageName=…))"
    )


class LoadBalancerSlsResource(_NotHere):
    """A load-balancing endpoint of a deployed app."""

    _instead = "it belongs to deployed apps; use LiveLoadBalancer"


class CpuLoadBalancerSlsResource(_NotHere):
    """As LoadBalancerSlsResource, on CPUs."""

    _instead = "it belongs to deployed apps; use CpuLiveLoadBalancer"


class ResourceManager(_NotHere):
    """What the official SDK keeps its endpoints with."""

    _instead = (
        "endpoints are made when their functions are first called, or by "
        "`flash run --auto-provision`, and deleted by `flash undeploy`"
    )


class FlashApp(_NotHere):
    """An app that is deployed to Runpod."""

    _instead = "apps are not deployed from here; use the official SDK for that, or serve the app"
