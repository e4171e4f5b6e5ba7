"""Jobs that leave their worker in a bad state: the next ones run, print and raise all the same.

What a job changes in its process stays, as on Runpod; our own code there must not depend on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flash import CpuLiveLoadBalancer, CpuLiveServerless, remote
from pytest_flash.errors import FlashError
from pytest_flash.events import Event, JobEnded
from pytest_flash.functions.registry import registry
from tests.emulator.harness import is_alive
from tests.functions.workers import emulated
from tests.support.system.processes import wait_until

QUEUE = CpuLiveServerless(name="hostile", workersMax=1)
BALANCED = CpuLiveLoadBalancer(name="hostile-balanced", workersMax=1)

LOG = logging.getLogger("probe")


class Refused(Exception):
    """An exception of the project's own."""


IMPORTS = """\
import asyncio, builtins, gc, inspect, json, locale, os, signal, socket, sys, tempfile, threading
import time, warnings
"""


def _execute(code: str) -> int:
    exec(code, globals())
    return abs(os.getpid())


def _speak(number: int) -> tuple[int, int]:
    print("printed", number)
    LOG.warning("logged %d", number)
    return number + 1, abs(os.getpid())


def _refuse(number: int) -> None:
    print("printed", number)
    raise Refused(number)


@remote(QUEUE)
def execute(code: str) -> int:
    return _execute(code)


@remote(QUEUE)
def speak(number: int) -> tuple[int, int]:
    return _speak(number)


@remote(QUEUE)
async def refuse(number: int) -> None:
    _refuse(number)


@remote(QUEUE, dependencies=["click"])
def need() -> str:
    import click

    return click.__name__


@remote(BALANCED, method="POST", path="/exec")
async def execute_balanced(code: str) -> int:
    return _execute(code)


@remote(BALANCED, method="POST", path="/speak")
async def speak_balanced(number: int) -> tuple[int, int]:
    return _speak(number)


@remote(BALANCED, method="POST", path="/refuse")
async def refuse_balanced(number: int) -> None:
    _refuse(number)


KINDS = {
    "queue": (execute, speak, refuse),
    "balanced": (execute_balanced, speak_balanced, refuse_balanced),
}

# What a job does, and how another one undoes it, so that the next case begins anew.
CASES = {
    "warnings are errors": (
        "warnings.simplefilter('error')",
        "warnings.resetwarnings()",
    ),
    "no environment": ("kept = dict(os.environ); os.environ.clear()", "os.environ.update(kept)"),
    "no working folder": (
        "home = os.getcwd(); folder = tempfile.mkdtemp()\nos.chdir(folder); os.rmdir(folder)",
        "os.chdir(home)",
    ),
    "an empty search path": ("path = sys.path[:]; sys.path[:] = []", "sys.path[:] = path"),
    "another search path": ("path = sys.path; sys.path = ['/nonexistent']", "sys.path = path"),
    "no finders": (
        "finders = sys.meta_path[:]; sys.meta_path[:] = []",
        "sys.meta_path[:] = finders",
    ),
    "closed streams": ("sys.__stdout__.close(); sys.__stderr__.close()", ""),
    "closed standard descriptors": ("for each in range(3): os.close(each)", ""),
    "standard descriptors that are files": (
        "files = [os.open('data', os.O_RDWR | os.O_CREAT) for _ in range(3)]\n"
        "assert files == [0, 1, 2]",
        "assert os.path.getsize('data') == 0",
    ),
    "a replaced stream": ("out, sys.stdout = sys.stdout, None", "sys.stdout = out"),
    "closed descriptors": ("os.closerange(3, 1024)", ""),
    "no SIGTERM": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", ""),
    "the default of SIGPIPE": ("signal.signal(signal.SIGPIPE, signal.SIG_DFL)", ""),
    "an alarm that raises": (
        "def ring(*_): raise TimeoutError('rings')\n"
        "signal.signal(signal.SIGALRM, ring); signal.setitimer(signal.ITIMER_REAL, 0.05)",
        "signal.signal(signal.SIGALRM, signal.SIG_DFL)",
    ),
    "children that nobody awaits": ("signal.signal(signal.SIGCHLD, signal.SIG_IGN)", ""),
    "another locale": (
        "locale.setlocale(locale.LC_ALL, '')",
        "locale.setlocale(locale.LC_ALL, 'C')",
    ),
    "a umask": ("umask = os.umask(0o777)", "os.umask(umask)"),
    "little recursion": (
        "limit = sys.getrecursionlimit()\nsys.setrecursionlimit(len(inspect.stack(0)) + 5)",
        "sys.setrecursionlimit(limit)",
    ),
    "no logging": ("logging.disable(logging.CRITICAL)", "logging.disable(logging.NOTSET)"),
    "closed logging": ("logging.shutdown(); logging.getLogger().handlers.clear()", ""),
    "no default loop": (
        "asyncio.set_event_loop(None)",
        "",
    ),
    "a loop that is stopped": (
        "asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)",
        "",
    ),
    "an exception handler that raises": (
        "def bad(*_): raise KeyError('handler')\n"
        "asyncio.get_running_loop().set_exception_handler(bad)\n"
        "asyncio.get_running_loop().call_soon(lambda: 1 / 0)",
        "asyncio.get_running_loop().set_exception_handler(None)",
    ),
    "a debugging loop": (
        "asyncio.get_running_loop().set_debug(True)",
        "asyncio.get_running_loop().set_debug(False)",
    ),
    "no builtin print": (
        "shown = builtins.print; builtins.print = lambda *a, **k: shown(*a, **k)",
        "builtins.print = shown",
    ),
    "another json": (
        "dumps, loads = json.dumps, json.loads\n"
        "json.dumps = lambda value: dumps(value).encode(); json.loads = None",
        "json.dumps, json.loads = dumps, loads",
    ),
    "a clock that stands": (
        "now = time.monotonic, time.time\ntime.monotonic = time.time = lambda: 0.0",
        "time.monotonic, time.time = now",
    ),
    "a tracer": ("sys.settrace(lambda *_: None); sys.setprofile(lambda *_: None)", ""),
    "no patience": (
        "socket.setdefaulttimeout(1e-6)",
        "socket.setdefaulttimeout(None)",
    ),
    "a thread that goes on": (
        "threading.Thread(target=threading.Event().wait).start()",
        "",
    ),
    "a forked child that goes on": ("os.fork()", ""),
    "another environment": ("kept = os.environ; os.environ = None", "os.environ = kept"),
    "no modules but Python's": (
        "for each in list(sys.modules):\n"
        "    if each.partition('.')[0] not in {*sys.stdlib_module_names, '__main__'}:\n"
        "        del sys.modules[each]",
        "",
    ),
    "closed captured streams": ("sys.stdout.close(); sys.stderr.close()", ""),
    "a missing stream": ("kept = sys.stdout; del sys.stdout", "sys.stdout = kept"),
    "cancelled tasks": ("for each in asyncio.all_tasks(): each.cancel()", ""),
    "tasks cancelled later": (
        "asyncio.get_running_loop().call_later(\n"
        "    0.05, lambda: [each.cancel() for each in asyncio.all_tasks()])",
        "",
    ),
    "a factory of tasks": (
        "asyncio.get_running_loop().set_task_factory(lambda *_, **__: 1 / 0)",
        "asyncio.get_running_loop().set_task_factory(None)",
    ),
    "sockets that refuse": (
        "class Refusing(socket.socket):\n"
        "    def send(self, *_): raise RuntimeError('no network here')\n"
        "    connect = send\n"
        "kept = socket.socket; socket.socket = Refusing",
        "socket.socket = kept",
    ),
    "another process id": (
        "kept = os.getpid; os.getpid = lambda: -kept()",
        "os.getpid = kept",
    ),
    "no collector": ("gc.disable(); gc.freeze()", "gc.enable()"),
}


# Where nothing that is printed can be heard of.
SILENT = {("balanced", "a replaced stream")}
# What happens to the worker some seconds later, when it has nothing to do.
LATER = {"an alarm that raises": 0.3, "tasks cancelled later": 0.3}


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Event]]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text("")
    events: list[Event] = []
    with emulated(folder, events.append) as session, registry.bound(session.calls):
        yield events


def output(events: list[Event]) -> str:
    return [each.stdout for each in events if isinstance(each, JobEnded)][-1]


# One after another on one worker, as a worker has its jobs.
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_next_jobs_run(events: list[Event], kind: str, case: str) -> None:
    execute, speak, refuse = KINDS[kind]
    do, undo = CASES[case]
    silent = (kind, case) in SILENT

    _, pid = asyncio.run(speak(0))

    async def main() -> None:
        assert await execute(IMPORTS + do) == pid
        await asyncio.sleep(LATER.get(case, 0))
        for number in range(2):
            assert await speak(number) == (number + 1, pid)
            assert silent or f"printed {number}\n" in output(events)
            with pytest.raises(Refused) as caught:
                await refuse(number)
            assert caught.value.args == (number,)
            assert output(events) == ("" if silent else f"printed {number}\n")
        await execute(IMPORTS + undo)
        assert await speak(7) == (8, pid)

    try:
        asyncio.run(asyncio.wait_for(main(), 30))
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # Let one case's failure be no other's.
        raise


def test_packages_are_found_where_a_job_has_shut_down_the_executor(events: list[Event]) -> None:
    async def main() -> None:
        loop = "asyncio.get_running_loop()"
        await execute(
            f"{IMPORTS}from concurrent.futures import ThreadPoolExecutor\n"
            f"pool = ThreadPoolExecutor(); pool.shutdown(); {loop}.set_default_executor(pool)"
        )
        assert await need() == "click"

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_whose_own_code_fails_says_so_and_ends(events: list[Event], kind: str) -> None:
    execute, speak, _ = KINDS[kind]
    used = asyncio.run(execute("import linecache; linecache.cache = None"))
    with pytest.raises(FlashError, match=r"TypeError in the worker's own code.* this worker ends"):
        asyncio.run(asyncio.wait_for(speak(0), 30))
    wait_until(lambda: not is_alive(used), 30, "the worker's end")
    assert asyncio.run(speak(1))[0] == 2


def test_a_worker_that_has_no_descriptor_left_for_requests_ends(events: list[Event]) -> None:
    async def main() -> int:
        used = await execute_balanced(
            f"{IMPORTS}import contextlib\nkept = []\nwith contextlib.suppress(OSError):\n"
            "    while True: kept.append(os.open(os.devnull, 0))"
        )
        with pytest.raises(FlashError):
            await speak_balanced(0)
        return used

    used = asyncio.run(asyncio.wait_for(main(), 30))
    wait_until(lambda: not is_alive(used), 30, "the worker's end")
    assert asyncio.run(speak_balanced(1))[0] == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_of_sigterm_that_a_job_sets_is_called_when_the_worker_ends(
    events: list[Event], tmp_path: Path, kind: str
) -> None:
    execute, speak, _ = KINDS[kind]
    _, used = asyncio.run(speak(0))
    os.killpg(used, signal.SIGKILL)  # It may have threads that keep it.
    wait_until(lambda: not is_alive(used), 30, "the end of the worker before")
    flag = tmp_path / "flag"
    handler = f"lambda *_: open({str(flag)!r}, 'w').close()"
    pid = asyncio.run(execute(f"{IMPORTS}signal.signal(signal.SIGTERM, {handler})"))
    assert asyncio.run(speak(1)) == (2, pid)
    os.kill(pid, signal.SIGTERM)
    wait_until(flag.exists, 30, "the handler")
    wait_until(lambda: not is_alive(pid), 30, "the worker's end")


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_that_closes_every_descriptor_ends_its_worker_and_no_other(
    events: list[Event], kind: str
) -> None:
    execute, speak, _ = KINDS[kind]
    most = "resource.getrlimit(resource.RLIMIT_NOFILE)[0]"
    with pytest.raises(FlashError, match="exited with code 1"):
        asyncio.run(execute(f"import os, resource; os.closerange(0, {most})"))
    assert asyncio.run(speak(1))[0] == 2
