"""The remote half of an app that ``flash run`` serves.

What connects remote functions is imported and opened when the app turns out to have any: an app
without them starts without the cost, and none waits for the emulator before it is called.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import FlashError
from ...events import Notice
from ...functions.declaration.specs import FunctionSpec
from ...functions.registry import registry
from ...settings import Environment
from ..app.import_from_source import Imports
from .ipc_messages import Assignment, SourcesKnown, SupervisorLink

if TYPE_CHECKING:
    from ...events import EndpointFound
    from ...functions.calling.calls import RemoteCalls
    from ...functions.calling.handle import JobHandle
    from ...functions.shipping.source_facts import Learned
    from ...provisioner.discover import ResourceUse
    from ...provisioner.plan import Plan
    from ...provisioner.provisioning_run import ProvisioningRun
    from ...session import Session

_DRIFT = {
    "update": "differs from the code and is changed when it is used",
    "recreate": "differs from the code and is created anew when it is used",
    "refused": "cannot be used",
}


class Remotes:
    """Runs remote functions for as long as it is open, in a session that its first use opens."""

    def __init__(
        self, assignment: Assignment, environment: Environment, link: SupervisorLink
    ) -> None:
        self._assignment = assignment
        self._environment = environment
        self._link = link
        self._uses: tuple[ResourceUse, ...] = ()
        self._session: Session | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Run no more."""
        if self._session is not None:
            self._session.close()

    async def call(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """As ``RemoteCalls.call``; the first one opens the session."""
        return await (await self._calls()).call(spec, args, kwargs)

    async def spawn(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> JobHandle[Any]:
        """As ``RemoteCalls.spawn``."""
        return await (await self._calls()).spawn(spec, args, kwargs)

    def construct(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """As ``RemoteCalls.construct``. It may block: a call follows at once."""
        return self.session().calls.construct(spec, args, kwargs)

    def session(self) -> Session:
        """The session; blocks until the target is known. From any thread."""
        with self._lock:
            if self._session is None:
                self._session = self._open()
            return self._session

    @property
    def provisioning(self) -> bool:
        """Whether a management request is under way that makes or changes something."""
        return self._session is not None and self._session.provisioning.busy

    def settle(self, timeout: float) -> None:
        """Return when no such request is under way any more, or after ``timeout`` seconds.

        What has not begun to be created is not.
        """
        if self._session is not None:
            self._session.provisioner.stop()
            self._session.provisioning.wait(timeout)

    def discover(self) -> None:
        """Look at the remote functions that the app has defined. Raises ConfigurationError."""
        if registry.functions():
            from ...provisioner.discover import discover

            self._uses = discover(registry.functions(), key=self._environment.key)

    def overview(self) -> tuple[EndpointFound, ...]:
        """The app's endpoints, once the target is known."""
        self._link.target()
        if not self._uses:
            return ()
        from ...provisioner.app_summary import overview
        from ...provisioner.owner import Owner

        existing = self.session().existing(use.resource for use in self._uses)
        owner = Owner(self._assignment.project.name, self._assignment.namespace)
        return overview(self._uses, owner, existing)

    def tell_drift(self) -> None:
        """Report which endpoints no longer are as the code says; they are changed when used."""
        if not self._uses:
            return
        session = self.session()
        rollout = session.rollout()
        try:
            planned = rollout.described(rollout.plan(self._uses))
        except FlashError as error:
            self._link.report(Notice(f"whether endpoints differ from the code is unknown: {error}"))
            return
        for step in planned.steps:
            if step.action in _DRIFT:
                self._link.report(Notice(f"{step.endpoint} {_DRIFT[step.action]}: {step.detail}"))

    def provision(self, imports: Imports) -> None:
        """Create or change the app's endpoints as the options say, or report what that would do.

        ``imports`` are the project's files, which prove what is an orphan. Raises FlashError.
        """
        session = self.session()
        rollout = session.rollout()
        plan = rollout.plan(self._uses)
        if self._assignment.provision.dry_run:
            self._link.report(rollout.described(plan))
        else:
            self._apply(session, rollout, plan, imports)

    def _apply(
        self, session: Session, rollout: ProvisioningRun, plan: Plan, imports: Imports
    ) -> None:
        options = self._assignment.provision
        rollout.agree(plan, (lambda _: True) if options.yes else self._link.ask)
        with session.provisioning:
            rollout.apply(plan)
        # Afterwards: what is needed again stays.
        for name, error in session.provisioner.retry_deletions().items():
            self._link.report(Notice(f"{name} could not be deleted: {error}"))
        # A module that did not import may define what seems to be gone.
        first = self._assignment.generation == 1
        if first and not options.keep_orphans and not imports.failed:
            rollout.remove_orphans(plan, imports.files)
        if options.warm:
            self._warm(session, plan)

    def _warm(self, session: Session, plan: Plan) -> None:
        import asyncio

        from ...functions.calling.warm_up import warm

        resources = [wanted.resource for wanted, _ in plan.steps]
        for name, error in asyncio.run(warm(session.calls, resources)).items():
            self._link.report(Notice(f"{name} is not warm: {error}"))

    async def _calls(self) -> RemoteCalls:
        if self._session is None:
            from anyio import to_thread

            await to_thread.run_sync(self.session)
        return self.session().calls

    def _pass_on(self, learned: Learned) -> None:
        """Have the next process know what this one has learned, without a call waiting for that."""
        if self._assignment.reload:
            threading.Thread(target=self._report, args=(learned,), daemon=True).start()

    def _report(self, learned: Learned) -> None:
        from ...functions.shipping.source_facts import encoded

        with contextlib.suppress(OSError):  # `flash run` has gone.
            self._link.report(SourcesKnown(encoded(learned)))

    def _open(self) -> Session:
        from ...functions.shipping.source_facts import KnownSources
        from ...session import Identity, Session

        assignment = self._assignment
        session = Session.open(
            self._link.target(),
            Identity(assignment.project, assignment.namespace, "run", assignment.user),
            self._environment,
            adopt=assignment.provision.adopt,
            on_event=self._link.report,
            record_values=assignment.console is not None,
            in_process=assignment.in_process,
            known=KnownSources(assignment.sources, self._pass_on),
        )
        _ = session.calls  # Here, and not while the event loop waits for the first call.
        return session
