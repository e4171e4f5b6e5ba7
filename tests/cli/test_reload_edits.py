"""After each save the web process and a warm worker run the same code, within one call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.edits import KINDS, WAYS, Answer, Project
from tests.support.environment import clean_environment
from tests.support.flash_run import FlashRun
from tests.support.processes import wait_until


class Served:
    """The app with all the ways, served by one ``flash run``."""

    def __init__(self, project: Project, url: str, http: httpx.Client) -> None:
        self.project = project
        self._url = url
        self._http = http

    def answers(self, way: str, expected: Answer) -> None:
        """Wait for the web process to answer what is expected: what it gets from a worker is the
        same in every answer, the first included."""
        last: dict[str, object] = {}

        def arrived() -> bool:
            response = self._http.get(f"{self._url}/{way}")
            if response.status_code == 503:  # Between two saves that belong together.
                return False
            last.update(response.json())
            if not WAYS[way].rereads or last["here"] == expected:
                assert last["there"] == last["here"], (way, last, expected)
            return last["here"] == expected

        wait_until(arrived, 60, f"{expected!r} of {way!r}, {last}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All ways on each kind of endpoint with ``--soak``; else on the second one every fourth.

    What is swapped on a worker does not know the kind of its endpoint.
    """
    soak = metafunc.config.getoption("soak")
    cases = [
        (kind, way) for kind in KINDS for way in [*WAYS][:: 1 if soak or kind == KINDS[0] else 4]
    ]
    metafunc.parametrize(("served", "way"), cases, indirect=["served"], scope="module")


@pytest.fixture(scope="module")
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("edits")
    project = Project(folder, request.param)
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


def test_web_process_and_worker_agree_after_each_save(served: Served, way: str) -> None:
    served.answers(way, WAYS[way].before)
    for files, answer in WAYS[way].saves:
        served.project.save(way, files)
        served.answers(way, answer)
