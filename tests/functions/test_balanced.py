"""Calls of functions on load-balancing endpoints: over the wire, and on the emulator."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_flash import CpuLiveLoadBalancer, LiveLoadBalancer, PodTemplate, remote
from pytest_flash.emulator.client import EmulatorProcess
from pytest_flash.errors import (
    AuthenticationError,
    ConfigurationError,
    JobFailedError,
    JobTimedOutError,
    NoCapacityError,
    NotFoundError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    RunpodConnectionError,
    WorkerDiedError,
)
from pytest_flash.events import Event, JobEnded, JobOutput, JobStarted
from pytest_flash.functions.calls import RemoteCalls
from pytest_flash.functions.registry import registry
from pytest_flash.functions.specs import FunctionSpec
from pytest_flash.functions.warm import warm
from pytest_flash.project import find_project
from pytest_flash.provisioner.users import User
from pytest_flash.runpod import Endpoint, LoadBalancerClient, QueueClient
from pytest_flash.session import Identity, Session
from pytest_flash.settings import Environment
from pytest_flash.target import embedded
from tests.functions.wire import answered
from tests.runpod.scripted import ScriptedServer, half, reset, says, scripted

REFERENCE = Path(__file__).parent / "reference_balanced.py"

LB = CpuLiveLoadBalancer(name="balanced", workersMax=1, scalerValue=100)


@remote(LB, method="POST", path="/work")
def work(text: str = "") -> int:
    return len(text)


@dataclass
class Point:
    x: int


@remote(LB, method="POST", path="/move")
async def move(point: Point) -> Point:
    print("moving", point.x)
    logging.getLogger("mover").warning("slowly")
    return Point(point.x + 1)


@remote(LB, method="GET", path="/meet")
async def meet(folder: str, own: str, other: str) -> tuple[str, Point]:
    print("waits", own)
    there(folder, own).touch()
    while not there(folder, other).exists():  # noqa: ASYNC110 - only files reach the other
        await asyncio.sleep(0.01)
    print("met", other)
    logging.getLogger("meeting").warning("of %s", own)
    from tests.functions.balanced_part import doubled  # while the other has it loaded, too

    return own, Point(doubled(len(own)))


def there(folder: str, name: str) -> Path:
    return Path(folder, name)


@remote(LB, method="POST", path="/fail")
async def fail() -> None:
    print("about to")
    raise KeyError("key")


@remote(LB, method="POST", path="/die")
def die(code: int) -> None:
    os._exit(code)


@remote(LB, method="GET", path="/served")
def served_by_uvicorn() -> bool:
    return "uvicorn" in sys.modules


@remote(LB, method="POST", path="/counter")
class Counter:
    def __init__(self, start: int) -> None:
        self.count = start

    async def add(self, number: int) -> int:
        self.count += number
        return self.count


@remote(LB, method="POST", path="/pid")
def pid() -> int:
    return os.getpid()


# Over the wire

WORKER: dict[str, Any] = {"X_Runpod_Worker_Id": "w1"}
DONE = answered(7, **WORKER)
BUSY = says({"error": "too many requests"}, 429, Retry_After="1")


class Wire:
    """Calls to a scripted server, which is every endpoint that is asked for."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.events: list[Event] = []
        self.gone: list[str] = []
        self.calls = RemoteCalls(
            QueueClient(server.embedded),
            self._find,
            on_event=self.events.append,
            balancer=LoadBalancerClient(server.embedded),
        )

    def call(self, *args: Any, function: Any = work) -> Any:
        return asyncio.run(self.calls.call(function.spec, args, {}))

    async def _find(self, _: FunctionSpec, gone: Endpoint | None) -> Endpoint:
        if gone is not None:
            self.gone.append(gone.id)
        base = f"{self.server.url}/lb/ep{len(self.gone)}"
        document = {"id": f"ep{len(self.gone)}", "name": "live-balanced", "timeout": 60_000}
        return Endpoint.model_validate({**document, "requestUrls": {"base": base}})


@pytest.fixture
def wire() -> Iterator[Wire]:
    with scripted() as server:
        yield Wire(server)


def test_a_call_is_one_request_with_the_bare_function_request(wire: Wire) -> None:
    wire.server.plays(DONE)
    assert wire.call("text") == 7
    (request,) = wire.server.requests
    assert (request.method, request.path) == ("POST", "/lb/ep0/execute")
    assert request.body["function_name"]
    assert request.body["execution_type"] == "function"
    assert "input" not in request.body


def test_a_call_is_reported_as_one_without_a_job(wire: Wire) -> None:
    wire.server.plays(answered(7, "said\n", **WORKER))
    wire.call()
    started, output, ended = wire.events
    assert isinstance(started, JobStarted)
    assert isinstance(output, JobOutput)
    assert isinstance(ended, JobEnded)
    assert (started.function, started.endpoint) == ("work", "live-balanced")
    assert (output.text, output.job_id, output.worker_id) == ("said\n", "", "w1")
    assert (ended.state, ended.job_id, ended.worker_id) == ("COMPLETED", None, "w1")
    assert (ended.cold, ended.stdout, ended.error) == (True, "said\n", None)


def test_an_endpoint_that_is_gone_is_made_again(wire: Wire) -> None:
    wire.server.plays(says({"error": "not found"}, 404), DONE)
    assert wire.call() == 7
    assert wire.gone == ["ep0"]
    assert [request.path for request in wire.server.requests] == [
        "/lb/ep0/execute",
        "/lb/ep1/execute",
    ]


def test_an_endpoint_that_is_gone_twice_is_given_up(wire: Wire) -> None:
    wire.server.plays(*[says({"error": "not found"}, 404)] * 2)
    with pytest.raises(NotFoundError):
        wire.call()


def test_a_call_that_is_put_off_is_sent_again_when_the_balancer_says(wire: Wire) -> None:
    wire.server.plays(BUSY, DONE)
    began = time.monotonic()
    assert wire.call() == 7
    assert time.monotonic() - began >= 1
    assert len(wire.server.requests) == 2


def test_a_429_of_the_worker_itself_is_not_sent_again(wire: Wire) -> None:
    wire.server.plays(says({"error": "too many requests"}, 429, Retry_After="1", **WORKER))
    with pytest.raises(JobFailedError, match="its worker answered 429"):
        wire.call()
    assert len(wire.server.requests) == 1


@pytest.mark.parametrize(
    ("status", "said", "kind", "match"),
    [
        (503, "no workers available", NoCapacityError, "Raise workersMax"),
        (400, "no workers available", NoCapacityError, "Raise workersMax"),
        (503, "no workers available: it exited with 3", NoCapacityError, "exited with 3$"),
        (502, "worker w1 was killed", WorkerDiedError, "worker w1 was killed.*may have run"),
        (504, "took longer than 330 s", JobTimedOutError, "5.5 minutes"),
        (413, "too large", PayloadTooLargeError, "too large"),
        (401, "invalid token", AuthenticationError, "invalid token"),
    ],
)
def test_a_refusal_of_the_balancer_says_what_to_do(
    wire: Wire, status: int, said: str, kind: type[Exception], match: str
) -> None:
    wire.server.plays(says({"error": said}, status))
    with pytest.raises(kind, match=match):
        wire.call()
    assert len(wire.server.requests) == 1
    ended = wire.events[-1]
    assert isinstance(ended, JobEnded)
    assert ended.state is None
    assert said in (ended.error or "")


@pytest.mark.parametrize("act", [reset, half({"success": True})])
def test_a_lost_connection_says_that_the_function_may_have_run(wire: Wire, act: Any) -> None:
    wire.server.plays(act)
    with pytest.raises(OutcomeUnknownError, match="may have run") as caught:
        wire.call()
    assert caught.value.endpoint_id == "ep0"
    assert len(wire.server.requests) == 1


def test_where_no_connection_is_made_nothing_has_run() -> None:
    with scripted() as server:
        wire = Wire(server)
    with pytest.raises(RunpodConnectionError):
        wire.call()


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (says({"detail": "Not Found"}, 404, **WORKER), "its worker answered 404: .*Not Found"),
        (says(b"<html>", 200, "text/html", **WORKER), "is no FunctionResponse: '<html>'"),
        (says({"anything": 1}, **WORKER), "is no FunctionResponse"),
    ],
)
def test_an_image_that_is_not_flashs_is_told_of(wire: Wire, act: Any, match: str) -> None:
    wire.server.plays(act)
    with pytest.raises(JobFailedError, match=match):
        wire.call()


def test_a_function_that_the_worker_does_not_find(wire: Wire) -> None:
    wire.server.plays(says({"success": False, "result": "Function 'f' not found"}, **WORKER))
    with pytest.raises(JobFailedError, match="Function 'f' not found"):
        wire.call()


def test_more_than_30_mb_are_not_sent(wire: Wire) -> None:
    with pytest.raises(PayloadTooLargeError, match="Runpod takes 30 MB"):
        wire.call("x" * 30_000_000)
    assert wire.server.requests == []


def test_a_load_balancer_has_no_jobs_to_spawn(wire: Wire) -> None:
    with pytest.raises(ConfigurationError, match="'balanced' is a load balancer"):
        asyncio.run(wire.calls.spawn(work.spec, (), {}))
    assert wire.server.requests == []


# On the emulator


@pytest.fixture(scope="module")
def heard() -> list[Event]:
    return []


@pytest.fixture
def events(heard: list[Event]) -> list[Event]:
    """What is reported during the test."""
    heard.clear()
    return heard


IMAGES = {
    "our worker": "",
    "another worker": (
        '[tool.flash.emulator.images]\n"runpod/flash-lb-cpu" = '
        f"\"sh -c 'exec {sys.executable} -m uvicorn reference_balanced:app --port $PORT'\"\n"
    ),
}


@pytest.fixture(scope="module", params=list(IMAGES))
def session(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    heard: list[Event],
) -> Iterator[Session]:
    """A session on an emulator, with our worker and with one of the official protocol's least."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text(IMAGES[request.param])
    (folder / "reference_balanced.py").write_text(REFERENCE.read_text())
    with EmulatorProcess.start(folder) as process:
        target = embedded(process.management_url, process.queue_url, process.api_key, "a test")
        identity = Identity(find_project(folder), "default", "test", User.current())
        made = Session(target, identity, Environment({}), on_event=heard.append)
        yield made
        made.close()


def call(session: Session, function: Any, *args: Any) -> Any:
    return asyncio.run(session.calls.call(function.spec, args, {}))


def test_a_function_runs_on_a_load_balancing_endpoint(session: Session, request: Any) -> None:
    another = request.node.callspec.params["session"] == "another worker"
    assert call(session, served_by_uvicorn) is another
    assert call(session, work, "four") == 4
    moved = call(session, move, Point(1))
    assert moved == Point(2)
    assert call(session, pid) == call(session, pid) != os.getpid()
    (endpoint,) = session.management.endpoints()
    document = endpoint.document()
    assert (document["type"], document["name"]) == ("LOAD_BALANCER", "live-balanced")
    assert document["image"].startswith("runpod/flash-lb-cpu:")


def test_an_exception_comes_back_as_it_is(session: Session) -> None:
    with pytest.raises(KeyError) as caught:
        call(session, fail)
    error: Any = caught.value
    assert error.job_id is None
    assert error.worker_id
    assert "about to" in error.stdout
    assert "test_balanced.py" in error.remote_traceback


def test_calls_run_side_by_side_on_one_worker(
    session: Session, events: list[Event], tmp_path: Path, request: Any
) -> None:
    pairs = [("first", "second"), ("second", "first")]

    async def both() -> list[Any]:
        calls = (session.calls.call(meet.spec, (str(tmp_path), *pair), {}) for pair in pairs)
        return await asyncio.gather(*calls)

    assert asyncio.run(both()) == [("first", Point(10)), ("second", Point(12))]
    said = {each.stdout for each in events if isinstance(each, JobEnded)}
    if request.node.callspec.params["session"] == "our worker":  # the other redirects for all
        assert said == {
            f"waits {own}\nmet {other}\nWARNING:meeting:of {own}\n" for own, other in pairs
        }
    assert call(session, work, "still") == 5


def test_map_sends_a_request_for_each_item(session: Session) -> None:
    async def collect() -> list[int]:
        return [each async for each in work.map(["a", "bb", "ccc"], concurrency=2)]

    with registry.bound(session.calls):
        assert asyncio.run(collect()) == [1, 2, 3]


def test_an_instance_of_a_class_is_kept_by_its_worker(session: Session) -> None:
    async def count() -> list[int]:
        counter = Counter(10)
        return [await counter.add(1), await counter.add(2)]

    with registry.bound(session.calls):
        assert asyncio.run(count()) == [11, 13]


def test_a_worker_that_dies_is_told_of_at_once(session: Session) -> None:
    with pytest.raises(WorkerDiedError, match="exited with code 9"):
        call(session, die, 9)
    assert call(session, work, "again") == 5


def test_a_caller_that_is_cancelled_is_let_go(session: Session, tmp_path: Path) -> None:
    async def impatient() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(
                session.calls.call(meet.spec, (str(tmp_path), "a", "nobody"), {}), 0.5
            )
        (tmp_path / "nobody").touch()

    asyncio.run(impatient())
    assert call(session, work, "next") == 4


def test_an_endpoint_is_warmed_by_a_request(session: Session) -> None:
    resource = LiveLoadBalancer(name="warmed", workersMax=1)
    assert asyncio.run(warm(session.calls, [resource])) == {}


def test_an_image_that_does_not_start_is_told_of(session: Session) -> None:
    broken = LiveLoadBalancer(name="none", template=PodTemplate(imageName="unknown/image"))
    with pytest.raises(NoCapacityError, match='"unknown/image" = '):
        call(session, remote(broken, method="GET", path="/")(length))


def length(text: str = "") -> int:
    return len(text)
