"""``method`` and ``path`` of @remote."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_flash import CpuLiveLoadBalancer, FlashWarning, LiveLoadBalancer, LiveServerless, remote
from pytest_flash.errors import ConfigurationError
from pytest_flash.functions.declaration.routes import Route

LB = LiveLoadBalancer(name="routes-lb")
ROUTE = {"method": "POST", "path": "/x"}


def function() -> None: ...


@pytest.mark.parametrize("resource", [LB, CpuLiveLoadBalancer(name="routes-cpu")])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/x", "/items/{item}/parts", "/ping/all"])
def test_a_route_is_kept(resource: Any, method: str, path: str) -> None:
    made = remote(resource, method=method, path=path)(function)
    assert made.spec.route == Route(method, path)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"method": None}, "need method and path"),
        ({"path": None}, "need method and path"),
        ({"method": "post"}, "is none of GET, POST"),
        ({"method": "HEAD"}, "is none of GET, POST"),
        ({"method": 1}, "is none of GET, POST"),
        ({"path": "x"}, "must begin with '/'"),
        ({"path": ""}, "must begin with '/'"),
        ({"path": "/a b"}, "no space"),
        ({"path": "/a?b"}, "no space"),
        ({"path": 3}, "must begin with '/'"),
        ({"path": "/execute"}, "served by the Flash worker"),
        ({"path": "/ping"}, "served by the Flash worker"),
    ],
)
def test_a_route_that_cannot_be_served_is_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        remote(LB, **{**ROUTE, **changes})


@pytest.mark.parametrize("given", [ROUTE, {"method": "POST"}, {"path": "/x"}])
def test_a_queue_based_endpoint_has_no_routes(given: dict[str, Any]) -> None:
    with pytest.warns(FlashWarning, match="ignored: .*'queued' is a LiveServerless"):
        remote(LiveServerless(name="queued"), **given)
