"""Load-balancing endpoints: requests carried to the servers that workers are."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.emulator.balancer.load_balanced import MakeEndpoint, error
from tests.emulator.harness import KEY, Emulator, StartEmulator, is_alive, until
from tests.support.system.idle import share_of_a_busy_process


@pytest.fixture
def endpoint(emulator: Emulator) -> Iterator[MakeEndpoint]:
    make = MakeEndpoint(emulator)
    yield make
    for each in make.made:
        each.client.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_any_request_reaches_the_worker_as_it_is(endpoint: MakeEndpoint, method: str) -> None:
    balanced = endpoint(env={"MINE": "1", "PORT": "80"})
    headers = [("X-Twice", "a"), ("X-Twice", "b"), ("TE", "trailers"), ("Expect", "")]
    answer = balanced.client.request(
        method, "/any/path%2Fto;it?a=1&a=%20", content="body", headers=headers
    )
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert (seen["method"], seen["body"]) == (method, "body")
    assert seen["target"] == "/any/path%2Fto;it?a=1&a=%20"
    got = [tuple(each) for each in seen["headers"]]
    assert [value for name, value in got if name == "x-twice"] == ["a", "b"]
    names = {name for name, _ in got}
    assert not {"te", "expect", "authorization"} & names
    assert ("host", balanced.client.base_url.netloc.decode()) in got
    assert KEY not in str(seen)
    assert seen["env"]["MINE"] == "1"
    assert seen["env"]["PORT"] == seen["env"]["PORT_HEALTH"] != "80"
    (worker,) = balanced.emulator.workers(balanced.id)
    assert answer.headers["X-Runpod-Worker-Id"] == worker["id"]


def test_the_base_alone_is_the_root(endpoint: MakeEndpoint) -> None:
    balanced = endpoint()
    assert balanced.client.get(balanced.urls["base"] + "/?q=1").json()["target"] == "/?q=1"


def test_an_answer_without_a_body(endpoint: MakeEndpoint) -> None:
    answer = endpoint().client.head("/echo")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_body_without_a_length(endpoint: MakeEndpoint) -> None:
    balanced = endpoint()
    sent = balanced.client.post("/echo", content=iter([b"in ", b"pieces"]))
    assert sent.json()["body"] == "in pieces"


def test_an_answer_is_passed_on_as_it_comes(endpoint: MakeEndpoint, tmp_path: Path) -> None:
    mark = tmp_path / "go on"
    with endpoint().client.stream("GET", f"/stream?until={mark}") as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first"
        mark.touch()
        assert b"".join(parts) == b"second"


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("/new?x=1", "{base}/new?x=1"),
        ("http://HOST/new", "{base}/new"),
        ("//HOST/new", "{base}/new"),
        ("new", "new"),
        ("https://example.com/new", "https://example.com/new"),
        ("//example.com/new", "//example.com/new"),
    ],
)
def test_redirections_stay_with_the_endpoint(
    endpoint: MakeEndpoint, to: str, expected: str
) -> None:
    balanced = endpoint()
    answer = balanced.get("/redirect", params={"to": to})
    assert answer.headers["Location"] == expected.format(base=f"/lb/{balanced.id}")


def test_a_worker_that_dies_ends_its_requests_at_once(endpoint: MakeEndpoint) -> None:
    balanced = endpoint(workers={"max": 1})
    with ThreadPoolExecutor() as pool:
        other = pool.submit(balanced.get, "/sleep?seconds=60")
        until(balanced.statuses, lambda statuses: statuses == ["RUNNING"])
        answers = [balanced.get("/exit?code=9"), other.result(10)]
    for answer in answers:
        assert answer.status_code == 502
        assert "exited with code 9" in error(answer)
        assert "last words" in error(answer)
    assert balanced.pid()


def test_a_dead_worker_is_not_asked_for_its_health(endpoint: MakeEndpoint) -> None:
    balanced = endpoint()
    os.kill(balanced.pid(), signal.SIGKILL)
    until(balanced.statuses, lambda found: found == [])
    assert share_of_a_busy_process([balanced.emulator.process.pid]) <= 0.25


def test_half_an_answer_is_not_taken_for_a_whole_one(endpoint: MakeEndpoint) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        endpoint().get("/half")


def test_a_response_that_is_not_http(endpoint: MakeEndpoint) -> None:
    answer = endpoint().get("/garbage")
    assert answer.status_code == 502
    assert "its answer is no HTTP" in error(answer)


def test_a_slow_request_is_given_up_and_its_worker_stays(endpoint: MakeEndpoint) -> None:
    balanced = endpoint(timeout=300)

    def pid() -> int:
        # The limit holds for these requests too, and a busy machine may not answer within it.
        answer = until(lambda: balanced.get("/echo"), lambda answer: answer.status_code == 200)
        return int(answer.json()["pid"])

    first = pid()
    answer = balanced.get("/sleep?seconds=60")
    assert answer.status_code == 504
    assert "longer than 0.3 s" in error(answer)
    assert pid() == first


def test_both_ways_are_limited_to_30_mb(endpoint: MakeEndpoint) -> None:
    balanced = endpoint()
    most = 30_000_000
    sent = balanced.client.post("/count", content=b"x" * most)
    assert sent.text == str(most)
    answer = balanced.client.post("/echo", content=b"x" * (most + 1))
    assert (answer.status_code, error(answer)) == (413, "the payload is larger than 30 MB")
    assert len(balanced.get(f"/big?size={most}").content) == most
    answer = balanced.get(f"/big?size={most + 1}")
    assert (answer.status_code, error(answer)) == (502, "the response is larger than 30 MB")


def test_workers_follow_the_requests_in_flight(endpoint: MakeEndpoint) -> None:
    balanced = endpoint(scaling={"type": "REQUEST_COUNT", "requestCount": 2})
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(balanced.get, "/sleep?seconds=1.5") for _ in range(6)]
        until(lambda: len(balanced.statuses()), lambda count: count == 3)
        assert {each.result().status_code for each in asked} == {200}


def test_a_request_may_ask_for_its_worker(endpoint: MakeEndpoint) -> None:
    balanced = endpoint(workers={"min": 3, "max": 3})
    until(balanced.statuses, lambda statuses: statuses == ["IDLE"] * 3)
    for worker in balanced.emulator.workers(balanced.id):
        for wish in (worker["id"], f"strict {worker['id']}", f"strict-resume {worker['id']}"):
            answer = balanced.get("/echo", headers={"X-Runpod-Worker-Id": wish})
            assert answer.headers["X-Runpod-Worker-Id"] == worker["id"]


def test_a_worker_that_is_gone_is_insisted_on_or_not(endpoint: MakeEndpoint) -> None:
    balanced = endpoint()
    for wish in ("", "gone"):
        assert balanced.get("/echo", headers={"X-Runpod-Worker-Id": wish}).status_code == 200
    for wish in ("strict gone", "strict-resume gone"):
        answer = balanced.get("/echo", headers={"X-Runpod-Worker-Id": wish})
        assert (answer.status_code, error(answer)) == (404, "affinity_worker_gone")


def test_an_idle_worker_goes_home(endpoint: MakeEndpoint) -> None:
    balanced = endpoint(workers={"idleTimeout": 1})
    pid = balanced.pid()
    until(lambda: is_alive(pid), lambda alive: not alive)
    assert balanced.statuses() == []


def test_a_minimum_of_workers_runs_without_requests(endpoint: MakeEndpoint) -> None:
    balanced = endpoint(workers={"min": 1, "max": 2})
    until(balanced.statuses, lambda statuses: statuses == ["IDLE"])


def test_a_new_version_takes_over(endpoint: MakeEndpoint) -> None:
    balanced = endpoint(env={"MINE": "1"})
    first = balanced.pid()
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(balanced.get, "/sleep?seconds=1")
        until(balanced.statuses, lambda statuses: statuses == ["RUNNING"])
        balanced.patch(env={"MINE": "2"})
        seen = balanced.get("/echo").json()
        assert (seen["env"]["MINE"], seen["pid"] != first) == ("2", True)
        assert slow.result().text == "slept"
    until(lambda: is_alive(first), lambda alive: not alive)


def test_a_deleted_endpoint_answers_those_who_wait(endpoint: MakeEndpoint, tmp_path: Path) -> None:
    ping = tmp_path / "ping"
    ping.write_text("204")
    balanced = endpoint(env={"PING": str(ping)})
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(balanced.get, "/echo")
        until(balanced.statuses, lambda statuses: statuses == ["INITIALIZING"])
        balanced.emulator.management.delete(f"/v2/serverless/{balanced.id}")
        assert "the endpoint was deleted" in error(asked.result(10))
    assert balanced.get("/echo").status_code == 404


def test_a_client_that_goes_away_is_not_waited_for(endpoint: MakeEndpoint) -> None:
    balanced = endpoint(workers={"idleTimeout": 1})
    pid = balanced.pid()
    with pytest.raises(httpx.ReadTimeout):
        balanced.get("/sleep?seconds=60", timeout=0.2)
    until(lambda: is_alive(pid), lambda alive: not alive)


def test_the_plane_needs_the_key_and_an_endpoint_of_its_kind(
    endpoint: MakeEndpoint, emulator: Emulator
) -> None:
    balanced = endpoint()
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.get(balanced.urls["base"] + "/echo", headers=headers).status_code == 401
    queued = emulator.create()
    answer = balanced.get(f"{emulator.origin}/lb/{queued}/run")
    assert (answer.status_code, error(answer)) == (400, "not allowed for QB API")
    answer = emulator.queue.post(f"/{balanced.id}/run", json={"input": {"a": 1}})
    assert (answer.status_code, error(answer)) == (400, "a LOAD_BALANCER endpoint has no queue")
    assert balanced.get(f"{emulator.origin}/lb/nothing/run").status_code == 404


def test_health_of_a_balanced_endpoint_has_every_counter(
    endpoint: MakeEndpoint, emulator: Emulator
) -> None:
    balanced = endpoint()
    balanced.pid()
    answer = emulator.queue.get(f"/{balanced.id}/health")
    assert answer.status_code == 200, answer.text
    jobs, workers = answer.json()["jobs"], answer.json()["workers"]
    assert jobs == dict.fromkeys(("completed", "failed", "inProgress", "inQueue", "retried"), 0)
    kinds = {"idle", "initializing", "ready", "running", "throttled", "unhealthy"}
    assert set(workers) == kinds
    assert sum(workers[kind] for kind in kinds - {"ready"}) == 1


def test_workers_die_with_a_killed_emulator(
    start_emulator: StartEmulator, endpoint: MakeEndpoint
) -> None:
    own = start_emulator()
    pid = endpoint(own).pid()
    os.kill(own.process.pid, signal.SIGKILL)
    until(lambda: is_alive(pid), lambda alive: not alive)


def test_many_requests_at_once(endpoint: MakeEndpoint) -> None:
    balanced = endpoint(scaling={"type": "REQUEST_COUNT", "requestCount": 100})
    done = threading.Barrier(20)

    def ask(number: int) -> str:
        done.wait(10)
        answer = balanced.client.post("/echo", content=str(number))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["body"])

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == [str(number) for number in range(20)]


def test_a_target_that_cannot_be_passed_on_is_refused(endpoint: MakeEndpoint) -> None:
    balanced = endpoint()
    parts = httpx.URL(balanced.urls["base"])
    with socket.create_connection((parts.host, parts.port)) as connection:
        head = f"GET {parts.path}/\xff HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Authorization: Bearer {KEY}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode("latin-1"))
        assert b"".join(iter(lambda: connection.recv(4096), b"")).startswith(b"HTTP/1.1 400 ")
