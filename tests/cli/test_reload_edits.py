"""After each save the web process and a warm worker run the same code, within one call."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import httpx
import pytest

from tests.support.edits import KINDS, WAYS, Answer, Project, Save
from tests.support.environment import clean_environment
from tests.support.runs.flash_run import FlashRun

_DEADLINE = 60.0


@dataclass(frozen=True)
class Said:
    """What the app answered to one way after a save, until its web process said ``expected``."""

    expected: Answer
    answers: tuple[dict[str, object], ...]


class Served:
    """The app with all the ways, served by one ``flash run``."""

    def __init__(self, project: Project, url: str, http: httpx.Client) -> None:
        self._project = project
        self._url = url
        self._http = http
        self._said: dict[str, list[Said]] = {way: [] for way in WAYS}

    def play(self, ways: Iterable[str], *, together: bool) -> Mapping[str, list[Said]]:
        """Make the saves of ``ways``, and ask each way after each of its own.

        ``together`` are the first saves of all ways, then the second ones, and so on, with one
        reload for each; but for those that others would hide from what watches the files.
        """
        ways = list(ways)
        shared = [way for way in ways if together and not WAYS[way].is_special_to_watch]
        for way in ways:
            self._ask(way, WAYS[way].before)
        for saves in zip_longest(*(WAYS[way].saves for way in shared)):
            self._save({way: save for way, save in zip(shared, saves, strict=True) if save})
        for way in ways:
            if way not in shared:
                for save in WAYS[way].saves:
                    self._save({way: save})
        return self._said

    def _save(self, saves: Mapping[str, Save]) -> None:
        for way, (files, _) in saves.items():
            self._project.save(way, files)
        for way, (_, answer) in saves.items():
            self._ask(way, answer)

    def _ask(self, way: str, expected: Answer) -> None:
        answers: list[dict[str, object]] = []
        deadline = time.monotonic() + _DEADLINE
        while time.monotonic() < deadline:
            response = self._http.get(f"{self._url}/{way}")
            if response.status_code != 503:  # Between two saves that belong together.
                answers.append(response.json())
                if answers[-1]["here"] == expected:
                    break
            time.sleep(0.02)  # The interval of a wait that has a deadline.
        self._said[way].append(Said(expected, tuple(answers)))


@contextmanager
def serving(kind: str, folder: Path) -> Iterator[Served]:
    project = Project(folder, kind)
    run = FlashRun(
        "--port",
        "0",
        cwd=project.folder,
        env=clean_environment(PYTHONPATH=project.python_path),
        log=folder / "flash-run.log",
    )
    limits = httpx.Limits(max_keepalive_connections=0)
    try:
        with httpx.Client(timeout=60, trust_env=False, limits=limits) as http:
            yield Served(project, run.url, http)
    finally:
        run.end()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All ways on each kind of endpoint with ``--soak``; else on the second one every fourth.

    What is swapped on a worker does not know the kind of its endpoint.
    """
    soak = metafunc.config.getoption("soak")
    cases = [(kind, way) for kind in KINDS for way in ways(kind, soak=soak)]
    metafunc.parametrize(("kind", "way"), cases)


def ways(kind: str, *, soak: bool) -> list[str]:
    return [*WAYS][:: 1 if soak or kind == KINDS[0] else 4]


Play = Callable[[str], Mapping[str, list[Said]]]


@pytest.fixture(scope="module")
def play(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """What all ways on one kind of endpoint answered. With ``--soak`` each save is made alone.

    Not a fixture with parameters: pytest would sort the tests by way, and play for each.
    """
    soak = bool(request.config.getoption("soak"))

    @functools.cache
    def played(kind: str) -> Mapping[str, list[Said]]:
        with serving(kind, tmp_path_factory.mktemp("edits")) as served:
            return served.play(ways(kind, soak=soak), together=not soak)

    return played


def test_web_process_and_worker_agree_after_each_save(play: Play, kind: str, way: str) -> None:
    said = play(kind)[way]
    assert [each.expected for each in said] == WAYS[way].answers()
    for each in said:
        # What it gets from a worker is the same in every answer, the first included.
        for answer in each.answers:
            if not WAYS[way].rereads or answer["here"] == each.expected:
                assert answer["there"] == answer["here"], each
        assert each.answers, f"nothing within {_DEADLINE:g} s"
        assert each.answers[-1]["here"] == each.expected, each.answers[-1]
