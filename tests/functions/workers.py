"""Workers for tests of functions: one of the official protocol's least, and the emulator's."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle

from pytest_flash.emulator.client.process import EmulatorProcess
from pytest_flash.events import EventSink, ignore
from pytest_flash.functions.calling.calls import RemoteCalls
from pytest_flash.functions.calling.job_results import Outcome, outcome_of
from pytest_flash.functions.declaration.specs import FunctionSpec
from pytest_flash.functions.protocol import function_messages
from pytest_flash.functions.shipping.payload import Shipping
from pytest_flash.project import Project
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.runpod import Endpoint, JobState, JobStatus
from pytest_flash.session import Identity, Session
from pytest_flash.settings import Environment
from pytest_flash.target import embedded

ENDPOINT = Endpoint(id="ep0", name="live-test", timeout=60_000)
_PROGRAM = Path(__file__).parent / "minimal_worker.py"


class MinimalWorker:
    """A process of ``minimal_worker.py``, which has the standard library and cloudpickle."""

    def __init__(self, folder: Path) -> None:
        (folder / "cloudpickle").symlink_to(Path(cloudpickle.__file__).parent)
        start = (
            f"import sys; sys.path.append({str(folder)!r}); exec(open({str(_PROGRAM)!r}).read())"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a FunctionRequest and read the FunctionResponse."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        response: dict[str, Any] = json.loads(self._process.stdout.readline())
        return response

    def outcome(
        self,
        spec: FunctionSpec,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        shipping: Shipping | None = None,
    ) -> Outcome:
        """Send a call of ``spec`` and read what became of it, as the caller does."""
        shipping = shipping or Shipping()
        prepared, payload = shipping.call(spec, args, kwargs or {})
        prefix = function_messages.request_prefix(spec, prepared)
        secret = function_messages.Secret.new()
        text = function_messages.job_request(
            prefix, function_messages.request_arguments(payload, secret)
        )
        response = self.ask(json.loads(text)["input"])
        error = response.pop("error", None)  # As the worker SDK does.
        state = JobState.FAILED if error else JobState.COMPLETED
        job = JobStatus("job1", state, output=response, error=error, worker_id="w1")
        return outcome_of(spec, ENDPOINT, job, secret.signer)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class OnMinimal:
    """A caller that runs everything on the minimal worker."""

    def __init__(self, worker: MinimalWorker, calls: RemoteCalls) -> None:
        self._worker = worker
        self._shipping = calls.shipping
        self.construct = calls.construct

    async def call(self, spec: Any, args: Any, kwargs: Any) -> Any:
        return self._worker.outcome(spec, args, kwargs, self._shipping).get()

    async def spawn(self, *_: Any) -> Any:
        raise NotImplementedError


@contextmanager
def minimal_worker() -> Iterator[MinimalWorker]:
    """A worker for a ``with`` block."""
    with tempfile.TemporaryDirectory() as folder:
        worker = MinimalWorker(Path(folder))
        try:
            yield worker
        finally:
            worker.close()


@contextmanager
def emulated(folder: Path, on_event: EventSink = ignore) -> Iterator[Session]:
    """A session whose functions run on the emulator's workers, for a ``with`` block."""
    with EmulatorProcess.start(folder) as process:
        target = embedded(
            process.management_url, process.queue_url, process.api_key, "a test asked"
        )
        identity = Identity(Project(folder, "tests"), "default", "test", User.current())
        session = Session.open(target, identity, Environment({}), on_event=on_event)
        try:
            yield session
        finally:
            session.close()
