"""Which modules count as declared."""

from __future__ import annotations

import importlib.metadata

import pytest

from pytest_flash.functions.shipping.declared_packages import Declared, other_version

ABSENT = "no-such-distribution-is-installed"


@pytest.mark.parametrize(
    ("dependencies", "requirement"),
    [
        ([], "httpx"),
        (["pytest"], "httpx"),
        (["httpx>=0.1"], None),
        (["fastapi[standard]"], None),  # It requires it.
        ([ABSENT], None),  # Nobody knows what it requires.
        (["pytest", f"{ABSENT}==1.0; python_version>'3'"], None),
        (["https://example.com/archive"], None),
    ],
)
def test_what_has_to_be_declared_to_import_httpx(
    dependencies: list[str], requirement: str | None
) -> None:
    assert Declared(dependencies, []).requirement_for("httpx") == requirement


def test_another_version_than_the_one_installed_here_is_found() -> None:
    here = importlib.metadata.version("httpx")
    assert other_version(["pytest", "httpx<0.1"], ["httpx"]) == ("httpx<0.1", here)
    assert other_version([f"httpx=={here}", ABSENT, "https://x/y"], ["httpx"]) is None
    assert other_version(["httpx<0.1"], ["pytest"]) is None
