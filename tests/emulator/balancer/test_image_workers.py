"""A FastAPI app of one's own behind the load balancer, served by uvicorn."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.emulator.harness import KEY, Emulator, is_alive, serving_project, until

APP = """
import os
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

app = FastAPI()


@app.get("/ping")
def ping():
    return {"status": "healthy"}


@app.get("/items/")
def items(request: Request):
    env = os.environ
    return {"pid": os.getpid(), "endpoint": env["RUNPOD_ENDPOINT_ID"], "mine": env["MINE"]}


@app.post("/stream")
async def stream(request: Request):
    body = await request.json()

    async def events():
        for number in range(body["count"]):
            yield f"data: {number}\\n\\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/end")
def end():
    os._exit(7)
"""
PROJECT = f"""
[tool.flash.emulator.images]
"my/api" = "sh -c 'exec {sys.executable} -m uvicorn app:app --port $PORT'"
"my/typo" = "{sys.executable} -m uvicorn nothing:app"
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder: Path = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "app.py").write_text(APP)
    with serving_project(folder) as emulator:
        yield emulator


def client_of(serving: Emulator, image: str) -> httpx.Client:
    endpoint = serving.create(
        type="LOAD_BALANCER",
        image=image,
        scaling={"type": "REQUEST_COUNT", "requestCount": 4},
        env={"MINE": "1"},
        workers={"max": 1},
    )
    urls = serving.management.get(f"/v2/serverless/{endpoint}").json()["requestUrls"]
    return httpx.Client(
        base_url=urls["base"],
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
        follow_redirects=True,
        trust_env=False,
    )


def test_it_serves_streams_and_redirects(serving: Emulator) -> None:
    with client_of(serving, "my/api:1") as client:
        seen = client.get("/items").json()  # the slash is added by a redirection
        assert seen["mine"] == "1"
        assert seen["endpoint"] in str(client.base_url)
        answer = client.post("/stream", json={"count": 3})
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert client.get("/nothing").status_code == 404
        assert client.get("/items/").json()["pid"] == seen["pid"]


def test_its_end_is_reported_and_it_is_started_again(serving: Emulator) -> None:
    with client_of(serving, "my/api:2") as client:
        pid = client.get("/items/").json()["pid"]
        answer = client.get("/end")
        assert answer.status_code == 502
        assert "exited with code 7" in answer.json()["error"]
        assert client.get("/items/").json()["pid"] != pid


def test_what_it_printed_says_why_it_does_not_start(serving: Emulator) -> None:
    with client_of(serving, "my/typo") as client:
        answer = client.get("/items/")
        assert answer.status_code == 503
        assert "Error loading ASGI app" in answer.json()["error"]


def test_it_is_asked_to_end(serving: Emulator) -> None:
    with client_of(serving, "my/api:3") as client:
        pid = client.get("/items/").json()["pid"]
        endpoint = str(client.base_url).rstrip("/").rpartition("/")[2]
        serving.management.patch(f"/v2/serverless/{endpoint}", json={"env": {"MINE": "2"}})
        until(lambda: is_alive(pid), lambda alive: not alive, seconds=5)
        assert client.get("/items/").json()["mine"] == "2"
