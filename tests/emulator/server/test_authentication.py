"""Who may ask what."""

from __future__ import annotations

import httpx
import pytest

from tests.emulator.harness import KEY, Emulator


@pytest.mark.parametrize("value", [None, "", KEY, "Bearer wrong", f"Basic {KEY}", "Bearer"])
def test_the_management_plane_wants_the_key_as_a_bearer(
    emulator: Emulator, value: str | None
) -> None:
    headers = {} if value is None else {"Authorization": value}
    answer = httpx.get(f"{emulator.origin}/api/v2/serverless", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Unauthorized"


@pytest.mark.parametrize("value", [KEY, f"Bearer {KEY}", f"bearer {KEY}"])
def test_the_queue_takes_the_key_bare_or_as_a_bearer(emulator: Emulator, value: str) -> None:
    url = f"{emulator.origin}/queue/v2/{emulator.create()}/health"
    assert httpx.get(url, headers={"Authorization": value}).status_code == 200


@pytest.mark.parametrize("value", [None, "wrong", "Bearer wrong"])
def test_the_queue_refuses_strangers(emulator: Emulator, value: str | None) -> None:
    headers = {} if value is None else {"Authorization": value}
    url = f"{emulator.origin}/queue/v2/{emulator.create()}/run"
    answer = httpx.post(url, headers=headers, json={"input": {"do": "pid"}})
    assert answer.status_code == 401
    assert answer.json()["error"]


def test_the_users_key_opens_no_worker_plane(emulator: Emulator) -> None:
    endpoint = emulator.create()
    worker = emulator.call(endpoint, do="pid")["workerId"]
    for value in (KEY, f"Bearer {KEY}"):
        url = f"{emulator.origin}/worker/v2/{endpoint}/ping/{worker}"
        assert httpx.get(url, headers={"Authorization": value}).status_code == 401


def test_a_workers_credential_opens_nothing_else(emulator: Emulator) -> None:
    endpoint = emulator.create()
    for path in (f"/queue/v2/{endpoint}/health", "/api/v2/serverless"):
        url = emulator.origin + path
        answer = emulator.call(endpoint, do="other plane", url=url)
        assert answer["output"][0] == 401


def test_each_worker_has_a_credential_for_itself_until_it_ends(emulator: Emulator) -> None:
    """Of two endpoints, so that neither opens the other's plane either."""
    seen = []
    for _ in range(2):
        endpoint = emulator.create()
        job = emulator.call(endpoint, do="environ")
        worker, given = job["workerId"], job["output"]["env"]
        seen.append((endpoint, worker, given["RUNPOD_AI_API_KEY"]))
        assert [name for name, value in given.items() if value == seen[-1][2]] == [
            "RUNPOD_AI_API_KEY"
        ]
    (first, worker, credential), (second, other, foreign) = seen
    assert credential != foreign

    def ping(endpoint: str, worker: str, value: str) -> int:
        url = f"{emulator.origin}/worker/v2/{endpoint}/ping/{worker}"
        return httpx.get(url, headers={"Authorization": value}).status_code

    assert ping(first, worker, credential) == 200
    assert ping(second, other, foreign) == 200
    for at, of in ((second, other), (first, other), (second, worker), (first, "no-such-worker")):
        assert ping(at, of, credential) == 401
    assert emulator.call(first, do="signal", number=9)["status"] == "FAILED"
    assert ping(first, worker, credential) == 401


def test_a_program_of_ones_own_is_sent_no_credential(emulator: Emulator) -> None:
    image = {"type": "LOAD_BALANCER", "image": "test/http"}
    endpoint = emulator.create(**image, scaling={"type": "REQUEST_COUNT", "requestCount": 4})
    url = f"{emulator.origin}/lb/{endpoint}/echo"
    sent = {"Authorization": f"Bearer {KEY}", "X-Flash-Balancer": "mine", "X-Mine": "too"}
    answer = httpx.get(url, headers=sent, timeout=30)
    names = {name for name, _ in answer.json()["headers"]}
    assert names == {"host", "accept", "accept-encoding", "user-agent", "x-mine", "connection"}


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", ""])
def test_a_foreign_host_is_refused_even_with_the_key(emulator: Emulator, host: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Host": host}
    answer = httpx.get(f"{emulator.origin}/api/v2/serverless", headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1:1", "[::1]:4000"])
def test_every_name_of_this_machine_is_accepted(emulator: Emulator, host: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Host": host}
    answer = httpx.get(f"{emulator.origin}/api/v2/serverless", headers=headers)
    assert answer.status_code == 200


def test_an_error_never_shows_the_key(emulator: Emulator) -> None:
    answer = httpx.get(f"{emulator.origin}/api/v2/serverless", headers={"Authorization": KEY})
    assert KEY not in answer.text
