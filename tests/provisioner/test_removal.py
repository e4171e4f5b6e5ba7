"""When endpoints are deleted, and when they stay, on a real emulator."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_flash import CpuLiveServerless, LiveServerless
from pytest_flash.errors import ProvisioningError
from pytest_flash.events import EndpointRemoved, Event
from pytest_flash.provisioner.provisioner import Provisioner
from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.runpod import ManagementClient
from tests.support.accounts.sessions import DEAD, OTHER

Make = Callable[..., Provisioner]
MakeLedger = Callable[..., SessionRecords]

FILE = "/app/main.py"


def removed(events: list[Event]) -> list[str]:
    return sorted(event.name for event in events if isinstance(event, EndpointRemoved))


@pytest.mark.parametrize("keep", [False, True])
def test_the_last_test_session_deletes_what_test_sessions_created(
    provisioner: Make, client: ManagementClient, events: list[Event], keep: bool
) -> None:
    provisioner(creator="run").ensure(LiveServerless(name="run"), FILE)
    test = provisioner(creator="test", user=DEAD)
    test.ensure_all([(LiveServerless(name=name), FILE) for name in ("run", "a", "b")])

    assert test.release(keep=keep) == {}

    left = sorted(endpoint.name for endpoint in client.endpoints())
    assert left == (["live-a", "live-b", "live-run"] if keep else ["live-run"])
    assert removed(events) == ([] if keep else ["live-a", "live-b"])


@pytest.mark.parametrize("creator", ["run", "test"])
def test_what_a_test_session_makes_anew_stays_with_who_made_it(
    provisioner: Make, client: ManagementClient, creator: str
) -> None:
    provisioner(creator=creator, user=DEAD).ensure(LiveServerless(name="worker"), FILE)
    test = provisioner(creator="test", user=User.current())
    again = test.ensure(CpuLiveServerless(name="worker"), FILE)

    assert test.release(keep=False) == {}
    assert [each.id for each in client.endpoints()] == ([again.id] if creator == "run" else [])


def test_what_another_living_session_uses_stays(
    provisioner: Make, client: ManagementClient, session_records: MakeLedger
) -> None:
    first = provisioner(creator="test", user=User.current())
    second = provisioner(creator="test", user=OTHER)
    resource = LiveServerless(name="gpu")
    first.ensure(resource, FILE)
    second.ensure(resource, FILE)

    assert first.release(keep=False) == {}
    assert [endpoint.name for endpoint in client.endpoints()] == ["live-gpu"]
    assert second.release(keep=False) == {}
    assert client.endpoints() == []
    assert session_records().records() == ()


def test_the_users_that_died_are_not_waited_for(
    provisioner: Make, client: ManagementClient
) -> None:
    resource = LiveServerless(name="gpu")
    provisioner(creator="test", user=DEAD).ensure(resource, FILE)
    last = provisioner(creator="test", user=User.current())
    last.ensure(resource, FILE)
    assert last.release(keep=False) == {}
    assert client.endpoints() == []


def test_a_deletion_that_failed_is_tried_again(
    provisioner: Make, client: ManagementClient, session_records: MakeLedger
) -> None:
    test = provisioner(creator="test", user=DEAD)
    test.ensure(LiveServerless(name="gpu"), FILE)
    session_records(creator="test", user=DEAD).leave(keep=False)  # As if killed right after this.
    assert session_records().records()[0].deleting

    assert provisioner(creator="test").retry_deletions() == {}

    assert client.endpoints() == []
    assert session_records().records() == ()


def test_a_condemned_endpoint_that_is_needed_again_is_kept(
    provisioner: Make, client: ManagementClient, session_records: MakeLedger
) -> None:
    resource = LiveServerless(name="gpu")
    provisioner(creator="test", user=DEAD).ensure(resource, FILE)
    doomed = session_records(creator="test", user=DEAD).leave(keep=False)
    joined = provisioner(creator="test")
    made = joined.ensure(resource, FILE)

    assert provisioner(creator="test", user=DEAD).remove(doomed, unused=True) == {}
    assert [endpoint.id for endpoint in client.endpoints()] == [made.id]
    assert not session_records().records()[0].deleting


def test_removing_what_is_already_gone_succeeds(
    provisioner: Make, client: ManagementClient, session_records: MakeLedger
) -> None:
    mine = provisioner()
    client.delete(mine.ensure(LiveServerless(name="gpu"), FILE).id)
    assert mine.remove(session_records().records()) == {}
    assert session_records().records() == ()


def test_nothing_foreign_is_deleted_by_a_record(
    provisioner: Make, client: ManagementClient, session_records: MakeLedger, events: list[Event]
) -> None:
    mine = provisioner()
    made = mine.ensure(LiveServerless(name="gpu"), FILE)
    client.update(made.id, {"env": {"PYTEST_FLASH_OWNER": "other/default"}})
    provisioner().remove(session_records().records())
    assert [endpoint.id for endpoint in client.endpoints()] == [made.id]
    assert any("belongs to 'other/default' now" in str(event) for event in events)


def test_an_endpoint_that_lost_its_mark_is_neither_changed_nor_deleted_nor_forgotten(
    provisioner: Make, client: ManagementClient, session_records: MakeLedger
) -> None:
    made = provisioner().ensure(LiveServerless(name="gpu"), FILE)
    client.update(made.id, {"env": {}})
    (bare,) = client.endpoints()

    with pytest.raises(ProvisioningError, match="PYTEST_FLASH_OWNER is gone"):
        provisioner().ensure(LiveServerless(name="gpu", workersMax=2), FILE)
    (failed,) = provisioner().remove(session_records().records()).values()

    assert "delete it in the Runpod console" in str(failed)
    assert client.endpoints() == [bare]
    assert [record.endpoint_id for record in session_records().records()] == [made.id]
