"""An account on a real emulator, and sessions that provision on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_flash.emulator.client.process import EmulatorProcess
from pytest_flash.events import Event
from pytest_flash.provisioner.account_volumes import AccountVolumes
from pytest_flash.provisioner.endpoint_specification import EndpointSpecification
from pytest_flash.provisioner.owner import Owner
from pytest_flash.provisioner.provisioner import Provisioner
from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.provisioner.state.records import Account, Creator, Scope
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.provisioner.state.store import State
from pytest_flash.runpod import ManagementClient
from pytest_flash.runpod.rate_limit import Pace
from pytest_flash.settings import Environment
from pytest_flash.target import Target, TargetKind
from tests.support.environment import LIVE_IMAGES


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A live target that leads to an emulator."""
    with EmulatorProcess.start(tmp_path_factory.mktemp("project")) as emulator:
        yield Target(
            TargetKind.LIVE,
            emulator.management_url,
            emulator.queue_url,
            emulator.api_key,
            "a test asked",
        )


@pytest.fixture
def client(account: Target) -> Iterator[ManagementClient]:
    """A client without a quota; the account is empty afterwards."""
    with ManagementClient(account, pace=Pace.unlimited()) as client:
        yield client
        for endpoint in client.endpoints():
            client.delete(endpoint.id)


@pytest.fixture
def events() -> list[Event]:
    """What the provisioners report."""
    return []


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A state file of its own."""
    return State(tmp_path / ".runpod", on_notice=pytest.fail)


@pytest.fixture
def session_records(account: Target, state: State) -> Callable[..., SessionRecords]:
    """Ledgers of sessions on the account."""

    def make(
        project: str = "shop",
        namespace: str = "default",
        creator: Creator = "run",
        user: User | None = None,
    ) -> SessionRecords:
        scope = Scope(Account.of(account), project, namespace)
        return SessionRecords(state, scope, user or User.current(), creator)

    return make


@pytest.fixture
def provisioner(
    client: ManagementClient, events: list[Event], session_records: Callable[..., SessionRecords]
) -> Callable[..., Provisioner]:
    """Provisioners of sessions on the account; each as if in a process of its own."""

    def make(
        project: str = "shop",
        namespace: str = "default",
        creator: Creator = "run",
        user: User | None = None,
        *,
        adopt: bool = False,
        remembers: bool = True,
        max_creations: int | None = None,
    ) -> Provisioner:
        return Provisioner(
            client,
            EndpointSpecification(
                Owner(project, namespace),
                Environment(LIVE_IMAGES),
                AccountVolumes(client, create=False),
                live=True,
            ),
            session_records=session_records(project, namespace, creator, user)
            if remembers
            else None,
            adopt=adopt,
            on_event=events.append,
            max_creations=max_creations,
        )

    return make
