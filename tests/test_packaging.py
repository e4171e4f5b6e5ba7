"""What is installed, and how much of it."""

from __future__ import annotations

import email
import email.message
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, entry_points, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import pytest_flash
from tests.matrix import NEWEST_DEPENDENCIES, OLDEST_DEPENDENCIES
from tests.support.environment import ROOT, clean_environment

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGES = ("pytest_flash", "flash_cli")
# What runs and tools leave in a folder.
LEFT = {".venv", ".env", ".runpod", "__pycache__", ".mypy_cache", ".pytest_cache", ".hypothesis"}
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
# A link to a file that would have to be beside the page.
RELATIVE = re.compile(r"\]\((?![a-z]+:|#)")


@dataclass(frozen=True)
class Built:
    """What is published, unpacked, by the path of each file, and the wheel's metadata."""

    wheel: dict[str, bytes]
    sdist: dict[str, bytes]
    metadata: email.message.Message


def build(folder: Path, out: Path, *options: str) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out), *options]
    done = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def unzipped(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The source distribution of this folder, and the wheel that is built from that alone."""
    folder = tmp_path_factory.mktemp("built")
    build(ROOT, folder, "-t", "sdist")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (source,) = (each for each in folder.iterdir() if each.is_dir())
    build(source, folder, "-t", "wheel")
    (wheel,) = folder.glob("*.whl")
    inside = unzipped(wheel)
    (metadata,) = (text for name, text in inside.items() if name.endswith("dist-info/METADATA"))
    files = (each for each in source.rglob("*") if each.is_file())
    return Built(
        inside,
        {str(each.relative_to(source)): each.read_bytes() for each in files},
        email.message_from_bytes(metadata),
    )


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


def tracked(folder: str) -> set[str]:
    """The files of a folder that are not made by running anything."""
    files = (each.relative_to(ROOT) for each in (ROOT / folder).rglob("*") if each.is_file())
    return {str(each) for each in files if not LEFT & {*each.parts}}


def test_the_wheel_has_the_packages_and_nothing_else(built: Built) -> None:
    expected = {name for package in PACKAGES for name in tracked(package)}
    found = {name for name in built.wheel if ".dist-info/" not in name}
    assert found == expected
    assert {"pytest_flash/py.typed", "pytest_flash/console/static/console.js"} <= found
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in built.wheel)


def test_the_source_distribution_can_be_tested_and_has_nothing_of_this_machine(
    built: Built,
) -> None:
    names = set(built.sdist)
    assert {"pyproject.toml", "README.md", "LICENSE", "conftest.py", "docs/pytest.md"} <= names
    assert {name for name in names if name.startswith("tests/")} == tracked("tests")
    assert not {name for name in names if LEFT & {*Path(name).parts}}


def test_the_page_of_a_package_index_has_no_link_that_leads_nowhere(built: Built) -> None:
    page = str(built.metadata.get_payload())
    assert RELATIVE.search((ROOT / "README.md").read_text())
    assert built.metadata["Description-Content-Type"] == "text/markdown"
    assert page.startswith("# pytest-flash")
    assert "Testing with pytest (`docs/pytest.md`)" in page
    assert not RELATIVE.search(page)


def test_the_version_is_that_of_the_distribution(built: Built) -> None:
    assert pytest_flash.__version__ == version("pytest-flash") == built.metadata["Version"]
    assert "__version__" in dir(pytest_flash)
    assert "__version__" not in pytest_flash.__all__


def test_ci_runs_every_python_that_is_promised() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: 3."
    promised = [each.rpartition(" ")[2] for each in project["classifiers"] if prefix in each]
    workflow = WORKFLOW.read_text()
    (listed,) = re.findall(r"python: \[(.+)\]", workflow)
    assert re.findall(r"[\d.]+", listed) == promised
    assert "os: [ubuntu-latest, macos-latest]" in workflow
    assert f"versions: [{OLDEST_DEPENDENCIES}, {NEWEST_DEPENDENCIES}]" in workflow


def test_ci_checks_what_is_published_and_the_site_as_contributors_do() -> None:
    workflow = WORKFLOW.read_text()
    guide = (ROOT / "docs" / "contributing.md").read_text()
    for command in ("sphinx -W --keep-going docs build/docs", "twine check --strict dist/*"):
        assert command in workflow
        assert command in guide


def test_the_version_is_in_the_changelog() -> None:
    changelog = (ROOT / "docs" / "changelog.md").read_text()
    newest = re.findall(r"^## (\S+?),? ", changelog, re.MULTILINE)[0]
    assert newest == pytest_flash.__version__
