"""Deleting on purpose, and never what is not ours."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_flash import LiveServerless
from pytest_flash.errors import ProvisioningError, SettingsError
from pytest_flash.provisioner.provisioner import Provisioner
from pytest_flash.provisioner.provisioning_run import orphans
from pytest_flash.provisioner.request_and_drift import endpoint_request
from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.provisioner.undeploy import Undeploy, parse_age
from pytest_flash.runpod import ManagementClient
from tests.support.accounts.sessions import OTHER

FILE = "/app/main.py"
Make = Callable[..., Provisioner]
MakeLedger = Callable[..., SessionRecords]


@pytest.fixture
def work(client: ManagementClient, provisioner: Make, session_records: MakeLedger) -> Undeploy:
    return Undeploy(client, provisioner(), session_records())


def names(client: ManagementClient) -> list[str]:
    return sorted(endpoint.name for endpoint in client.endpoints())


def foreign(client: ManagementClient, name: str, owner: str) -> str:
    request = endpoint_request(LiveServerless(name="x"), name=name, image="i", owner=owner)
    return client.create(request).id


def test_the_list_says_what_exists_and_who_uses_it(
    work: Undeploy, provisioner: Make, client: ManagementClient
) -> None:
    provisioner().ensure(LiveServerless(name="a"), FILE)
    client.delete(provisioner(creator="test").ensure(LiveServerless(name="b"), FILE).id)

    listed = {each.record.resource: (each.exists, each.users) for each in work.listing()}

    assert listed == {"a": (True, 1), "b": (False, 1)}


def test_an_intent_is_listed_by_whether_it_came_true(
    work: Undeploy, provisioner: Make, client: ManagementClient
) -> None:
    provisioner().ensure_all([(LiveServerless(name=each), FILE) for each in ("a", "b")])
    with work.session_records.state.change() as draft:
        for record in draft.records(work.session_records.scope):
            draft.put(work.session_records.scope, replace(record, endpoint_id=None))
    (gone,) = [each for each in client.endpoints() if each.name == "live-b"]
    client.delete(gone.id)

    assert [(each.record.resource, each.exists) for each in work.listing()] == [
        ("a", True),
        ("b", False),
    ]


def test_names_of_resources_and_endpoints_both_work(
    work: Undeploy, provisioner: Make, client: ManagementClient
) -> None:
    provisioner().ensure_all([(LiveServerless(name=name), FILE) for name in "abc"])
    assert work.delete(work.named(["a", "live-b", "b"])) == {}
    assert names(client) == ["live-c"]


def test_an_unknown_name_lists_what_there_is(work: Undeploy, provisioner: Make) -> None:
    provisioner().ensure(LiveServerless(name="a"), FILE)
    with pytest.raises(ProvisioningError, match=r"no endpoint 'z' is recorded .* it has a"):
        work.named(["a", "z"])


@pytest.mark.parametrize("all_namespaces", [False, True])
def test_unrecorded_endpoints_are_those_of_this_project_and_of_its_namespace_unless_of_all(
    work: Undeploy, provisioner: Make, client: ManagementClient, all_namespaces: bool
) -> None:
    provisioner().ensure(LiveServerless(name="recorded"), FILE)
    provisioner("shop", "ci1").ensure(LiveServerless(name="recorded"), FILE)
    lost = {foreign(client, "live-y", "shop/default")}
    elsewhere = foreign(client, "live-ci2-x", "shop/ci2")
    lost |= {elsewhere} if all_namespaces else set()
    for owner in ("other/default", "shopp/default", "shop", "a/shop/default", "shop~/default"):
        foreign(client, "live-z", owner)

    found = work.unrecorded(all_namespaces=all_namespaces)

    assert {endpoint.id for endpoint in found} == lost
    assert work.unrecorded(timedelta(hours=2), all_namespaces=all_namespaces) == ()
    assert work.delete_unrecorded(found) == {}
    assert len(client.endpoints()) == (7 if all_namespaces else 8)


def test_a_namespace_that_was_given_is_the_only_one(
    client: ManagementClient, provisioner: Make, session_records: MakeLedger
) -> None:
    """What bob uses right now, on another machine, is not alice's to delete."""
    of_bob, of_alice = (foreign(client, f"live-{n}-x", f"shop/{n}") for n in ("bob", "alice"))
    work = Undeploy(client, provisioner("shop", "alice"), session_records("shop", "alice"))
    assert work.delete_unrecorded(work.unrecorded()) == {}
    assert [endpoint.id for endpoint in client.endpoints()] == [of_bob]
    assert of_alice != of_bob


def test_what_is_not_declared_has_no_unrecorded_endpoints(
    client: ManagementClient, provisioner: Make, session_records: MakeLedger
) -> None:
    foreign(client, "live-y", "shop/default")
    work = Undeploy(client, provisioner(), session_records(), declared=False)
    for all_namespaces in (False, True):
        with pytest.raises(SettingsError, match="any folder that is called so may"):
            work.unrecorded(all_namespaces=all_namespaces)
    assert len(client.endpoints()) == 1


@pytest.mark.parametrize("how", ["mark", "record", "gone"])
def test_what_is_taken_over_before_the_answer_is_left_alone(
    work: Undeploy, client: ManagementClient, provisioner: Make, how: str
) -> None:
    """A person may take their time over the question."""
    found_id = foreign(client, "live-x", "shop/default")
    (found,) = work.unrecorded()
    if how == "mark":
        client.update(found_id, {"env": {"PYTEST_FLASH_OWNER": "other/default"}})
    elif how == "record":
        provisioner(adopt=True).ensure(LiveServerless(name="x"), FILE)
    else:
        client.delete(found_id)
    left = work.delete_unrecorded([found])
    assert [endpoint.id for endpoint in client.endpoints()] == ([] if how == "gone" else [found_id])
    assert all("was taken over meanwhile" in str(error) for error in left.values())
    assert len(left) == (how != "gone")


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
    ],
)
def test_an_age_has_a_unit(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "2 h", "1h30m", "9" * 30 + "d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--older-than"):
        parse_age(text)


def test_only_what_is_proven_gone_is_an_orphan(
    provisioner: Make, session_records: MakeLedger, tmp_path: Any
) -> None:
    kept = tmp_path / "not_imported.py"
    kept.touch()
    files = {"imported": FILE, "deleted": str(tmp_path / "gone.py"), "unknown": str(kept)}
    for name, file in files.items():
        provisioner().ensure(LiveServerless(name=name), file)
    provisioner(user=OTHER).ensure(LiveServerless(name="used"), FILE)

    found = orphans(session_records().records(), {FILE}, session_records())

    assert sorted(record.resource for record in found) == ["deleted", "imported"]


OWNERS = st.sampled_from(
    ["shop/default", "shop/anna", "other/default", "shop", "", "shop/", "/default", "shopx/default"]
)
NAMES = st.sampled_from(["live-a", "live-anna-a", "live-b", "a"])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(others=st.lists(st.tuples(NAMES, OWNERS), max_size=5), adopt=st.booleans())
def test_no_command_touches_what_carries_another_mark(
    client: ManagementClient,
    provisioner: Make,
    session_records: MakeLedger,
    others: list[tuple[str, str]],
    adopt: bool,
) -> None:
    """Create, update, release, orphans and undeploy, on an account with neighbours."""
    ids = {foreign(client, name, owner): owner for name, owner in others}
    before = {endpoint.id: endpoint for endpoint in client.endpoints()}
    mine = provisioner(adopt=adopt, creator="test")
    for workers in (1, 2):
        mine = provisioner(adopt=adopt, creator="test")
        for name in ("a", "b"):
            with contextlib.suppress(ProvisioningError):  # The name may be taken.
                mine.ensure(LiveServerless(name=name, workersMax=workers), FILE)
    work = Undeploy(client, mine, session_records(creator="test"))
    work.delete(work.session_records.records())
    mine.release(keep=False)

    after = {endpoint.id: endpoint for endpoint in client.endpoints()}
    for id, owner in ids.items():
        # What carries our own mark may be taken over.
        if owner != "shop/default":
            assert after[id] == before[id]

    work.delete_unrecorded(work.unrecorded())

    after = {endpoint.id: endpoint for endpoint in client.endpoints()}
    for id, owner in ids.items():
        # This project's, of this namespace, are deleted when nothing records them.
        if owner != "shop/default":
            assert after[id] == before[id]

    work.delete_unrecorded(work.unrecorded(all_namespaces=True))

    after = {endpoint.id: endpoint for endpoint in client.endpoints()}
    for id, owner in ids.items():
        if owner not in ("shop/default", "shop/anna", "shop/"):
            assert after[id] == before[id]
    for id in after:
        client.delete(id)
