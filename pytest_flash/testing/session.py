"""One process's share of a test run: its calls, its server, its clients, what its tests did."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from ..errors import EndpointLimitError, FlashError, RunpodError, ServerError
from ..functions.calling.calls import RemoteCalls
from ..functions.calling.in_process import InProcess, here_alone
from ..functions.declaration.specs import FunctionSpec
from ..functions.registry import registry
from ..process.loop_thread import LoopThread
from ..provisioner.discover import discover
from ..runner.serving.app_server import ThreadServer
from ..runpod import Endpoint
from ..sdks.official_functions import refuse_official_functions
from ..settings import read_process_environment
from . import clients
from .endpoints import Endpoints
from .observing.hang_report import LONGEST, report_hangs
from .observing.observed_app import ObservedApp
from .observing.recorder import Recorder
from .session_calls import SessionCalls
from .shared_runpod import Platform

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI

    from ..functions.shipping.payload import Shipping
    from ..progress import Job
    from ..resources import ServerlessResource
    from ..target import Target
    from .config import FlashConfig

_CLOSING = 5.0
_EXPLAINING = 2 * LONGEST
# A job that a test leaves behind can be cancelled once Runpod has named it, which it does after
# at most so many seconds: the shortest wait that it takes.
_WAIT = 1.0


class FlashSession:
    """Where this process's remote functions run, and what its tests make of it.

    ``processes`` are as many as run this run's tests. ``say`` gets what functions print while they
    run, line by line, and ``notify`` what a call has waited for that takes long to begin.
    """

    def __init__(
        self,
        platform: Platform,
        target: Target,
        settings: FlashConfig,
        shipping: Shipping,
        *,
        processes: int = 1,
        say: Callable[[str], None] | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.target = target
        self.settings = settings
        self.recorder = Recorder(platform.job_ended, say, notify)
        self._platform = platform
        self._ready: dict[ServerlessResource, Endpoint] = {}
        self._loop = LoopThread("flash-calls")
        self._app: ObservedApp | None = None
        self._closed = False
        # What is undone at the end of the test and, above it, of fixtures that outlive it.
        self._ends = [contextlib.ExitStack()]
        self.tests_over = False
        """Whether what happens now belongs to no test any more."""
        self.over_limit: EndpointLimitError | None = None
        """Why the run may not go on: it would create more endpoints than it may."""
        self._here = InProcess() if settings.in_process else None
        if self._here is not None:
            self._remote = RemoteCalls.in_process(self._here, shipping, on_event=self.recorder)
        else:
            self._remote = RemoteCalls.connected(
                target,
                self._endpoint_for,
                shipping,
                on_event=self.recorder,
                shared_by=processes,
                wait=_WAIT,
            )
        self.calls = SessionCalls(
            self._remote,
            self._here.endpoint_for if self._here is not None else self._endpoint_for,
            self._loop,
            recorder=self.recorder,
            startup_timeout=settings.startup_timeout,
            explain=self._explain,
            cancel=self._cancel,
            trouble=self.trouble,
        )

    def provision(self, test_files: Collection[Path]) -> Endpoints:
        """The endpoints of the functions that were imported, but for those of ``test_files``.

        Raises ProvisioningError and what else provisioning raises; OfficialSdkError for functions
        of an official SDK, which would run on Runpod.
        """
        if self.target.is_live:
            refuse_official_functions(None, "without --flash-live")
        else:
            refuse_official_functions("--flash-live")
        self._remote.shipping.keep_texts()
        key = read_process_environment().key
        uses = discover(registry.functions(), key=key, exclude=test_files)
        wanted = [(use.resource, use.functions[0].file) for use in uses]
        if self._here is not None:
            named = (use.resource.name for use in uses)
            made = {name: here_alone(name) for name in named}
            return Endpoints(made, self.calls, live=False, at_end=self._at_end)
        with self._noting_limits():
            made = self._platform.provision(wanted)
        self._ready.update({use.resource: made[use.resource.name] for use in uses})
        return Endpoints(made, self.calls, live=self.target.is_live, at_end=self._at_end)

    @contextlib.contextmanager
    def serving(self, app: FastAPI, *, stop_within: float = 10.0) -> Iterator[ThreadServer]:
        """Serve ``app`` while the context lasts; it has ``stop_within`` seconds to end then.

        Raises ServerError.
        """
        self._app = ObservedApp(app, self.recorder)
        server = ThreadServer(app, observed=self._app, stop_within=stop_within)
        with self._saying_where(self._app):
            server.start(self.settings.startup_timeout)
        try:
            yield server
        finally:
            # Handlers that wait for a job would hold the server up.
            self.calls.end(lasting=True)
            with self._at_least_telling(), self._saying_where(self._app):
                server.stop()

    @contextlib.contextmanager
    def _saying_where(self, app: ObservedApp) -> Iterator[None]:
        try:
            yield
        except ServerError as error:
            where = "\n".join(f"  {line}" for line in app.under_way())
            raise ServerError(f"{error}\n{where}".rstrip()) from error.__cause__

    def client(self, url: str, endpoints: Endpoints) -> httpx.Client:
        """A client of the server at ``url``, to be closed."""
        return clients.client(url, self._patience(endpoints))

    def async_client(self, url: str, endpoints: Endpoints) -> httpx.AsyncClient:
        """An asynchronous client of the server at ``url``, for any loop."""
        return clients.async_client(url, self._patience(endpoints))

    def begin_test(self) -> None:
        """A test begins: what happens from now on is its own."""
        self.recorder.begin()

    def end_test(self) -> None:
        """A test has ended: its stubs, and the jobs that it left unfinished."""
        self._ends[0].close()
        if not self._closed and self._is_something_left():
            self.calls.end(lasting=False)

    @contextlib.contextmanager
    def outliving(self, at_end: Callable[[Callable[[], None]], object]) -> Iterator[None]:
        """What happens in this context outlives the test; ``at_end`` takes what ends it."""
        end = contextlib.ExitStack()
        at_end(end.close)
        self._ends.append(end)
        try:
            with self.recorder.outliving():
                yield
        finally:
            self._ends.remove(end)

    def settle(self) -> None:
        """Wait for what the app does at the end of the requests that it has answered."""
        if self._app is not None:
            self._app.settle()

    def explain_hang(self) -> str:
        """Where the calls and requests that are under way hang; blocks for a moment."""
        try:
            return self._loop.run(self._explain(), _EXPLAINING)
        except TimeoutError as error:  # The report of a test that failed must not fail.
            return f"where they hang is unknown: {error}"

    def trouble(self) -> str:
        """Why the embedded Runpod cannot answer, as far as its process tells; else nothing."""
        try:
            return self._platform.trouble()
        except FlashError as error:
            return str(error)

    @property
    def hangs(self) -> bool:
        """Whether calls of this test, or requests, are under way."""
        if self._closed:
            return False
        return bool(self.recorder.current.unfinished) or bool(self._app and self._app.hangs)

    def close(self) -> None:
        """Cancel what is under way and close every connection."""
        self.calls.end(lasting=True)
        self._closed = True
        self._remote.close()
        self._loop.run(self._remote.queue.aclose(), _CLOSING)
        if self._here is not None:
            self._here.close()
        self._loop.stop()

    async def _endpoint_for(self, spec: FunctionSpec, gone: Endpoint | None = None) -> Endpoint:
        known = self._ready.get(spec.resource)
        if known is not None and known is not gone:
            return known
        # Threads, since provisioning is synchronous and may take a minute.
        with self._noting_limits():
            if gone is None:
                wanted = [(spec.resource, spec.file)]
                made = await to_thread.run_sync(self._platform.provision, wanted)
                endpoint = made[spec.resource.name]
            else:
                endpoint = await to_thread.run_sync(
                    self._platform.replace, spec.resource, spec.file, gone
                )
        self._ready[spec.resource] = endpoint
        return endpoint

    @contextlib.contextmanager
    def _at_least_telling(self) -> Iterator[None]:
        """Where no test is left that an error could belong to, print it: raised, it would take
        the place of pytest's summary and exit code.
        """
        try:
            yield
        except ServerError as error:
            if not self.tests_over:
                raise
            print(f"\nflash: {error}", file=sys.stderr)

    def _is_something_left(self) -> bool:
        """Whether calls are under way or jobs without an end; each test would pay for more."""
        jobs = (*self.recorder.current, *self.recorder.unfinished(lasting=False))
        return self.calls.under_way or any(job.status is None for job in jobs)

    def _at_end(self, undo: Callable[[], None]) -> None:
        self._ends[-1].callback(undo)

    @contextlib.contextmanager
    def _noting_limits(self) -> Iterator[None]:
        """Note that the run may not go on, whatever becomes of the error on its way."""
        try:
            yield
        except EndpointLimitError as error:
            self.over_limit = error
            raise

    async def _cancel(self, jobs: Sequence[Job]) -> None:
        """Cancel jobs by their ids; spawned ones have nobody else."""

        async def cancel(job: Job) -> None:
            # One that cannot be cancelled ends at its endpoint's time limit.
            if job.id is not None:
                with contextlib.suppress(RunpodError):
                    await self._remote.queue.cancel(job.endpoint_id, job.id)

        await asyncio.gather(*map(cancel, jobs))

    async def _explain(self) -> str:
        requests = await to_thread.run_sync(tuple, self._app.under_way()) if self._app else ()
        return await report_hangs(
            self.recorder.current.unfinished, requests, self._remote.queue, self.target
        )

    def _patience(self, endpoints: Endpoints) -> float:
        """Seconds: the longest time that a function may run, and the time to start a worker."""
        return endpoints.longest + self.settings.startup_timeout
