"""Many processes and threads on one state, ended at any instant."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_flash.errors import ProvisioningError
from pytest_flash.provisioner.state.records import Account, CreatedEndpoint, Scope
from pytest_flash.provisioner.state.store import Draft, State
from tests.support.system.processes import wait_until

SCOPE = Scope(Account("https://api.runpod.io", "0123456789ab"), "shop", "default")
OTHERS = replace(SCOPE, account=Account("https://api.runpod.io", "another_key_"))

# What the programs below start with; their first argument is the folder.
PRELUDE = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from pytest_flash.provisioner.state.records import Account, CreatedEndpoint, Scope
from pytest_flash.provisioner.state.store import State

scope = Scope(Account("https://api.runpod.io", "0123456789ab"), "shop", "default")
state = State(Path(sys.argv[1]), on_notice=lambda notice: os._exit(9))

def put(draft, name, id):
    configuration = draft.configuration({"name": name, "env": {"A": "b" * 100}})
    draft.put(scope, CreatedEndpoint(name, name, id, configuration, "/main.py", "run"))

def say(text):
    os.write(1, f"{text}\\n".encode())

def in_children(count, work):
    children = []
    for number in range(count):
        child = os.fork()
        if not child:
            try:
                work(number)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
"""


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / ".runpod", on_notice=pytest.fail)


@contextmanager
def running(program: str, state: State) -> Iterator[subprocess.Popen[str]]:
    """A program under way, ended at the end, or after a minute: reading from it is no wait."""
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + program, str(state.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = threading.Timer(60, process.kill)
        deadline.start()
        try:
            yield process
        finally:
            deadline.cancel()
            deadline.join()
            process.kill()


def run(program: str, state: State) -> str:
    """What a program printed, once it has ended well."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program, str(state.folder)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def put(draft: Draft, resource: str, id: str, scope: Scope = SCOPE) -> CreatedEndpoint:
    configuration = draft.configuration({"name": resource})
    return draft.put(
        scope, CreatedEndpoint(resource, resource, id, configuration, "/main.py", "run")
    )


# One process imports everything; each line it is sent makes it fork a child that saves in a loop
# and says before and after each save what it saves. Two records always carry the same number.
SAVER = """
def save(_):
    number = int(state.read().record(scope, "one").endpoint_id)
    say(f"child {os.getpid()}")
    while True:
        number += 1
        with state.change() as draft:
            put(draft, "one", str(number))
            put(draft, "two", "padding" * (number % 50))
            put(draft, "three", str(number))
            say(f"saving {number}")
        say(f"saved {number}")

for _ in sys.stdin:
    in_children(1, save)
    say("ended")
"""


def test_a_process_killed_at_any_instant_leaves_a_whole_state(
    state: State, request: pytest.FixtureRequest
) -> None:
    rounds = 200 if request.config.getoption("--soak") else 25
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    with state.change() as draft:
        foreign = put(draft, "gpu", "foreign", OTHERS)
        put(draft, "one", "0")
        put(draft, "three", "0")

    with running(SAVER, state) as process:
        assert process.stdin is not None
        for number in range(rounds):
            saved = kill_one_saver(process, chance)
            contents = state.read()
            one, three = (contents.record(SCOPE, name) for name in ("one", "three"))
            context = f"round {number}, seed {seed}"
            assert one is not None, context
            assert three is not None, context
            assert one.endpoint_id == three.endpoint_id, context
            assert int(one.endpoint_id or 0) >= saved, context
            assert contents.records(OTHERS) == (foreign,), context
        process.stdin.close()
        assert process.wait(timeout=10) == 0

    with state.change() as draft:
        put(draft, "one", "done")
    assert not list(state.folder.glob("*.tmp"))
    assert not list(state.folder.glob("*damaged*"))


def kill_one_saver(process: subprocess.Popen[str], chance: random.Random) -> int:
    """Have a child save for a while and kill it; returns the last number it said it saved."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    child = int(line(process).removeprefix("child "))
    said = ["saved 0"]
    for _ in range(chance.randrange(2, 6)):
        said.append(line(process))
    # The instant of death, within the millisecond or two that encoding and saving take.
    time.sleep(chance.uniform(0, 0.002))
    os.kill(child, signal.SIGKILL)
    while (word := line(process)) != "ended":
        assert word, "the process that forks has ended"
        said.append(word)
    return max(int(each.removeprefix("saved ")) for each in said if each.startswith("saved "))


INCREMENT = """
def increment(number):
    for _ in range(25):
        with state.change() as draft:
            count = int(draft.record(scope, "count").endpoint_id)
            put(draft, "count", str(count + 1))

assert in_children(8, increment) == [0] * 8
"""


def test_no_process_loses_the_change_of_another(state: State) -> None:
    with state.change() as draft:
        put(draft, "count", "0")
        foreign = put(draft, "count", "foreign", OTHERS)
    run(INCREMENT, state)
    (record,) = state.read().records(SCOPE)
    assert record.endpoint_id == "200"
    assert state.read().records(OTHERS) == (foreign,)


def test_no_thread_loses_the_change_of_another(state: State) -> None:
    together = threading.Barrier(8)

    def add(thread: int) -> None:
        together.wait(timeout=10)
        for number in range(10):
            with state.change() as draft:
                put(draft, f"{thread}-{number}", "id")

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(add, thread) for thread in range(8)]:
            each.result(timeout=30)
    assert len(state.read().records(SCOPE)) == 80


CREATE = """
def create(number):
    name = f"resource-{number % 4}"
    with state.creating(scope, name):
        if state.read().record(scope, name) is None:
            with state.change() as draft:
                put(draft, name, str(os.getpid()))
            say(f"created {name}")

assert in_children(16, create) == [0] * 16
"""


def test_one_process_creates_and_the_others_find_it(state: State) -> None:
    created = run(CREATE, state).split("\n")[:-1]
    assert sorted(created) == [f"created resource-{n}" for n in range(4)]


def test_threads_of_a_process_create_one_after_the_other(state: State) -> None:
    together = threading.Barrier(8)
    inside: list[int] = []
    most: list[int] = []

    def create(number: int) -> None:
        together.wait(timeout=10)
        with state.creating(SCOPE, "gpu", timeout=20):
            inside.append(number)
            most.append(len(inside))
            state.read()
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(create, number) for number in range(8)]:
            each.result(timeout=30)
    assert most == [1] * 8


def test_other_resources_and_scopes_are_created_in_parallel(state: State) -> None:
    with (
        state.creating(SCOPE, "gpu"),
        state.creating(SCOPE, "cpu", timeout=0),
        state.creating(OTHERS, "gpu", timeout=0),
        state.creating(replace(SCOPE, namespace="ci1"), "gpu", timeout=0),
        state.change() as draft,
    ):
        put(draft, "gpu", "id")


def test_reading_waits_for_nobody(state: State) -> None:
    with state.change() as draft:
        put(draft, "gpu", "id")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(state.read).result(timeout=30).records(SCOPE) == ()


HOLD = """
with {hold}:
    say("held")
    signal.pause()
"""


def changing(state: State, timeout: float) -> AbstractContextManager[object]:
    return State(state.folder, on_notice=pytest.fail, timeout=timeout).change()


def creating(state: State, timeout: float) -> AbstractContextManager[object]:
    return state.creating(SCOPE, "gpu", timeout=timeout)


@pytest.mark.parametrize(
    ("hold", "take"),
    [("state.change()", changing), ("state.creating(scope, 'gpu')", creating)],
    ids=["change", "creating"],
)
def test_a_lock_names_its_holder_at_the_deadline_and_is_free_when_that_dies(
    state: State, hold: str, take: object
) -> None:
    assert callable(take)
    with running(HOLD.format(hold=hold), state) as process:
        assert line(process) == "held"
        began = time.monotonic()
        with pytest.raises(ProvisioningError) as caught, take(state, 0.2):
            pass
        assert time.monotonic() - began < 30
        assert f"waited 0.2 s for process {process.pid}, which holds" in str(caught.value)
        assert str(state.folder) in str(caught.value)

        process.kill()
        with take(state, 10):
            pass


def test_a_dead_process_is_not_named_as_the_holder(state: State) -> None:
    with running(HOLD.format(hold="state.creating(scope, 'gpu')"), state) as process:
        assert line(process) == "held"
    (signature,) = state.folder.glob("creating-*.pid")
    dead = signature.read_text()
    assert int(dead) == process.pid
    with state.creating(SCOPE, "gpu"):
        signature.write_text(dead)
        with (
            ThreadPoolExecutor(1) as pool,
            pytest.raises(ProvisioningError, match="for another process"),
        ):
            pool.submit(lambda: creating(state, 0).__enter__()).result(timeout=10)


def test_a_thread_that_waits_in_vain_is_told_of_the_other(state: State) -> None:
    with (
        state.change(),
        ThreadPoolExecutor(1) as pool,
        pytest.raises(ProvisioningError, match="for another thread of this process"),
    ):
        pool.submit(lambda: changing(state, 0.1).__enter__()).result(timeout=10)


def test_a_creation_waits_for_the_one_under_way(state: State) -> None:
    entered = threading.Event()

    def create() -> None:
        with state.creating(SCOPE, "gpu", timeout=20):
            entered.set()

    with state.creating(SCOPE, "gpu"):
        thread = threading.Thread(target=create)
        thread.start()
        assert not entered.wait(0.15)
    wait_until(entered.is_set, 10, "the second creation")
    thread.join(10)
