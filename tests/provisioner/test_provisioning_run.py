"""Network volumes that a rollout creates: billed, and so never forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_flash import LiveServerless, NetworkVolume
from pytest_flash.emulator.client.control import EmulatorControl
from pytest_flash.errors import RunpodApiError
from pytest_flash.events import Event
from pytest_flash.provisioner.account_volumes import AccountVolumes
from pytest_flash.provisioner.provisioner import Provisioner
from pytest_flash.provisioner.provisioning_run import ProvisioningRun
from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.provisioner.state.records import VolumeRecord
from pytest_flash.runpod import ManagementClient
from pytest_flash.runpod.models import Volume as Made
from pytest_flash.target import Target

FILE = "/app/main.py"


def with_volume(name: str) -> LiveServerless:
    return LiveServerless(name="gpu", networkVolume=NetworkVolume(name=name, size=20))


class KilledWhileItCreates(AccountVolumes):
    """Volumes of a process that does not live to hear the answer."""

    def make(self, volume: NetworkVolume) -> Made:
        super().make(volume)
        raise SystemExit


@pytest.fixture
def rollout(
    client: ManagementClient,
    provisioner: Callable[..., Provisioner],
    session_records: Callable[..., SessionRecords],
    events: list[Event],
) -> Callable[[AccountVolumes], ProvisioningRun]:
    return lambda volumes: ProvisioningRun(
        client, provisioner(), volumes, session_records(), events.append
    )


def test_a_volume_is_recorded_before_it_is_created(
    rollout: Callable[[AccountVolumes], ProvisioningRun],
    client: ManagementClient,
    session_records: Callable[..., SessionRecords],
) -> None:
    killed = rollout(KilledWhileItCreates(client, create=False))
    with pytest.raises(SystemExit):
        killed.apply(killed.provisioner.plan([(with_volume("models"), FILE)]))
    assert session_records().volumes() == (VolumeRecord("models", "EU-RO-1", None),)


def test_a_volume_that_was_refused_is_forgotten(
    rollout: Callable[[AccountVolumes], ProvisioningRun],
    client: ManagementClient,
    account: Target,
    session_records: Callable[..., SessionRecords],
) -> None:
    refused = rollout(AccountVolumes(client, create=False))
    plan = refused.provisioner.plan([(with_volume("weights"), FILE)])
    with EmulatorControl(account.management_url, account.api_key) as control:
        control.refuse_requests("management", 400, method="POST")
        with pytest.raises(RunpodApiError, match="400"):
            refused.apply(plan)
    assert session_records().volumes() == ()
