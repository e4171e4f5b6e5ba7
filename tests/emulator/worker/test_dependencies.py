"""Which requirements an environment satisfies, and with which distributions."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from pytest_flash.emulator.packages.requirements import (
    Dependency,
    DependencyError,
    InstalledPackages,
    Resolution,
    fingerprint,
)
from tests.emulator.worker.wheels import install, make_editable, make_wheel


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def add(site: Path, name: str, version: str = "1.0", **options: list[str]) -> Path:
    wheel = make_wheel(
        site.parent / "wheels",
        name,
        version,
        requires=options.get("requires", []),
        extras=options.get("extras", []),
    )
    return install(site, wheel)


def resolve(site: Path, *requirements: str) -> Resolution:
    return InstalledPackages([str(site)]).resolve(map(Requirement, requirements))


def names(resolution: Resolution) -> set[str]:
    return {one.name for one in resolution.found}


def test_what_satisfies_a_requirement_is_found_with_all_that_it_requires(site: Path) -> None:
    add(site, "app", requires=["mid>=1"])
    add(site, "mid", requires=["leaf", "app"])
    add(site, "leaf")
    add(site, "unrelated")
    resolution = resolve(site, "app")
    assert names(resolution) == {"app", "mid", "leaf"}
    assert resolution.missing == ()


def test_names_are_compared_in_their_normal_form(site: Path) -> None:
    add(site, "My_Pack.age")
    assert names(resolve(site, "my-pack-age")) == {"my-pack-age"}


@pytest.mark.parametrize(
    ("requirement", "satisfied"),
    [
        ("tool", True),
        ("tool>=2.0rc1,<3", True),
        ("tool==2.0rc1", True),
        ("tool>1", True),
        ("tool>=2", False),
        ("tool<2", False),
        ("tool @ https://example.com/tool.whl", False),
    ],
)
def test_versions_count(site: Path, requirement: str, satisfied: bool) -> None:
    add(site, "tool", "2.0rc1")
    resolution = resolve(site, requirement)
    assert (not resolution.missing) is satisfied


def test_a_version_that_does_not_fit_is_named(site: Path) -> None:
    add(site, "tool", "1.5")
    assert resolve(site, "tool>=2").missing == ("tool is 1.5, not >=2",)
    assert resolve(site, "other").missing == ("other is not installed",)


def test_an_extra_brings_its_requirements_and_no_other_extras(site: Path) -> None:
    requires = ['fast; extra == "speed"', 'slow; extra == "all"', 'gone; python_version < "3"']
    add(site, "lib", requires=requires, extras=["speed", "all"])
    add(site, "fast")
    assert names(resolve(site, "lib")) == {"lib"}
    assert names(resolve(site, "lib[speed]")) == {"lib", "fast"}
    assert resolve(site, "lib[all]").missing == ("slow is not installed",)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (make_editable, "is installed in editable mode"),
        (lambda info: (info / "RECORD").unlink(), "has no RECORD of its files"),
        (lambda info: (info / "direct_url.json").write_text("{"), "has damaged metadata"),
        (lambda info: (info / "METADATA").write_text("Name: x\n"), "has no valid version"),
        (
            lambda info: (info / "METADATA").write_text("Name: x\nVersion: 1\nRequires-Dist: =\n"),
            "has damaged metadata",
        ),
    ],
)
def test_what_cannot_be_linked_counts_as_missing(site: Path, damage: object, reason: str) -> None:
    info = add(site, "mine")
    add(site, "user", requires=["mine"])
    assert callable(damage)
    damage(info)
    resolution = resolve(site, "user")
    assert resolution.missing == resolution.unlinkable == (f"mine {reason}",)


def test_the_first_folder_of_the_search_path_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    install(first, make_wheel(tmp_path, "tool", "1.0"))
    install(second, make_wheel(tmp_path, "tool", "2.0"))
    environment = InstalledPackages([str(tmp_path / "absent"), str(first), str(second)])
    (found,) = environment.resolve([Requirement("tool")]).found
    assert str(found.version) == "1.0"


def test_leftovers_of_old_or_broken_installers_are_distinguished(site: Path) -> None:
    (site / "old_tool-1.0-py3.8.egg-info").mkdir()
    (site / "~ool-1.0.dist-info").mkdir()
    (site / "tool-1.0.data").mkdir()
    assert [one.name for one in InstalledPackages([str(site)]).distributions] == ["old-tool"]
    assert resolve(site, "old-tool").unlinkable == ("old-tool has no RECORD of its files",)


def test_installing_and_removing_change_the_fingerprint(site: Path) -> None:
    before = fingerprint([str(site)])
    info = add(site, "tool")
    between = fingerprint([str(site)])
    info.rename(site / "moved")
    assert len({before, between, fingerprint([str(site)])}) == 3


graphs = st.dictionaries(
    st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdefg"), max_size=3), min_size=1
)


@given(graphs, st.sampled_from("abcdefg"))
def test_found_and_missing_are_what_can_be_reached(graph: dict[str, set[str]], start: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        site.mkdir()
        for name, requires in graph.items():
            add(site, name, requires=sorted(requires))
        resolution = resolve(site, start)
    reached, pending = set[str](), [start]
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending += graph.get(name, ())
    assert names(resolution) == reached & graph.keys()
    missing = {f"{name} is not installed" for name in reached - graph.keys()}
    assert set(resolution.missing) == missing


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("NumPy>=1,<2", "numpy<2,>=1"),
        (" torch[Cuda] ", "torch[Cuda]"),
        ("git+https://example.com/x.git", "git+https://example.com/x.git"),
        ("/tmp/x.whl", "/tmp/x.whl"),
        ("x @ file:///tmp/x.whl", "x@ file:///tmp/x.whl"),
    ],
)
def test_an_entry_is_kept_in_its_normal_form(text: str, kept: str) -> None:
    assert Dependency.parse(text).text.replace(" @", "@") == kept


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Dependency.parse("./x.whl").text == str(tmp_path / "x.whl")


@pytest.mark.parametrize(
    "text", ["", "two words", "-r file.txt", "--index-url=https://example.com", "-e git+https://x"]
)
def test_an_entry_that_is_not_a_requirement_is_refused_by_name(text: str) -> None:
    with pytest.raises(DependencyError, match="is not a requirement") as caught:
        Dependency.parse(text)
    assert repr(text) in str(caught.value)


def test_a_marker_that_excludes_this_python_excludes_the_entry() -> None:
    assert Dependency.parse("x; python_version >= '3'").applies
    assert not Dependency.parse("x; python_version < '3'").applies
