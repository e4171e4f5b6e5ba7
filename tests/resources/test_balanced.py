"""Load-balancing resources: what is theirs, and what they share with queue-based ones."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_flash.errors import ConfigurationError
from pytest_flash.provisioner.request_and_drift import endpoint_patch, endpoint_request
from pytest_flash.resources import (
    CpuLiveLoadBalancer,
    CpuLiveServerless,
    LiveLoadBalancer,
    LiveServerless,
    ServerlessResource,
)

Gpu: Any = LiveLoadBalancer
Cpu: Any = CpuLiveLoadBalancer


def request(resource: ServerlessResource) -> dict[str, Any]:
    return dict(endpoint_request(resource, name="live-x", image="img", owner="p/default"))


@pytest.mark.parametrize("make", [Gpu, Cpu])
def test_they_scale_on_requests_and_have_an_idle_timeout(make: Any) -> None:
    body = request(make(name="x", scalerValue=2, idleTimeout=7))
    assert body["type"] == "LOAD_BALANCER"
    assert body["scaling"] == {"type": "REQUEST_COUNT", "requestCount": 2}
    assert body["workers"] == {"min": 0, "max": 3, "idleTimeout": 7}
    assert make(name="x", type="LB", scalerType="REQUEST_COUNT") == make(name="x")


@pytest.mark.parametrize(
    ("make", "fields", "expected"),
    [
        (Cpu, {"scalerType": "SOMETHING"}, "is not a scaler type"),
        (Gpu, {"type": "OTHER"}, "type: is LB for every LiveLoadBalancer"),
    ],
)
def test_what_cannot_work_is_refused(make: Any, fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(name="app", **fields)
    (line,) = str(caught.value).splitlines()[1:]
    assert expected in line


@pytest.mark.parametrize(("make", "queued"), [(Gpu, LiveServerless), (Cpu, CpuLiveServerless)])
def test_a_change_between_queue_and_load_balancer_means_recreation(make: Any, queued: Any) -> None:
    assert make(name="x") != queued(name="x", scalerType="REQUEST_COUNT")
    drift = endpoint_patch(request(queued(name="x")), request(make(name="x")))
    assert drift.recreate == "type cannot be changed from QUEUE to LOAD_BALANCER"
    assert drift.patch == {}


def test_the_ports_that_runpod_adds_are_no_drift_and_survive_a_change() -> None:
    before = request(Gpu(name="x", env={"A": "1"}))
    ports = {"PORT": "80", "PORT_HEALTH": "80"}
    endpoint = {**before, "env": {**before["env"], **ports}}
    assert endpoint_patch(endpoint, before).changes == ()

    after = request(Gpu(name="x", env={"A": "2", "PORT": "8000"}))
    drift = endpoint_patch(endpoint, after)
    assert [change.field for change in drift.changes] == ["env.A", "env.PORT"]
    assert drift.patch["env"] == {**after["env"], "PORT_HEALTH": "80"}


def test_ports_of_a_queue_endpoint_are_drift() -> None:
    wanted = request(LiveServerless(name="x"))
    endpoint = {**wanted, "env": {**wanted["env"], "PORT": "80"}}
    assert [change.field for change in endpoint_patch(endpoint, wanted).changes] == ["env.PORT"]
