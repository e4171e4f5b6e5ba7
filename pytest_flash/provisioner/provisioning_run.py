"""Provisioning before serving: plan, ask, create, clean up, warm."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ProvisioningError, RunpodApiError
from ..events import EventSink, Notice, Planned, PlannedStep
from ..resources import NetworkVolume
from ..runpod import Endpoint, ManagementClient
from .account_volumes import AccountVolumes
from .discover import ResourceUse
from .hardware_texts import describe
from .plan import Create, Plan, Recreate, Refuse, Reuse, Step, Update, Wanted
from .prices import Prices
from .provisioner import Provisioner
from .session_records import SessionRecords
from .state import records
from .state.records import CreatedEndpoint

# Live only: more new endpoints than this are created after asking.
ASK_ABOVE = 5


@dataclass(frozen=True)
class ProvisioningRun:
    """The parts that a rollout works with. ``session_records`` is None on the embedded Runpod."""

    client: ManagementClient
    provisioner: Provisioner
    volumes: AccountVolumes
    session_records: SessionRecords | None
    on_event: EventSink

    def plan(self, uses: Iterable[ResourceUse]) -> Plan:
        """What provisioning ``uses`` would do; nothing is changed."""
        return self.provisioner.plan((use.resource, use.functions[0].file) for use in uses)

    def missing_volumes(self, plan: Plan) -> tuple[NetworkVolume, ...]:
        """The network volumes that the plan's resources name and that do not exist."""
        return self.volumes.missing(wanted.resource for wanted, _ in plan.steps)

    def agree(self, plan: Plan, ask: Callable[[str], bool]) -> None:
        """Have a person agree to what costs more than a little.

        That is more than five new endpoints, or any network volume. Raises ProvisioningError
        when they do not, or when nobody can be asked.
        """
        volumes = self.missing_volumes(plan)
        if self.session_records is None or (len(plan.creations) <= ASK_ABOVE and not volumes):
            return
        if not ask(self._question(plan, volumes)):
            raise ProvisioningError(
                "nothing was created. Pass --yes to agree without a question, or leave out "
                "--auto-provision to create each endpoint on its first call"
            )

    def apply(self, plan: Plan) -> dict[str, Endpoint]:
        """Create the missing volumes, then make every endpoint as its resource says."""
        for volume in self.missing_volumes(plan):
            self._make(volume)
        return self.provisioner.ensure_all(
            (wanted.resource, wanted.source_file) for wanted, _ in plan.steps
        )

    def remove_orphans(self, plan: Plan, imported: Collection[str]) -> None:
        """Delete the endpoints of ``plan.orphans`` that ``imported`` files prove to be orphans."""
        if self.session_records is None:
            return
        gone = orphans(plan.orphans, imported, self.session_records)
        for record in gone:
            self.on_event(
                Notice(
                    f"{record.endpoint_name} is removed: no code defines "
                    f"{record.resource!r} any more (--keep-orphans keeps it)"
                )
            )
        for name, error in self.provisioner.remove(gone).items():
            self.on_event(Notice(f"{name} could not be removed: {error}"))

    def described(self, plan: Plan) -> Planned:
        """``plan`` as rows for a table."""
        steps = [
            PlannedStep(
                each.name,
                "create",
                f"{each.size} GB in {each.dataCenterId.value}",
                "network volume, billed until you delete it",
            )
            for each in self.missing_volumes(plan)
        ]
        steps += [_row(wanted, step) for wanted, step in plan.steps]
        steps += [
            PlannedStep(each.endpoint_name, "orphan", "", f"{each.resource!r} is in no code")
            for each in plan.orphans
        ]
        return Planned(tuple(steps))

    def _make(self, volume: NetworkVolume) -> None:
        """Create a volume, written down before: it is billed even if nobody hears the answer."""
        recorded = records.VolumeRecord(volume.name, volume.dataCenterId.value, None)
        if self.session_records is not None:
            self.session_records.put_volume(recorded)
        try:
            made = self.volumes.make(volume)
        except RunpodApiError as error:
            if self.session_records is not None and error.status < 500:
                self.session_records.forget_volume(recorded)
            raise
        if self.session_records is not None:
            self.session_records.put_volume(replace(recorded, id=made.id))
        self.on_event(Notice(f"network volume {made.name} created ({made.size} GB)"))

    def _question(self, plan: Plan, volumes: Iterable[NetworkVolume]) -> str:
        prices = Prices.of(self.client)
        lines = [
            f"  {wanted.endpoint_name}: {describe(wanted.resource)}, {prices.hourly(wanted)} "
            f"for each worker, at most {wanted.resource.workersMax}"
            for wanted in plan.creations
        ]
        lines += [
            f"  network volume {volume.name}: {volume.size} GB in {volume.dataCenterId.value}, "
            "billed until you delete it"
            for volume in volumes
        ]
        return "This would create on Runpod:\n" + "\n".join(lines) + "\nCreate them?"


def orphans(
    records: Iterable[CreatedEndpoint], imported: Collection[str], session_records: SessionRecords
) -> tuple[CreatedEndpoint, ...]:
    """Those of ``records``, whose resources no code defines, that are provably orphans.

    The file that defined the resource was ``imported`` without it, or does not exist, and no
    other living session than that of ``session_records`` needs the endpoint.
    """
    return tuple(
        record
        for record in records
        if (record.source_file in imported or not Path(record.source_file).exists())
        and not session_records.others(record)
    )


def _row(wanted: Wanted, step: Step) -> PlannedStep:
    action, detail = "create", ""
    if isinstance(step, Create):
        detail = step.why
    elif isinstance(step, Reuse):
        action, detail = "adopt" if step.adopted else "reuse", step.endpoint.id
    elif isinstance(step, Update):
        action = "update"
        changes = (f"{each.field}: {each.old} -> {each.new}" for each in step.drift.changes)
        detail = "; ".join(changes)
    elif isinstance(step, Recreate):
        action, detail = "recreate", step.why
    elif isinstance(step, Refuse):
        action, detail = "refused", step.why
    return PlannedStep(wanted.endpoint_name, action, describe(wanted.resource), detail)
