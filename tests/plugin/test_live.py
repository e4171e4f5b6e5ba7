"""``--flash-live`` on an account: a stand-alone emulator."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_flash.runpod import Endpoint
from tests.support.processes import descendants, wait_gone, wait_until

Passes = Callable[..., None]
Endpoints = Callable[[], list[Endpoint]]
USES_IT = (
    "def test_it(flash_client):\n    assert flash_client.get('/double/1').json()['value'] == 2\n"
)


def names(endpoints: Endpoints) -> list[str]:
    return sorted(endpoint.name for endpoint in endpoints())


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_what_a_run_created_is_deleted_at_its_end(
    project: Any, passes: Passes, variables: dict[str, str], endpoints: Endpoints, outcome: str
) -> None:
    project.write("test_app.py", USES_IT + ("    assert False\n" if outcome == "failed" else ""))
    passes(project.pytest("--flash-live", **variables), **{outcome: 1})
    assert names(endpoints) == []


def test_keeping_leaves_endpoints_for_the_next_run(
    project: Any, passes: Passes, variables: dict[str, str], endpoints: Endpoints
) -> None:
    project.write("test_app.py", USES_IT)
    passes(project.pytest("--flash-live", "--flash-keep", **variables), passed=1)
    (kept,) = endpoints()
    passes(project.pytest("--flash-live", "--flash-keep", **variables), passed=1)
    assert [endpoint.id for endpoint in endpoints()] == [kept.id]
    passes(project.pytest("--flash-live", **variables), passed=1)
    assert names(endpoints) == []


def test_the_namespace_is_an_option(
    project: Any, passes: Passes, variables: dict[str, str], endpoints: Endpoints
) -> None:
    project.write("test_app.py", USES_IT)
    run = project.pytest("--flash-live", "--flash-keep", "--flash-namespace", "ann", **variables)
    passes(run, passed=1)
    assert names(endpoints) == ["live-ann-gpu"]


def test_more_endpoints_than_allowed_end_the_run_before_the_first(
    project: Any, passes: Passes, variables: dict[str, str], endpoints: Endpoints
) -> None:
    project.write(
        "main.py",
        "from fastapi import FastAPI\nfrom pytest_flash import LiveServerless, remote\n"
        "app = FastAPI()\n"
        + "".join(f"@remote(LiveServerless(name='r{n}'))\ndef f{n}(): pass\n" for n in range(3)),
    )
    project.write("test_app.py", "def test_it(flash_client): pass\n")

    result = project.pytest("--flash-live", "--flash-max-endpoints", "2", **variables)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = "\n".join([*result.outlines, *result.errlines])
    assert "--flash-max-endpoints 3" in text
    assert names(endpoints) == []
    passes(project.pytest("--flash-live", "--flash-max-endpoints", "3", **variables), passed=1)


HANGS = (
    USES_IT + "    import os, time\n    if os.environ.get('HANG'):\n"
    "        open('ready', 'w').close()\n        time.sleep(600)\n"
)


@contextlib.contextmanager
def hanging(project: Any, variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A live run in the middle of a test."""
    project.write("test_app.py", HANGS)
    run = project.start("--flash-live", HANG="1", **variables)
    try:
        wait_until((project.folder / "ready").exists, 60, "the test to be under way")
        yield run
    finally:
        run.kill()
        run.wait()


def test_what_a_killed_run_created_is_deleted_at_once(
    project: Any, variables: dict[str, str], endpoints: Endpoints
) -> None:
    with hanging(project, variables) as run:
        started = descendants(run.pid)
        assert names(endpoints) == ["live-gpu"]
    wait_until(lambda: endpoints() == [], 30, "the end of the endpoint")
    wait_gone(started, 10)


def test_what_a_killed_run_leaves_is_deleted_by_the_next(
    project: Any, passes: Passes, variables: dict[str, str], endpoints: Endpoints
) -> None:
    with hanging(project, variables) as run:
        # The process that would clean up goes first.
        for process in sorted(descendants(run.pid), key=lambda each: each.pid == run.pid):
            os.kill(process.pid, signal.SIGKILL)
    assert names(endpoints) == ["live-gpu"]

    passes(project.pytest("--flash-live", **variables), passed=1)
    assert names(endpoints) == []
