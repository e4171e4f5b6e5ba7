"""An app beside modules that are called like Python's, and like packages that we need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.runs.flash_run import FlashRun
from tests.support.system.processes import wait_until
from tests.support.system.traps import Traps

MAIN = """\
from fastapi import FastAPI
from pytest_flash import CpuLiveLoadBalancer, CpuLiveServerless, remote

app = FastAPI()
queue = CpuLiveServerless(name="queue", workersMax=1)
balanced = CpuLiveLoadBalancer(name="balanced", workersMax=1)

@remote(queue)
def plain(x):
    print("plain")
    return x

@remote(queue)
def fail(x):
    raise KeyError(x)

@remote(balanced, method="POST", path="/over")
async def over(x):
    return x

@app.get("/")
async def index():
    found = [await plain(1), await over(2)]
    try:
        await fail(3)
    except KeyError as error:
        found.append(error.args[0])
    job = await plain.spawn(4)
    found += [await job.result(), await job.logs()]
    async for each in plain.map([5, 6]):
        found.append(each)
    return found

@app.get("/blocking")
def blocking():
    return plain.blocking(7)

@app.get("/version")
async def version():
    return 1
"""


@pytest.mark.parametrize("option", ["--fork", "--no-fork"])
def test_nothing_of_ours_takes_them_for_pythons(
    flash_run: Callable[..., FlashRun], http: httpx.Client, tmp_path: Path, option: str
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    main = folder / "main.py"
    main.write_text(MAIN)
    traps = Traps(folder, tmp_path / "sprung")
    run = flash_run(option, cwd=folder)
    for version in (1, 2):
        main.write_text(MAIN.replace("return 1\n", f"return {version}\n"))
        url = run.url
        wait_until(lambda: http.get(f"{url}/version").json() == version, 20, "the app")  # noqa: B023
        assert http.get(url).json() == [1, 2, 3, 4, "plain\n", 5, 6]
        assert http.get(f"{url}/blocking").json() == 7
    run.wait_for("__flash__?token=")
    console = run.output.partition("console ")[2].split()[0]
    assert http.get(console, follow_redirects=True).status_code == 200
    assert traps.sprung() == []


def test_a_module_that_is_called_like_one_of_ours_is_the_apps_and_travels(
    flash_run: Callable[..., FlashRun], http: httpx.Client, tmp_path: Path
) -> None:
    """Also in later generations, whose parent has imported Python's."""
    main = tmp_path / "main.py"
    (tmp_path / "resource.py").write_text("NAME = 'mine'\n")
    text = MAIN.replace("return x\n", "return resource.NAME\n", 1)
    text = text.replace("return 1\n", "return [{}, resource.NAME]\n")
    main.write_text("import resource\n" + text.replace("{}", "0"))
    run = flash_run(cwd=tmp_path)
    url = run.url
    for version in range(1, 5):
        main.write_text("import resource\n" + text.replace("{}", str(version)))
        wait_until(
            lambda: http.get(f"{url}/version").json() == [version, "mine"],  # noqa: B023
            20,
            f"version {version}",
        )
        assert http.get(f"{url}/blocking").json() == "mine"
