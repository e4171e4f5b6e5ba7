"""Which changes bring up new code."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from watchfiles import Change

from pytest_flash.runner.reload.file_watcher import changes
from pytest_flash.runner.reload.watched_paths import ProjectFilter, WatchOptions
from tests.support.system.deadline import at_most


def watches(
    root: Path,
    path: str,
    *,
    change: Change = Change.modified,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    env_file: Path | None = None,
) -> bool:
    options = WatchOptions(root, env_file, include, exclude)
    return ProjectFilter(options)(change, str(root / path))


@pytest.mark.parametrize("path", ["main.py", "deep/below/part.py", ".env", "deep/.env"])
def test_python_files_and_dotenv_are_watched(tmp_path: Path, path: str) -> None:
    assert watches(tmp_path, path)


@pytest.mark.parametrize(
    "path",
    [
        "notes.txt",
        "main.pyc",
        "__pycache__/main.cpython-311.pyc",
        ".runpod/resources.py",
        ".venv/lib/x.py",
        "venv/lib/x.py",
        ".git/hooks/x.py",
        ".mypy_cache/x.py",
        "node_modules/a/x.py",
        "lib/python3.11/site-packages/x.py",
        ".#main.py",
        "#main.py#",
        "main.py~",
    ],
)
def test_other_files_caches_and_environments_are_not(tmp_path: Path, path: str) -> None:
    assert not watches(tmp_path, path)


@pytest.mark.parametrize("huge", [False, True])
def test_a_gitignore_that_cannot_be_one_ignores_nothing(tmp_path: Path, huge: bool) -> None:
    """A pipe is not waited for, and what is huge is not read."""
    if huge:
        (tmp_path / ".gitignore").write_text("main.py\n" * (1 << 18))
    else:
        os.mkfifo(tmp_path / ".gitignore")
    with at_most(20):
        assert watches(tmp_path, "main.py")


def test_a_virtual_environment_is_known_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "py311").mkdir()
    (tmp_path / "py311" / "pyvenv.cfg").touch()
    assert not watches(tmp_path, "py311/lib/x.py")
    assert watches(tmp_path, "other/lib/x.py")


def test_a_project_that_lies_in_an_odd_folder_is_watched(tmp_path: Path) -> None:
    root = tmp_path / ".hidden" / "venv" / "project"
    root.mkdir(parents=True)
    assert watches(root, "main.py")


def test_gitignore_is_respected(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("generated/\n*_pb2.py\n.env\n")
    assert not watches(tmp_path, "generated/x.py")
    assert not watches(tmp_path, "deep/a_pb2.py")
    assert watches(tmp_path, "main.py")
    assert watches(tmp_path, ".env")


def test_the_deepest_gitignore_decides(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("*_pb2.py\n")
    root = tmp_path / "service"
    (root / "kept").mkdir(parents=True)
    (root / "kept" / ".gitignore").write_text("!a_pb2.py\n")
    assert not watches(root, "a_pb2.py")
    assert watches(root, "kept/a_pb2.py")


def test_a_gitignore_outside_the_repository_has_no_say(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.py\n")
    (tmp_path / "project" / ".git").mkdir(parents=True)
    assert watches(tmp_path / "project", "main.py")


def test_a_gitignore_that_changes_is_read_again(tmp_path: Path) -> None:
    asked = ProjectFilter(WatchOptions(tmp_path))
    file = str(tmp_path / "main.py")
    assert asked(Change.modified, file)
    (tmp_path / ".gitignore").write_text("main.py\n")
    assert not asked(Change.added, str(tmp_path / ".gitignore"))
    assert not asked(Change.modified, file)


def test_patterns_add_and_take_away(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.html\n")
    assert watches(tmp_path, "templates/a.html", include=("*.html",))
    assert not watches(tmp_path, "scripts/a.py", exclude=("scripts/",))
    assert not watches(tmp_path, "a.html", include=("*.html",), exclude=("a.html",))


def test_a_package_that_comes_as_a_folder_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    assert not watches(tmp_path, "package", change=Change.added)
    (tmp_path / "package" / "api" / "v1").mkdir(parents=True)
    (tmp_path / "package" / "api" / "v1" / "users.py").touch()
    assert watches(tmp_path, "package", change=Change.added)
    (tmp_path / "package" / "__init__.py").touch()
    assert watches(tmp_path, "package", change=Change.added)
    (tmp_path / "package").rename(tmp_path / "node_modules")
    assert not watches(tmp_path, "node_modules", change=Change.added)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_text_does_not_end_the_watching(tmp_path: Path) -> None:
    async def watched() -> None:
        batches = changes(WatchOptions(tmp_path))
        following = asyncio.ensure_future(anext(batches))
        (tmp_path / "main.py").touch()
        while not following.done():  # The watcher begins some time after it was asked.
            os.utime(tmp_path / "main.py")
            await asyncio.wait([following], timeout=0.05)
        for number in range(3):
            (tmp_path / os.fsdecode(b"\xff%d.jpg" % number)).touch()
            (tmp_path / f"part{number}.py").touch()
            while f"part{number}.py" not in await anext(batches):
                pass  # What the watcher had still to tell of before.
        await batches.aclose()

    asyncio.run(asyncio.wait_for(watched(), 60))


def test_an_env_file_is_watched_wherever_it_is(tmp_path: Path) -> None:
    elsewhere = tmp_path / "secrets" / "production.env"
    assert watches(tmp_path / "project", str(elsewhere), env_file=elsewhere)
    assert not watches(tmp_path / "project", str(elsewhere))
