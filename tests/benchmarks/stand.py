"""An emulator of its own, and a session that calls functions on it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_flash import CpuLiveServerless
from pytest_flash.emulator.client.process import EmulatorProcess
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.project import find_project
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.runpod import Endpoint
from pytest_flash.session import Identity, Session
from pytest_flash.settings import Environment
from pytest_flash.target import embedded
from tests.support.system.processes import descendants

_START_LIMIT = 60.0


@dataclass(frozen=True)
class Stand:
    """What benchmarks measure on."""

    emulator: EmulatorProcess
    session: Session
    folder: Path

    def spec(self, function: Callable[..., Any], resource: CpuLiveServerless) -> FunctionSpec:
        """``function`` as if it were decorated with ``@remote(resource)``."""
        code = function.__code__
        return FunctionSpec(function, resource, (), (), True, code.co_filename, code.co_firstlineno)

    def provision(self, resource: CpuLiveServerless) -> Endpoint:
        """Make the endpoint, and wait until its ``workersMin`` workers are idle."""
        endpoint = self.session.provisioner.ensure(resource, __file__, None)
        deadline = time.monotonic() + _START_LIMIT
        while self.session.management.workers(endpoint.id).summary.idle < resource.workersMin:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the workers of {resource.name} did not start")
            time.sleep(0.05)
        return endpoint

    def worker_pids(self) -> list[int]:
        """The worker processes."""
        below = descendants(self.emulator.pid)
        return [process.pid for process in below if process.pid != self.emulator.pid]


@contextlib.contextmanager
def stand() -> Iterator[Stand]:
    """Start an emulator; everything ends with the context."""
    with tempfile.TemporaryDirectory() as name, EmulatorProcess.start(Path(name)) as emulator:
        target = embedded(
            emulator.management_url, emulator.queue_url, emulator.api_key, "a benchmark"
        )
        identity = Identity(find_project(Path(name)), "default", "run", User.current())
        session = Session.open(target, identity, Environment({}))
        with contextlib.closing(session):
            yield Stand(emulator, session, Path(name))
