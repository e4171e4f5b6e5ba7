"""Remote functions connected to a target: what ``flash run``, the plugin and scripts share."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from .events import Event, EventSink, JobEnded, JobNamed, JobOutput, JobStarted, Notice, ignore
from .functions.declaration.specs import FunctionSpec
from .project import Project, find_project, named_by_folder
from .provisioner.account_volumes import AccountVolumes
from .provisioner.endpoint_specification import EndpointSpecification
from .provisioner.owner import Owner, choose_namespace
from .provisioner.provisioner import Provisioner
from .provisioner.state.records import Account, Creator, Scope
from .provisioner.state.session_processes import User
from .resources import ServerlessResource
from .runpod import Endpoint, ManagementClient, Pace
from .settings import API_KEY, Environment, read_process_environment
from .target import Target, open_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from .functions.calling.calls import RemoteCalls
    from .functions.shipping.source_facts import KnownSources
    from .provisioner.provisioning_run import ProvisioningRun
    from .provisioner.session_records import SessionRecords

_LOG = logging.getLogger("pytest_flash")


@dataclass(frozen=True)
class Identity:
    """On whose behalf endpoints are made: the project, its namespace, and this session.

    ``user`` is the process whose life is the session's; ``creator`` says what kind it is.
    """

    project: Project
    namespace: str
    creator: Creator
    user: User

    @property
    def owner(self) -> Owner:
        """Project and namespace, as endpoints carry them."""
        return Owner(self.project.name, self.namespace, self.project.former_name)


class UnderWay:
    """How many threads are inside; whoever ends the process can wait until none is."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    @property
    def busy(self) -> bool:
        """Whether any is."""
        return self._count > 0

    def wait(self, timeout: float) -> bool:
        """Return when none is, or after ``timeout`` seconds; whether none is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, timeout)


class EndpointSource:
    """Gives functions their endpoints, which are made when they are first called."""

    def __init__(self, provisioner: Provisioner, under_way: UnderWay) -> None:
        self._provisioner = provisioner
        self._under_way = under_way

    async def __call__(self, spec: FunctionSpec, gone: Endpoint | None) -> Endpoint:
        """The endpoint that ``spec`` runs on; not ``gone``, which turned out not to exist."""
        known = self._provisioner.known(spec.resource)
        if known is not None and known is not gone:
            return known
        # A thread, since provisioning is synchronous and may take a minute.
        return await to_thread.run_sync(self._provision, spec, gone)

    def _provision(self, spec: FunctionSpec, gone: Endpoint | None) -> Endpoint:
        with self._under_way:
            return self._provisioner.ensure(spec.resource, spec.file, gone)


class Session:
    """A target with the clients that talk to it. Use ``calls`` to run remote functions; what they
    take, a third of all that is imported here, comes with the first use.

    Endpoints on a live target are remembered in the project's ``.runpod``: ``session_records``;
    those of the embedded Runpod end with it. ``provisioning`` is how many functions are being
    given an endpoint.
    """

    def __init__(
        self,
        target: Target,
        management: ManagementClient,
        provisioner: Provisioner,
        connect: Callable[[], RemoteCalls],
        *,
        volumes: AccountVolumes,
        session_records: SessionRecords | None,
        provisioning: UnderWay,
        on_event: EventSink,
    ) -> None:
        self.target = target
        self.management = management
        self.provisioner = provisioner
        self._connect = connect
        self._calls: RemoteCalls | None = None
        self._connecting = threading.Lock()
        self.volumes = volumes
        self.session_records = session_records
        self.provisioning = provisioning
        self._on_event = on_event

    @classmethod
    def open(
        cls,
        target: Target,
        identity: Identity,
        environment: Environment,
        *,
        adopt: bool = False,
        max_creations: int | None = None,
        on_event: EventSink = ignore,
        record_values: bool = False,
        heard: bool = True,
        in_process: bool = False,
        known: KnownSources | None = None,
    ) -> Session:
        """Put one together, and take over what older versions have remembered.

        ``max_creations`` limits what is created on a live target. With ``record_values`` the events
        of calls tell arguments and results; ``heard`` says whether they tell output while jobs run;
        ``known`` is what is known of the project's modules already. With ``in_process`` functions
        run in this process.
        """
        key = environment.get(API_KEY)
        pace = Pace() if target.is_live else Pace.unlimited()
        source = key.source if key else None
        management = ManagementClient(target, key_source=source, pace=pace)
        session_records = ledger_of(target, identity, on_event) if target.is_live else None
        volumes = AccountVolumes(management, create=not target.is_live)
        provisioner = Provisioner(
            management,
            EndpointSpecification(identity.owner, environment, volumes, live=target.is_live),
            session_records=session_records,
            adopt=adopt,
            on_event=on_event,
            max_creations=max_creations if target.is_live else None,
        )
        provisioning = UnderWay()

        def connect() -> RemoteCalls:
            from .functions.calling.calls import RemoteCalls
            from .functions.shipping.loaded_source import LoadedTexts
            from .worker_packages import shipping_to

            texts, root = LoadedTexts(), identity.project.root
            shipping = shipping_to(target, root, environment, texts, known)
            if in_process:
                from .functions.calling.in_process import InProcess

                return RemoteCalls.in_process(
                    InProcess(), shipping, on_event=on_event, record_values=record_values
                )
            return RemoteCalls.connected(
                target,
                EndpointSource(provisioner, provisioning),
                shipping,
                on_event=on_event,
                pace=pace,
                record_values=record_values,
                heard=heard,
            )

        return cls(
            target,
            management,
            provisioner,
            connect,
            volumes=volumes,
            session_records=session_records,
            provisioning=provisioning,
            on_event=on_event,
        )

    @property
    def calls(self) -> RemoteCalls:
        """Runs remote functions. From any thread."""
        with self._connecting:
            if self._calls is None:
                self._calls = self._connect()
            return self._calls

    def rollout(self) -> ProvisioningRun:
        """Provisioning before serving, with this session's parts."""
        from .provisioner.provisioning_run import ProvisioningRun

        return ProvisioningRun(
            self.management, self.provisioner, self.volumes, self.session_records, self._on_event
        )

    def existing(self, resources: Iterable[ServerlessResource]) -> frozenset[str]:
        """The names of the endpoints of ``resources`` that are known to exist.

        Runpod is not asked: they were provisioned by this session, or are remembered.
        """
        recorded = self.session_records.records() if self.session_records is not None else ()
        known = [self.provisioner.known(each) for each in resources]
        return frozenset(each.endpoint_name for each in recorded if each.endpoint_id) | frozenset(
            each.name for each in known if each is not None
        )

    def close(self) -> None:
        """Close the management connections; a queue connection closes with its event loop."""
        if self._calls is not None:
            self._calls.close()
        self.management.close()


def ledger_of(target: Target, identity: Identity, on_event: EventSink) -> SessionRecords:
    """What this session remembers about endpoints on ``target``.

    What was recorded under the name that older versions gave the project is taken over: the state
    is that of the project's folder alone.
    """
    # Half of all that provisioning imports, and the embedded Runpod needs none of it.
    from .provisioner.session_records import SessionRecords
    from .provisioner.state.store import FOLDER, State

    project = identity.project
    state = State(project.root / FOLDER, on_notice=lambda text: on_event(Notice(text)))
    if project.former_name and (count := state.take_over(project.former_name, project.name)):
        on_event(
            Notice(
                f"{count} record(s) of {state.path} are taken over from {project.former_name!r}, "
                f"as this project was called before, to {project.name!r}"
            )
        )
    scope = Scope(Account.of(target), project.name, identity.namespace)
    return SessionRecords(state, scope, identity.user, identity.creator)


def connect_from_environment() -> RemoteCalls:
    """Calls for a process that nobody set up: a script, plain uvicorn. The target is live.

    Raises NoTargetError without a key, LiveRefusedError under pytest.
    """
    from .provisioner.state.live_sessions import begin_session
    from .provisioner.state.store import FOLDER

    environment = read_process_environment()
    target = open_plain(environment)
    project = find_project(Path.cwd())
    namespace = choose_namespace(None, environment, live=True)
    if not project.declared:
        _log(Notice(named_by_folder(project)))
    # To the end of this process: nobody says when its last call was.
    session = begin_session(project.root / FOLDER)
    identity = Identity(project, namespace, "run", session.user)
    return Session.open(target, identity, environment, on_event=_log).calls


def _log(event: Event) -> None:
    """Where nobody renders events, the log says what is made, which costs money; what functions
    print is printed, or logged where there is a log for it."""
    if isinstance(event, JobOutput):
        for line in event.lines:
            if _LOG.isEnabledFor(logging.INFO):
                _LOG.info("%s", line)
            else:
                _print(line)
    elif not isinstance(event, JobStarted | JobNamed | JobEnded):
        _LOG.warning("%s", event)  # Of the others the caller gets the result or the error.


def _print(line: str) -> None:
    """As ``print`` of the script itself, which has no part in what becomes of it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = line.encode(encoding, "backslashreplace").decode(encoding)
    # Nobody reads it any more, or it is closed.
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)
