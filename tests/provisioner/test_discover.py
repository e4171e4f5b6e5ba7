"""From decorated functions to the resources of an app."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flash import CpuLiveServerless, LiveServerless
from pytest_flash.errors import ConfigurationError
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.provisioner.discover import discover
from pytest_flash.resources import ServerlessResource


def spec(resource: ServerlessResource, file: str = "/app/main.py", line: int = 1) -> FunctionSpec:
    def function() -> None: ...

    return FunctionSpec(function, resource, (), (), True, file, line)


def test_functions_on_equal_resources_share_one() -> None:
    first, second = spec(LiveServerless(name="a")), spec(LiveServerless(name="a"), line=9)
    other = spec(CpuLiveServerless(name="b"))

    uses = discover([first, other, second])

    assert [use.resource.name for use in uses] == ["a", "b"]
    assert uses[0].functions == (first, second)


@pytest.mark.parametrize("name", ["a", "live-a"])
def test_one_endpoint_with_two_configurations_is_refused_with_both_places(name: str) -> None:
    first = spec(LiveServerless(name="a"), "/app/main.py", 3)
    second = spec(LiveServerless(name=name, workersMax=7), "/app/jobs.py", 5)
    with pytest.raises(ConfigurationError, match=r"/app/main.py:3.*/app/jobs.py:5"):
        discover([first, second])


def test_what_only_excluded_files_use_is_left_out() -> None:
    uses = discover(
        [spec(LiveServerless(name="a")), spec(LiveServerless(name="b"), "/app/test_x.py")],
        exclude={Path("/app/test_x.py")},
    )
    assert [use.resource.name for use in uses] == ["a"]
