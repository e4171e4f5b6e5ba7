"""Runs without reload: what stays as it was loaded, and options of the server itself."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.runs.command import RunCommand
from tests.support.runs.flash_run import StartRun

MAIN = """\
import helper
from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, remote

app = FastAPI()
cpu = CpuLiveServerless(name="cpu", workersMax=1)


def beside():
    return 1


@remote(cpu)
def answer():
    import late
    return ["own 1", beside(), helper.get(), late.get()]


@app.get("/")
async def index():
    return [answer.local(), await answer()]


@app.get("/ready")
async def ready():
    return True
"""


def test_a_save_before_the_first_call_reaches_neither_server_nor_worker(
    flash_run: StartRun, http: httpx.Client, tmp_path: Path
) -> None:
    texts = {
        "main.py": MAIN,
        "helper.py": "def get():\n    return 1\n",
        "late.py": "def get():\n    return 1\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    run = flash_run("--no-reload", cwd=tmp_path)
    assert http.get(f"{run.url}/ready").json() is True
    for name, text in texts.items():
        edited = text.replace("return 1", "return 2").replace("own 1", "own 2")
        (tmp_path / name).write_text(edited)
    # What nothing had imported is new to both.
    assert http.get(run.url).json() == [["own 1", 1, 1, 2]] * 2

    for name in texts:
        (tmp_path / name).unlink()
    assert http.get(run.url).json() == [["own 1", 1, 1, 2]] * 2


def test_below_the_path_of_a_proxy_and_without_a_line_for_each_request(
    flash_run: StartRun, flash: RunCommand, http: httpx.Client, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(
        "from fastapi import FastAPI, Request\napp = FastAPI()\n"
        "@app.get('/')\ndef index(request: Request): return str(request.url_for('index'))\n"
    )
    options = ("--no-reload", "--root-path", "/shop", "--no-access-log")
    run = flash_run(*options, cwd=tmp_path)
    assert http.get(run.url).json() == f"{run.url}/shop/"
    assert http.get(f"{run.url}/openapi.json").json()["servers"] == [{"url": "/shop"}]
    assert http.get(f"{run.url}/__flash__").status_code == 403
    assert flash("wait", "--port", run.url.rpartition(":")[2]).output == "1\n"
    assert flash("wait", FLASH_PORT=run.url.rpartition(":")[2]).output == "1\n"
    assert "GET /" not in run.output
