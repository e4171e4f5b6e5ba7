"""The Runpod key stays out of what workers are given."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_flash.errors import ConfigurationError
from pytest_flash.provisioner.blueprint import Blueprint
from pytest_flash.provisioner.owner import Owner
from pytest_flash.resources import LiveServerless, PodTemplate
from pytest_flash.settings import Environment

KEY = "the-users-own-runpod-key"


class NoVolumes:
    def ids(self, _: object) -> tuple[str, ...]:
        return ()


def wanted(resource: LiveServerless, environment: Environment) -> Any:
    volumes: Any = NoVolumes()
    blueprint = Blueprint(Owner("shop", "default"), environment, volumes, live=False)
    return blueprint.wanted(resource, "main.py")


@pytest.mark.parametrize(
    "resource",
    [
        LiveServerless(name="gpu", env={"TOKEN": KEY}),
        LiveServerless(name="gpu", env={"TOKEN": f"Bearer {KEY}"}),
        LiveServerless(name="gpu", template=PodTemplate(env={"TOKEN": KEY})),
    ],
)
@pytest.mark.parametrize("source", ["process", "dotenv"])
def test_a_variable_that_holds_the_key_is_refused_without_showing_it(
    resource: LiveServerless, source: str
) -> None:
    values = {"RUNPOD_API_KEY": KEY}
    environment = Environment(values) if source == "process" else Environment({}, values)
    with pytest.raises(
        ConfigurationError, match=r"main.py: env of 'gpu': TOKEN contains"
    ) as caught:
        wanted(resource, environment)
    assert KEY not in str(caught.value)


def test_other_variables_are_taken() -> None:
    resource = LiveServerless(name="gpu", env={"TOKEN": "another"})
    assert (
        wanted(resource, Environment({"RUNPOD_API_KEY": KEY})).request["env"]["TOKEN"] == "another"
    )
    assert wanted(resource, Environment({})).request["env"]["TOKEN"] == "another"
