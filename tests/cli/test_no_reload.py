"""Where nothing is loaded anew, workers run what the server has loaded, whatever is saved."""

from __future__ import annotations

from pathlib import Path

import httpx

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
