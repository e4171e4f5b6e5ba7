"""Which changed files need new code."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pytest_flash.clock import wall_time
from pytest_flash.runner.reload.content_changes import ContentChanges
from pytest_flash.user_files import digest
from tests.support.system.deadline import at_most


class Run:
    """An app of one file whose first generation has loaded it."""

    def __init__(self, root: Path) -> None:
        self.file = root / "main.py"
        self.file.write_text("1")
        self.loops: list[str] = []
        self.changes = ContentChanges(root, self.loops.append)
        self.loads("1", generation=1)
        self.ready_at: float | None = self.file.stat().st_ctime - 10

    def loads(self, content: str, generation: int) -> None:
        self.changes.loaded({str(self.file): digest(content.encode())}, generation)

    def saved(self, content: str | None = None, *, broken: bool = False) -> tuple[str, ...]:
        """What is relevant once ``main.py`` was saved, with other content if given."""
        if content is not None:
            self.file.write_text(content)
        return self.changes.of(("main.py",), 1, broken=broken, ready_at=self.ready_at)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_the_content_that_the_app_has_loaded_is_no_change(run: Run) -> None:
    assert run.saved("1") == ()
    assert run.saved("2") == ("main.py",)
    assert run.saved("2") == ()


def test_a_broken_app_begins_anew_at_any_save(run: Run) -> None:
    assert run.saved("1", broken=True) == ("main.py",)


def test_what_was_undone_before_it_was_loaded_is_a_change(run: Run) -> None:
    assert run.saved("2") == ("main.py",)
    assert run.saved("1") == ("main.py",)
    run.loads("2", generation=2)
    assert run.saved("1") == ("main.py",)


def test_an_older_generation_says_nothing_about_a_newer_one(run: Run) -> None:
    run.loads("2", generation=2)
    run.loads("1", generation=1)
    assert run.saved("1") == ("main.py",)


def test_a_file_that_is_gone_and_comes_back_is_a_change(run: Run) -> None:
    run.file.unlink()
    assert run.saved() == ("main.py",)
    assert run.saved("1") == ("main.py",)


def test_what_cannot_be_compared_is_a_change(run: Run, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "large.py").write_bytes(b"#" * (2 << 20))
    os.mkfifo(tmp_path / "pipe.py")
    files = ("package", "large.py", "pipe.py")
    for _ in range(2):
        assert run.changes.of(files, 1, broken=False, ready_at=run.ready_at) == files


def three_times_at_the_start(run: Run) -> None:
    run.ready_at = None
    for number in range(2, 5):
        assert not run.changes.suspects_a_loop
        assert run.saved(str(number)) == ("main.py",)
    assert run.changes.suspects_a_loop


def next_cleared(run: Run) -> tuple[str, ...]:
    async def first() -> tuple[str, ...]:
        return await anext(run.changes.cleared())

    with at_most(20):
        return asyncio.run(first())


@pytest.mark.parametrize("own", [None, "main.py"], ids=["a program of it may have", "itself"])
def test_a_file_that_the_app_writes_at_each_start_is_left_alone(
    run: Run, tmp_path: Path, own: str | None
) -> None:
    written = None if own is None else frozenset({str(tmp_path.resolve() / own)})
    three_times_at_the_start(run)
    assert run.saved("5") == ()
    assert run.loops == []
    run.changes.wrote(written, 1)
    assert run.loops == ["main.py"]

    run.ready_at = run.file.stat().st_ctime - 10
    assert run.saved("changed while the app serves") == ("main.py",)
    run.ready_at = None
    run.changes.wrote(written, 1)
    assert run.saved("6") == ()
    assert run.loops == ["main.py"]


def test_what_somebody_else_saves_while_the_app_starts_is_never_lost(run: Run) -> None:
    three_times_at_the_start(run)
    assert run.saved("5") == ()
    run.changes.wrote(frozenset(), 1)
    assert next_cleared(run) == ("main.py",)
    assert run.saved() == ("main.py",)
    assert run.loops == []


def test_an_app_that_was_not_asked_what_it_writes_is_not_judged(run: Run) -> None:
    three_times_at_the_start(run)
    run.ready_at = wall_time() + 1000
    assert run.saved("5") == ("main.py",)


def test_saves_of_different_files_while_an_app_starts_are_no_loop(run: Run, tmp_path: Path) -> None:
    run.ready_at = None
    for number in range(10):
        name = ("a.py", "b.py")[number % 2]
        (tmp_path / name).write_text(str(number))
        assert run.changes.of((name,), 1, broken=False, ready_at=None) == (name,)
    assert not run.changes.suspects_a_loop
