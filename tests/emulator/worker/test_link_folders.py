"""Folders of links: what they show, what they hide, and when they are made anew."""

from __future__ import annotations

import compileall
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from pytest_flash.emulator.packages.link_folders import LinkFarms
from pytest_flash.emulator.packages.requirements import InstalledPackages
from tests.emulator.worker.wheels import install, make_wheel


def put(site: Path, name: str, files: Mapping[str, str], version: str = "1.0") -> Path:
    return install(site, make_wheel(site.parent / "wheels", name, version, files=files))


def farm_of(site: Path, *names: str) -> Path:
    environment = InstalledPackages([str(site)])
    resolution = environment.resolve(map(Requirement, names))
    assert resolution.missing == ()
    return LinkFarms(site.parent / "farms").build(resolution.found, environment)


def importable(farm: Path, *modules: str) -> list[bool]:
    """Which modules a bare interpreter imports from the farm."""
    script = f"""
import importlib, json, sys
sys.path.append({str(farm)!r})
def can(name):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True
print(json.dumps([can(name) for name in {modules!r}]))
"""
    command = [sys.executable, "-I", "-S", "-B", "-c", script]
    found: list[bool] = json.loads(subprocess.check_output(command, timeout=20))
    return found


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def test_a_package_is_one_link_and_a_module_too(site: Path) -> None:
    put(site, "pack", {"pack/__init__.py": "", "pack/deep/data.txt": "", "single.py": ""})
    farm = farm_of(site, "pack")
    assert {entry.name for entry in farm.iterdir()} == {
        "pack",
        "single.py",
        "pack-1.0.dist-info",
    }
    assert all(entry.is_symlink() for entry in farm.iterdir())


def test_only_the_chosen_part_of_a_shared_namespace_is_shown(site: Path) -> None:
    put(site, "ns-a", {"ns/a/__init__.py": "", "ns/deep/a/__init__.py": ""})
    put(site, "ns-b", {"ns/b/__init__.py": "", "ns/deep/b/__init__.py": ""})
    (site / "ns" / "stray").mkdir()
    (site / "ns" / "stray" / "__init__.py").touch()
    modules = "ns.a", "ns.deep.a", "ns.b", "ns.deep.b", "ns.stray"
    assert importable(farm_of(site, "ns-a"), *modules) == [True, True, False, False, False]
    assert importable(farm_of(site, "ns-b"), *modules) == [False, False, True, True, False]
    assert importable(farm_of(site, "ns-a", "ns-b"), *modules) == [True] * 4 + [False]


def test_a_namespace_spans_two_farms(site: Path) -> None:
    put(site, "ns-a", {"ns/a/__init__.py": ""})
    put(site, "ns-b", {"ns/b/__init__.py": ""})
    farms = farm_of(site, "ns-a"), farm_of(site, "ns-b")
    script = f"import sys; sys.path += {[*map(str, farms)]!r}; import ns.a, ns.b"
    subprocess.run([sys.executable, "-I", "-S", "-B", "-c", script], check=True, timeout=20)


def test_a_package_that_two_distributions_fill_shows_the_chosen_ones_files(site: Path) -> None:
    put(site, "core", {"pack/__init__.py": "", "pack/core.py": ""})
    put(site, "plugin", {"pack/plugin.py": "", "pack/data/x.txt": ""})
    farm = farm_of(site, "core")
    assert importable(farm, "pack.core", "pack.plugin") == [True, False]
    assert not (farm / "pack" / "data").exists()


def test_a_package_of_two_folders_is_that_of_the_first(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    put(first, "one", {"pack/__init__.py": "", "pack/one.py": ""})
    put(second, "two", {"pack/__init__.py": "", "pack/two.py": "", "two.py": ""})
    environment = InstalledPackages([str(first), str(second)])
    found = environment.resolve([Requirement("one"), Requirement("two")]).found
    farm = LinkFarms(tmp_path / "farms").build(found, environment)
    assert importable(farm, "pack.one", "pack.two", "two") == [True, False, True]


def test_bytecode_of_linked_modules_is_linked_too(site: Path) -> None:
    put(site, "single", {"single.py": "", "other.py": ""})
    compileall.compile_file(site / "single.py", quiet=2)
    farm = farm_of(site, "single")
    names = [entry.name for entry in (farm / "__pycache__").iterdir()]
    assert names == [f"single.{sys.implementation.cache_tag}.pyc"]


def test_scripts_and_files_that_are_gone_are_left_out(site: Path) -> None:
    put(site, "tool", {"tool.py": "", "gone.py": "", "../bin/script": ""})
    (site / "gone.py").unlink()
    farm = farm_of(site, "tool")
    assert {entry.name for entry in farm.iterdir()} == {"tool.py", "tool-1.0.dist-info"}


def test_a_farm_is_reused_until_something_is_installed(site: Path) -> None:
    put(site, "pack", {"pack/__init__.py": ""})
    farm = farm_of(site, "pack")
    made = farm.stat().st_ino
    assert farm_of(site, "pack") == farm
    assert farm.stat().st_ino == made
    put(site, "other", {"pack/other.py": ""})
    assert importable(farm_of(site, "pack"), "pack", "pack.other") == [True, False]


def test_an_upgrade_is_seen(site: Path) -> None:
    info = put(site, "pack", {"pack/__init__.py": "", "pack/old.py": ""})
    assert importable(farm_of(site, "pack"), "pack.old", "pack.new") == [True, False]
    shutil.rmtree(info)
    shutil.rmtree(site / "pack")
    put(site, "pack", {"pack/__init__.py": "", "pack/new.py": ""}, version="2.0")
    assert importable(farm_of(site, "pack"), "pack.old", "pack.new") == [False, True]


def test_a_farm_with_a_broken_link_is_made_anew(site: Path) -> None:
    put(site, "pack", {"pack/__init__.py": ""})
    farm = farm_of(site, "pack")
    (farm / "pack").unlink()
    (farm / "pack").symlink_to(site / "nowhere")
    assert importable(farm_of(site, "pack"), "pack") == [True]


parts = st.sampled_from(["x", "y", "z"])
trees = st.lists(
    st.sets(st.lists(parts, min_size=1, max_size=3).map("/".join), min_size=1, max_size=4),
    min_size=1,
    max_size=4,
)


@given(trees, st.data())
def test_a_link_folder_shows_all_files_of_chosen_packages_and_no_others(
    trees: list[set[str]], data: st.DataObject
) -> None:
    # A leaf's suffix keeps a file from having the name of another's folder.
    owned = [{f"{path}.{index}.py" for path in tree} for index, tree in enumerate(trees)]
    packages = data.draw(st.sets(st.sampled_from(["x", "y", "x/y", "z/x"]), max_size=2))
    for index in range(len(owned)):
        mine = {
            path for path in packages if any(each.startswith(f"{path}/") for each in owned[index])
        }
        owned[index] |= {f"{path}/__init__.py" for path in mine}
    chosen = data.draw(st.sets(st.integers(0, len(trees) - 1), min_size=1))
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        for index, files in enumerate(owned):
            put(site, f"dist{index}", dict.fromkeys(files, ""))
        farm = farm_of(site, *(f"dist{index}" for index in chosen))
        shown = {path for path in files_below(farm) if ".dist-info/" not in path}
    assert shown == set().union(*(owned[index] for index in chosen))


def files_below(folder: Path, prefix: str = "") -> set[str]:
    found = set()
    for entry in folder.iterdir():
        if entry.is_dir():
            found |= files_below(entry, f"{prefix}{entry.name}/")
        else:
            found.add(prefix + entry.name)
    return found
