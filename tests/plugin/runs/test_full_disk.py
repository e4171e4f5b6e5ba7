"""A full disk, at the start of a live run, in its middle and at its end: nothing stays, unnamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_flash.runpod import Endpoint
from pytest_flash.settings import MANAGEMENT_URL
from tests.support.accounts.relay import Relay, relaying
from tests.support.system.disk import FILL, small_disk

Passes = Callable[..., None]
Endpoints = Callable[[], list[Endpoint]]

APP = """
from fastapi import FastAPI
from pytest_flash import LiveServerless, remote

app = FastAPI()

@remote(LiveServerless(name="gpu"))
def double(x):
    return x * 2

@app.get("/double/{x}")
async def doubled(x: int):
    return await double(x)
"""
USE = "    assert flash_client.get('/double/1').json() == 2\n"


@pytest.fixture
def filling(project: Any) -> Iterator[str]:
    """Source of a function ``fill`` that leaves no room for the state."""
    project.write("main.py", APP)
    with small_disk(project.folder / ".runpod"):
        yield FILL.format(folder=str(project.folder / ".runpod"))


def text_of(result: pytest.RunResult) -> str:
    text = "\n".join([*result.outlines, *result.errlines])
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
    return text


def names(endpoints: Endpoints) -> list[str]:
    return [endpoint.name for endpoint in endpoints()]


def test_deleting_at_the_end_needs_no_disk(
    project: Any, passes: Passes, filling: str, variables: dict[str, str], endpoints: Endpoints
) -> None:
    project.write("test_app.py", f"{filling}\ndef test_it(flash_client):\n{USE}    fill()\n")
    result = project.pytest("--flash-live", **variables)
    text_of(result)
    passes(result, passed=1)
    assert result.ret == 0
    assert names(endpoints) == []


@contextlib.contextmanager
def no_deletions(variables: dict[str, str]) -> Iterator[Relay]:
    with relaying(variables[MANAGEMENT_URL]) as relay:
        relay.refused.add("DELETE")
        yield relay


def test_what_stays_all_the_same_is_named_with_the_command(
    project: Any, filling: str, variables: dict[str, str], endpoints: Endpoints
) -> None:
    project.write("test_app.py", f"{filling}\ndef test_it(flash_client):\n{USE}    fill()\n")
    with no_deletions(variables) as relay:
        addresses = {**variables, MANAGEMENT_URL: relay.url}
        result = project.pytest("--flash-live", "--flash-namespace", "ann", **addresses)
    text = text_of(result)
    assert result.ret == 1
    assert "endpoints that could not be deleted on Runpod" in text
    (left,) = endpoints()
    assert left.id in text
    assert f"Run 'flash undeploy --namespace ann gpu' in {project.folder}" in text


def test_a_state_that_cannot_be_read_at_the_end_is_named_with_what_stays(
    project: Any, variables: dict[str, str], endpoints: Endpoints
) -> None:
    project.write("main.py", APP)
    state = project.folder / ".runpod" / "resources.pkl"
    project.write(
        "test_app.py",
        f"import os\ndef test_it(flash_client):\n{USE}"
        f"    os.unlink({str(state)!r})\n    os.mkdir({str(state)!r})\n",
    )
    result = project.pytest("--flash-live", **variables)
    text = text_of(result)
    assert result.ret == 1
    (left,) = endpoints()
    assert f"live-gpu: {left.id}: {state} cannot be read: it is a folder" in text
    assert "Run 'flash undeploy live-gpu'" in text


@pytest.mark.parametrize("when", ["start", "middle"])
def test_nothing_is_created_that_cannot_be_written_down(
    project: Any,
    filling: str,
    variables: dict[str, str],
    endpoints: Endpoints,
    when: str,
) -> None:
    more = APP + (
        "@remote(LiveServerless(name='other'))\ndef other(x): return x\n"
        "@app.get('/other')\nasync def others(): return await other(2)\n"
    )
    tests = f"{filling}\ndef test_it(flash_client):\n    pass\n"
    if when == "start":
        project.write("main.py", more)
        project.write("conftest.py", f"{filling}\nfill()\n")
    else:
        # Its second endpoint is made by a first call.
        project.write("later.py", more)
        tests = (
            f"{filling}\ndef test_it(flash_client):\n{USE}    fill()\n    import later\n"
            "    from pytest_flash import CpuLiveServerless, remote\n"
            "    import asyncio\n"
            "    asyncio.run(asyncio.wait_for(later.other(2), 60))\n"
        )
    project.write("test_app.py", tests)

    with relaying(variables[MANAGEMENT_URL]) as relay:
        result = project.pytest("--flash-live", **{**variables, MANAGEMENT_URL: relay.url})

    text = "\n".join([*result.outlines, *result.errlines])
    assert "INTERNALERROR" not in text
    assert result.ret == 1
    assert "resources.pkl cannot be saved: " in text or ".runpod cannot be made: " in text
    assert "free disk space" in text
    created = [each.request["name"] for each in relay.exchanges if each.method == "POST"]
    assert created == ([] if when == "start" else ["live-gpu"])
    assert names(endpoints) == []


def test_a_folder_that_may_not_be_written_creates_nothing(
    project: Any, variables: dict[str, str], endpoints: Endpoints
) -> None:
    folder = project.folder / ".runpod"
    project.write("main.py", APP)
    project.write("test_app.py", f"def test_it(flash_client):\n{USE}")
    with contextlib.ExitStack() as stack:
        if os.geteuid() == 0:  # Whom permissions do not stop.
            stack.enter_context(small_disk(folder, read_only=True))
        else:
            folder.mkdir(mode=0o500)
        result = project.pytest("--flash-live", **variables)
    text = text_of(result)
    assert result.ret == 1
    assert "Read-only file system" in text or "Permission denied" in text
    assert "Make it writable" in text
    assert names(endpoints) == []
