"""Runs a module in forks of one process that has imported what such runs import.

A program: ``python forkserver.py DESCRIPTOR MODULE``. Where the module is pytest, it is for the
interpreter of the projects, so it imports nothing of this repository. The descriptor is a socket
that keeps messages apart. An order is JSON (``arguments``, ``cwd``, ``env``) with the descriptors
of the three standard streams; it is answered with ``{"pid"}``, and with ``{"pid", "code"}`` once
the run has ended. A run is a process in a session of its own, as ``python -m MODULE`` would be;
what it is spared is half of the processor time of a run of one test, and more where less is done.
What a run leaves behind becomes a child of this process. When the socket is closed, all that still
runs is killed.

Where the order says ``nursery``, the workers of pytest-xdist are forked too, from a child that the
run has for it (execnet starts them when there are threads in the run itself).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

_ORDER = 1 << 20
_TO_THE_GROUP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
# What a run with an app imports. uvloop is not among it: where the run is guarded there is none.
# Hypothesis is, since it asks the garbage collector, which does not tell it of what is frozen.
_IMPORTS = """
import contextlib, importlib

for name in (
    "coverage",
    "encodings.idna",
    "execnet",
    "fastapi.telemetry._runtime",
    "httpcore",
    "httpx",
    "hypothesis",
    "pytest_flash.emulator.client.process",
    "pytest_flash.provisioner.reaper",
    "pytest_flash.runner.serving.served_connection",
    "pytest_flash.runner.app.load",
    "pytest_flash.session",
    "pytest_flash.testing.config",
    "pytest_flash.testing.session_opening",
    "pytest_flash.testing.pytest_hooks",
    "pytest_flash.testing.report_sections",
    "pytest_flash.testing.session",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)

import fastapi

# FastAPI imports more at the first route.
fastapi.FastAPI().get("/{x}")(lambda x: x)
"""


def main() -> None:
    """Serve until the socket is closed; in a fork, run the module."""
    descriptor, module = sys.argv[1:]
    orders = socket.socket(fileno=int(descriptor))
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if module == "pytest":
        _import_for_pytest()
    else:
        sys.path[0] = str(Path.cwd())
        importlib.import_module(module)
        del sys.modules[module]  # It is run as the main one.
    gc.freeze()  # Or each run would look through all of it, ten times at its end.
    order = _serve(orders)
    if order is None:
        return
    if order["nursery"] and (worker := _with_nursery()) is not None:
        _work(worker)
    else:
        _run(module, order)


def _import_for_pytest() -> None:
    """Import in a run of pytest: it warns of plugins' packages that it had no chance to rewrite."""
    import pytest  # What is run elsewhere must not find it imported.

    path, modules = list(sys.path), set(sys.modules)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_imports.py").write_text(_IMPORTS)
        # pytest-rerunfailures would start a thread.
        plugins = ("cacheprovider", "asyncio", "hypothesispytest", "rerunfailures")
        without = (f"-pno:{name}" for name in plugins)
        code = pytest.main([*without, "--collect-only", f"--rootdir={folder}", folder])
    assert code == pytest.ExitCode.NO_TESTS_COLLECTED, code
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("test_imports"):
            del sys.modules[name]


def _serve(orders: socket.socket) -> dict[str, Any] | None:
    """Fork for each order; return it in the fork, or None when there will be no more."""
    ended, note = os.pipe()
    os.set_blocking(note, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(note)
    running: set[int] = set()
    while True:
        ready, _, _ = select.select([orders.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 1024)
            _report_ended(orders, running)
        if orders.fileno() not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(orders, _ORDER, 3)
        if not message:
            break
        assert threading.active_count() == 1, threading.enumerate()
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(ended)
            os.close(note)
            _begin(orders, descriptors)
            order: dict[str, Any] = json.loads(message)
            return order
        running.add(pid)
        for each in descriptors:
            os.close(each)
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    return None


def _begin(orders: socket.socket, streams: Sequence[int]) -> None:
    """Leave the server's session, and answer the order."""
    os.setsid()
    _take(streams)
    orders.send(json.dumps({"pid": os.getpid()}).encode())
    orders.close()


def _take(streams: Sequence[int]) -> None:
    """Use ``streams`` as the standard ones, and no random numbers that others have too."""
    for number, each in enumerate(streams):
        os.dup2(each, number)
        os.close(each)
    random.seed()


def _report_ended(orders: socket.socket, running: set[int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = found
            if pid in running:
                running.discard(pid)
                code = os.waitstatus_to_exitcode(status)
                orders.send(json.dumps({"pid": pid, "code": code}).encode())


def _run(module: str, order: dict[str, Any]) -> None:
    """``python -m MODULE``."""
    _begin_as_python(order, order["cwd"])
    sys.argv[1:] = order["arguments"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _begin_as_python(order: dict[str, Any], first: str) -> None:
    """What Python does at its start; ``first`` is where it looks for modules first."""
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    added = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[0:1] = [first, *added]
    for path in added:
        if (customize := Path(path, "sitecustomize.py")).exists():
            runpy.run_path(str(customize))


def _with_nursery() -> dict[str, Any] | None:
    """Give this process a nursery; returns None here, and its order in each worker."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if not os.fork():
        ours.close()
        return _nurse(theirs)
    theirs.close()
    _have_workers_forked(ours)
    return None


def _nurse(orders: socket.socket) -> dict[str, Any]:
    """Fork for each order, until the run has ended; returns in the forks."""
    handlers = {each: signal.getsignal(each) for each in _TO_THE_GROUP}
    for number in _TO_THE_GROUP:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, streams, _, _ = socket.recv_fds(orders, _ORDER, 3)
        if not message:
            os._exit(0)
        pid = os.fork()
        if not pid:
            orders.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            _take(streams)
            order: dict[str, Any] = json.loads(message)
            return order
        orders.send(str(pid).encode())
        for each in streams:
            os.close(each)


def _work(order: dict[str, Any]) -> None:
    """``python -c``, with what execnet says there."""
    _begin_as_python(order, "")
    sys.argv[:] = ["-c"]
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec("import sys;exec(eval(sys.stdin.readline()))", main.__dict__)


class _Worker:
    """As execnet knows its ``subprocess.Popen``."""

    def __init__(self, nursery: socket.socket) -> None:
        given, to_it = os.pipe()
        from_it, said = os.pipe()
        order = {"cwd": str(Path.cwd()), "env": dict(os.environ)}
        socket.send_fds(nursery, [json.dumps(order).encode()], [given, said, 2])
        self.pid = int(nursery.recv(64))
        os.close(given)
        os.close(said)
        self.stdin = os.fdopen(to_it, "wb")
        self.stdout = os.fdopen(from_it, "rb")
        self._end: int | None = None
        with contextlib.suppress(ProcessLookupError):  # It has ended already.
            self._end = os.pidfd_open(self.pid)

    def wait(self) -> int:
        if self._end is not None:
            select.select([self._end], [], [])
        return 0

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def _have_workers_forked(nursery: socket.socket) -> None:
    from execnet import gateway_base, gateway_io

    def begin(self: Any, args: object, execmodel: Any) -> None:
        self.popen = worker = _Worker(nursery)
        gateway_base.Popen2IO.__init__(self, worker.stdin, worker.stdout, execmodel=execmodel)

    gateway_io.Popen2IOMaster.__init__ = begin  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
