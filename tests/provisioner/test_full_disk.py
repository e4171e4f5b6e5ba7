"""A disk that fills up between the steps of making an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_flash import CpuLiveServerless, LiveServerless
from pytest_flash.errors import StateFileError
from pytest_flash.events import ignore
from pytest_flash.provisioner.account_volumes import AccountVolumes
from pytest_flash.provisioner.endpoint_specification import EndpointSpecification
from pytest_flash.provisioner.owner import Owner
from pytest_flash.provisioner.provisioner import Provisioner
from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.provisioner.state.records import Account, Scope
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.provisioner.state.store import State
from pytest_flash.runpod import ManagementClient, Pace
from pytest_flash.settings import Environment
from pytest_flash.target import Target
from tests.support.accounts.relay import Relay, relaying
from tests.support.environment import LIVE_IMAGES
from tests.support.system.disk import FILL, small_disk
from tests.support.system.processes import wait_until

Begin = Callable[[], Provisioner]

FILE = "/app/main.py"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """On a file system of its own, which is small."""
    with small_disk(tmp_path / ".runpod"):
        yield tmp_path / ".runpod"


@pytest.fixture
def fill(folder: Path) -> Callable[[], None]:
    names: dict[str, Any] = {}
    exec(FILL.format(folder=str(folder)), names)
    filling: Callable[[], None] = names["fill"]
    return filling


@pytest.fixture
def relay(account: Target) -> Iterator[Relay]:
    with relaying(account.management_url) as relay:
        yield relay


@pytest.fixture
def session(account: Target, relay: Relay, folder: Path) -> Iterator[Callable[[], Provisioner]]:
    """Begins test sessions whose requests go through the relay."""
    target = replace(account, management_url=relay.url)
    with ManagementClient(target, pace=Pace.unlimited()) as client:

        def begin() -> Provisioner:
            volumes = AccountVolumes(client, create=False)
            state = State(folder, on_notice=pytest.fail)
            scope = Scope(Account.of(account), "shop", "default")
            return Provisioner(
                client,
                EndpointSpecification(Owner("shop"), Environment(LIVE_IMAGES), volumes, live=True),
                session_records=SessionRecords(state, scope, User.current(), "test"),
                adopt=False,
                on_event=ignore,
            )

        yield begin


def test_what_was_created_while_it_filled_up_is_deleted_by_its_intent(
    session: Begin, relay: Relay, client: ManagementClient, fill: Callable[[], None]
) -> None:
    mine = session()
    relay.delay["POST"] = 1.0
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(mine.ensure, LiveServerless(name="a"), FILE)
        wait_until(client.endpoints, 30, "the endpoint, of which the session does not know yet")
        fill()
        with pytest.raises(StateFileError, match="No space left"):
            making.result(30)
    assert len(client.endpoints()) == 1
    assert mine.release(keep=False) == {}
    assert client.endpoints() == []


def test_nothing_is_deleted_to_be_made_anew_where_that_cannot_be_written_down(
    session: Begin, client: ManagementClient, fill: Callable[[], None]
) -> None:
    made = session().ensure(LiveServerless(name="a"), FILE)
    fill()
    with pytest.raises(StateFileError, match="No space left"):
        session().ensure(CpuLiveServerless(name="a"), FILE)
    assert [endpoint.id for endpoint in client.endpoints()] == [made.id]
