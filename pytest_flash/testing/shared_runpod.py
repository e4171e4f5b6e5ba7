"""The one Runpod of a test run: opened by the first test that needs it, closed after the last."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import FlashError, ProvisioningError
from .endpoint_limit import naming_the_option, stay_within_limit
from .observing.run_summary import Totals

if TYPE_CHECKING:
    from ..emulator.client.process import EmulatorProcess
    from ..emulator.client.reserved_address import ReservedAddress
    from ..emulator.startup.announcement import Announcement
    from ..progress import Job
    from ..project import Project
    from ..provisioner.provisioner import Source
    from ..provisioner.state.session_processes import User
    from ..resources import ServerlessResource
    from ..runpod import Endpoint
    from ..session import Identity, Session
    from ..settings import Environment
    from ..target import Target
    from .config import FlashConfig

# How long closing waits for provisioning that is under way, so that it is remembered.
_FINISHING = 60.0


@dataclass(frozen=True)
class Order:
    """What opening takes: the configuration, and the folder of the app and its ``.env``."""

    config: FlashConfig
    folder: Path


class Platform(Protocol):
    """What a process that runs tests needs of its run. Every method may raise FlashError.

    What failed once is not tried again: it raises the same error.
    """

    def address(self) -> Announcement:
        """Where the embedded Runpod is, or will be once it is opened: it refuses until then."""

    def open(self, order: Order) -> Target:
        """Where remote functions run; opened at the first call."""

    def provision(self, resources: Sequence[Source]) -> dict[str, Endpoint]:
        """The endpoints of ``resources``, each with its source file, by resource name."""

    def replace(self, resource: ServerlessResource, file: str, gone: Endpoint) -> Endpoint:
        """The endpoint of ``resource`` after ``gone`` turned out not to exist any more."""

    def trouble(self) -> str:
        """Why the embedded Runpod cannot answer, as far as its process tells; else nothing."""

    def job_ended(self, job: Job) -> None:
        """Count a job for the summary."""


class LocalPlatform:
    """The platform of the process that started the run. Thread-safe."""

    def __init__(self) -> None:
        self.totals = Totals()
        self._session: Session | None = None
        self._emulator: EmulatorProcess | None = None
        self._reserved: ReservedAddress | None = None
        self._order: Order | None = None
        self._identity: Identity | None = None
        self._stack = contextlib.ExitStack()
        self._opening, self._provisioning = threading.Lock(), threading.Lock()
        self._failed_to_open: FlashError | None = None
        self._failures: dict[ServerlessResource, FlashError] = {}
        self._used: dict[ServerlessResource, str] = {}
        self._idle = threading.Condition()
        self._at_work = 0
        self._closed = False

    def address(self) -> Announcement:
        """As ``Platform.address``."""
        from ..emulator.client.reserved_address import ReservedAddress
        from ..emulator.startup.announcement import Announcement

        with self._working(), self._opening:
            if self._reserved is not None:
                return self._reserved.announcement
            if (started := self._emulator) is not None:
                return Announcement(started.management_url, started.queue_url, started.api_key)
            self._reserved = ReservedAddress.reserve()
            return self._reserved.announcement

    def let_go(self) -> None:
        """Give up an address that was reserved: no emulator will have it any more."""
        if self._reserved is not None:
            self._reserved.close()

    def open(self, order: Order) -> Target:
        """As ``Platform.open``."""
        with self._working(), self._opening:
            if self._failed_to_open is not None:
                raise copy.copy(self._failed_to_open)
            if self._session is None:
                try:
                    self._session = self._open(order)
                except FlashError as error:
                    self._stack.close()
                    self._failed_to_open = error
                    raise
                self._order = order
            return self._session.target

    def provision(self, resources: Sequence[Source]) -> dict[str, Endpoint]:
        """As ``Platform.provision``."""
        # One at a time: what another process has under way is created, and counted, once.
        with self._working(), self._provisioning:
            session = self._opened()
            self._used.update(resources)
            self._raise_known(resources)
            if session.target.is_live:
                assert self._order is not None
                limit = self._order.config.max_endpoints
                stay_within_limit(session.provisioner, resources, limit)
            try:
                with naming_the_option():
                    return session.provisioner.ensure_all(resources)
            except FlashError as error:
                for resource, _ in resources:
                    if session.provisioner.known(resource) is None:
                        self._failures[resource] = error
                raise

    def replace(self, resource: ServerlessResource, file: str, gone: Endpoint) -> Endpoint:
        """As ``Platform.replace``."""
        with self._working():
            provisioner = self._opened().provisioner
            known = provisioner.known(resource)
            if known is not None and known.id != gone.id:
                return known  # Another process was quicker.
            with naming_the_option():
                return provisioner.ensure(resource, file, known)

    def trouble(self) -> str:
        """As ``Platform.trouble``."""
        error = None if self._emulator is None else self._emulator.trouble()
        return "" if error is None else str(error)

    def job_ended(self, job: Job) -> None:
        """As ``Platform.job_ended``."""
        self.totals.add(job)

    def undeploy_command(self, names: Iterable[str]) -> str:
        """What to run to delete the endpoints of these names, in words."""
        from ..provisioner.owner import DEFAULT_NAMESPACE, undeploy_command

        identity = self._identity
        namespace = identity.namespace if identity else DEFAULT_NAMESPACE
        where = f" in {identity.project.root}" if identity else ""
        return f"'{undeploy_command(namespace, names)}'{where}"

    def close(self) -> dict[str, FlashError]:
        """Stop the emulator, or delete what nobody uses; what could not be deleted, and why."""
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: not self._at_work, _FINISHING)
        left: dict[str, FlashError] = {}
        with self._stack:
            if self._session is not None and self._order is not None:
                with contextlib.suppress(FlashError):  # Without prices the summary says 'unknown'.
                    self.totals.price(self._session, self._used.items())
                left = self._session.provisioner.release(keep=self._order.config.keep)
        return left

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        with self._idle:
            if self._closed:
                raise ProvisioningError("the test run is ending; nothing is started any more")
            self._at_work += 1
        try:
            yield
        finally:
            with self._idle:
                self._at_work -= 1
                self._idle.notify_all()

    def _opened(self) -> Session:
        assert self._session is not None, "open comes first"
        return self._session

    def _open(self, order: Order) -> Session:
        from ..project import find_project
        from ..settings import read_environment

        # The app's ``.env`` is for the processes that run tests: here it would lead what the
        # emulator installs, and what is deleted after a run that was killed, through its proxies.
        environment, project = read_environment(order.folder), find_project(order.folder)
        target = self._target(order.config, environment, project)
        return self._session_on(target, order.config, environment, project)

    def _session_on(
        self, target: Target, config: FlashConfig, environment: Environment, project: Project
    ) -> Session:
        # Heavy, and imported by the first test's thread while the emulator starts.
        from ..provisioner.state.session_processes import User
        from ..session import Session

        user = self._living(project) if config.live else User.current()
        identity = self._identity = _identity(config, environment, project, user)
        session = Session.open(
            target,
            identity,
            environment,
            max_creations=config.max_endpoints,
            on_event=self.totals.take,
        )
        self._stack.callback(session.close)
        if session.session_records is not None and not config.keep:
            from ..provisioner.reaper import reaping

            self._stack.enter_context(reaping(target, session.session_records, project.former_name))
        self.totals.undeleted.update(session.provisioner.retry_deletions())
        return session

    def _living(self, project: Project) -> User:
        """This run, which others see to be alive for as long as it is."""
        from ..provisioner.state.disk import FOLDER
        from ..provisioner.state.live_sessions import session_in

        return self._stack.enter_context(session_in(project.root / FOLDER))

    def _target(self, config: FlashConfig, environment: Environment, project: Project) -> Target:
        from ..emulator.client.process import EmulatorProcess
        from ..target import embedded, open_live

        if config.live:
            return open_live(environment, reason="--flash-live", granted=True)
        emulator = EmulatorProcess.start(
            project.folder,
            timeout=config.startup_timeout,
            log=config.emulator_log,
            reserved=self._reserved,
        )
        self.let_go()
        self._stack.callback(emulator.stop)
        self._emulator = emulator
        return embedded(emulator.management_url, emulator.queue_url, emulator.api_key, "pytest")

    def _raise_known(self, resources: Sequence[Source]) -> None:
        for resource, _ in resources:
            if resource in self._failures:
                raise copy.copy(self._failures[resource])


def _identity(
    config: FlashConfig, environment: Environment, project: Project, user: User
) -> Identity:
    from ..provisioner.owner import choose_namespace
    from ..session import Identity

    namespace = choose_namespace(
        config.namespace, environment, live=config.live, named="--flash-namespace"
    )
    return Identity(project, namespace, "test", user)
