"""Calls of functions on load-balancing endpoints: over the wire, and on the emulator."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_flash import CpuLiveLoadBalancer, LiveLoadBalancer, PodTemplate, remote
from pytest_flash.emulator.client.process import EmulatorProcess
from pytest_flash.errors import (
    NoCapacityError,
    WorkerDiedError,
)
from pytest_flash.events import Event, JobEnded
from pytest_flash.functions.calling.warm_up import warm
from pytest_flash.functions.registry import registry
from pytest_flash.project import find_project
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.session import Identity, Session
from pytest_flash.settings import Environment
from pytest_flash.target import embedded

REFERENCE = Path(__file__).parent.parent / "reference_balanced.py"

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
        made = Session.open(target, identity, Environment({}), on_event=heard.append)
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
    assert "test_load_balanced.py" in error.remote_traceback


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


def test_a_worker_that_dies_is_reported_at_once(session: Session) -> None:
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


def test_an_image_that_does_not_start_is_reported(session: Session) -> None:
    broken = LiveLoadBalancer(name="none", template=PodTemplate(imageName="unknown/image"))
    with pytest.raises(NoCapacityError, match='"unknown/image" = '):
        call(session, remote(broken, method="GET", path="/")(length))


def length(text: str = "") -> int:
    return len(text)
