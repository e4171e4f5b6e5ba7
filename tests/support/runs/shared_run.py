"""One ``flash run`` for all tests of a module, each of which saves an app of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.runs.flash_run import FlashRun, starting
from tests.support.runs.saving import save
from tests.support.system.processes import wait_until

_PLAIN = """\
from fastapi import FastAPI
app = FastAPI()

@app.get("/")
def index():
    return {"plain": NUMBER}
"""


@dataclass
class SharedRun:
    """Serves ``folder`` with the same options for test after test.

    ``first`` is main.py when it starts, by default a plain app; ``first_output`` is what was
    printed, and ``first_answer`` what was answered, before a test had saved anything.
    """

    start: Callable[[], FlashRun]
    folder: Path
    first: str | None
    first_output: str = ""
    first_answer: httpx.Response | None = None
    _run: FlashRun | None = None
    _plain: int = 0

    @property
    def main(self) -> Path:
        """The file that defines the app."""
        return self.folder / "main.py"

    def begin(self) -> FlashRun:
        """The run as each test finds it: it serves a plain app, and the output is empty.

        One that ended, as a test wanted it to, is started again.
        """
        run, begins = self._run, False
        if run is None or run.has_ended:
            run, begins = self._started(), True
            self._run = run
        if not begins or self.first is not None:
            self._empty()
            self._save_plain()
        url, expected = run.url, {"plain": self._plain}
        with _client() as client:
            wait_until(lambda: _answer(client, url) == expected, 60, "the plain app")
        run.turn_page()
        return run

    def _started(self) -> FlashRun:
        self._empty()
        if self.first is None:
            self._save_plain()
        else:
            save(self.main, self.first)
        run = self.start()
        with _client() as client:
            self.first_answer = client.get(run.url)
        self.first_output = run.output
        return run

    def _save_plain(self) -> None:
        self._plain += 1
        save(self.main, _PLAIN.replace("NUMBER", str(self._plain)))

    def _empty(self) -> None:
        for each in self.folder.iterdir():
            if each.is_dir():
                shutil.rmtree(each)
            elif each != self.main:
                each.unlink()


@contextmanager
def sharing(
    folder: Path,
    *options: str,
    first: str | None = None,
    cwd: Path | None = None,
    timings: Mapping[str, float] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[SharedRun]:
    """Share ``flash run OPTIONS`` while the context lasts; it is started when it is first used."""
    served = folder / "served"
    served.mkdir()
    with starting(folder) as start:

        def launched() -> FlashRun:
            return start(*options, cwd=cwd or served, timings=timings, environment=environment)

        yield SharedRun(launched, served, first)


def _client() -> httpx.Client:
    # Without kept connections: one may close just as a request goes out on it.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(timeout=60, trust_env=False, limits=limits)


def _answer(client: httpx.Client, url: str) -> object:
    """What is answered; None for an error, also where the app before was still at work on it."""
    try:
        answer = client.get(url)
    except httpx.RemoteProtocolError:
        return None
    return answer.json() if answer.status_code == 200 else None
