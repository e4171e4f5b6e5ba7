import os

import httpx


def test_index(flash_client: httpx.Client) -> None:
    answer = flash_client.get("/")

    assert answer.status_code == 200
    assert answer.json()["server_pid"] == os.getpid()


def test_process_runs_both_functions_on_workers(flash_client: httpx.Client) -> None:
    answer = flash_client.post("/process", json={"data": "  Test   Input "})

    assert answer.status_code == 200
    body = answer.json()
    assert body["cpu"]["text"] == "test input"
    assert body["gpu"]["letters"] == 9
    pids = {body["server_pid"], body["cpu"]["worker_pid"], body["gpu"]["worker_pid"]}
    assert len(pids) == 3
