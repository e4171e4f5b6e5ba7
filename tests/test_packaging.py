"""What is installed, and how much of it."""

from __future__ import annotations

from importlib.metadata import Distribution, distribution, entry_points
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.environment import ROOT


def installed(name: str, found: dict[str, Distribution]) -> None:
    """Collect ``name`` and what it requires without extras."""
    key = name.lower().replace("_", "-")
    if key in found:
        return
    found[key] = distribution(name)
    for text in found[key].requires or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            installed(requirement.name, found)


def size(each: Distribution) -> int:
    paths = [Path(str(file.locate())) for file in each.files or []]
    return sum(path.stat().st_size for path in paths if path.is_file())


def test_an_installation_stays_small() -> None:
    found: dict[str, Distribution] = {}
    installed("pytest-flash", found)
    assert len(found) < 35, sorted(found)
    assert sum(map(size, found.values())) < 70e6, {name: size(d) for name, d in found.items()}


def test_the_command_and_the_plugin_are_registered() -> None:
    for name in ("flash", "pytest-flash"):
        (command,) = entry_points(group="console_scripts", name=name)
        assert command.value == "flash_cli.main:main"
    (plugin,) = entry_points(group="pytest11", name="flash")
    assert plugin.value == "pytest_flash.plugin"


def test_both_packages_are_typed() -> None:
    assert (ROOT / "pytest_flash" / "py.typed").exists()
    assert (ROOT / "flash_cli" / "py.typed").exists()
