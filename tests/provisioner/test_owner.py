"""Namespaces: who keeps apart from whom."""

from __future__ import annotations

import re

import pytest

from pytest_flash.errors import SettingsError
from pytest_flash.provisioner.owner import Owner, choose_namespace
from pytest_flash.settings import Environment


def test_the_default_namespace_leaves_no_trace_in_names() -> None:
    assert choose_namespace(None, Environment({}), live=True) == "default"
    assert Owner("shop").endpoint_name("gpu") == "live-gpu"
    assert Owner("shop").marker == "shop/default"


@pytest.mark.parametrize("name", ["live-gpu", "gpu"])
def test_a_namespace_stands_in_the_name_once(name: str) -> None:
    assert Owner("shop", "anna").endpoint_name(name) == "live-anna-gpu"


def test_the_option_wins_over_the_variable() -> None:
    environment = Environment({"FLASH_NAMESPACE": "anna", "CI": "true"})
    assert choose_namespace("bob", environment, live=True) == "bob"
    assert choose_namespace(None, environment, live=True) == "anna"


@pytest.mark.parametrize("name", ["Anna", "a-b", "a" * 17, "ä", "a b", "a\n", "../x"])
def test_other_characters_are_refused_with_the_source(name: str) -> None:
    with pytest.raises(SettingsError, match=r"\(environment\) must be 1 to 16"):
        choose_namespace(None, Environment({"FLASH_NAMESPACE": name}), live=True)


def test_ci_runs_keep_apart_and_their_processes_together() -> None:
    def of(run: str) -> str:
        return choose_namespace(None, Environment({"CI": "1", "GITHUB_RUN_ID": run}), live=True)

    assert of("1") == of("1")
    assert of("1") != of("2")
    assert re.fullmatch("ci-[0-9a-f]{8}", of("1"))
    unknown = [choose_namespace(None, Environment({"CI": "1"}), live=True) for _ in range(2)]
    assert unknown[0] != unknown[1]


def test_the_embedded_runpod_has_nobody_to_keep_apart() -> None:
    assert choose_namespace(None, Environment({"CI": "1"}), live=False) == "default"
