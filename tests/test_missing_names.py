"""``from pytest_flash import X`` for an X that is not there."""

from __future__ import annotations

import importlib

import pytest

import pytest_flash

HINTS = {
    "LiveServerles": "did you mean 'LiveServerless'?",
    "gpugroup": "did you mean 'GpuGroup'?",
    "RemoteError": "it is in pytest_flash.errors",
    "EmulatorControl": "it is in pytest_flash.testing",
    "Jobs": "it is in pytest_flash.testing",
    "flash_client": "it is a fixture, which a test takes as an argument",
    "Zzz": "it has CpuInstanceType, ",
}


@pytest.mark.parametrize(("name", "hint"), HINTS.items())
def test_an_import_says_where_a_name_is(name: str, hint: str) -> None:
    with pytest.raises(ImportError, match=rf"has no '{name}'; ") as caught:
        exec(f"from pytest_flash import remote, {name}")
    assert hint in str(caught.value)


def test_attributes_that_are_missing_are_missing() -> None:
    assert not hasattr(pytest_flash, "LiveServerles")
    assert not hasattr(pytest_flash, "__wrapped__")
    with pytest.raises(AttributeError, match="did you mean 'remote'"):
        _ = getattr(pytest_flash, "remot")  # noqa: B009 - as it is not there


def test_modules_are_found_as_before() -> None:
    namespace: dict[str, object] = {}
    exec("from pytest_flash import project", namespace)
    assert namespace["project"] is importlib.import_module("pytest_flash.project")


@pytest.mark.parametrize("module", ["core", "core.resources", "core.resources.template"])
def test_where_the_official_sdk_has_its_classes_it_says_where_they_are(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="'from pytest_flash import PodTemplate'"):
        exec(f"from pytest_flash.{module} import PodTemplate")
