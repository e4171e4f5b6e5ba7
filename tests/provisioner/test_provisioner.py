"""Resources and endpoints, on a real emulator."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_flash import CpuLiveServerless, LiveServerless
from pytest_flash.errors import (
    AuthenticationError,
    ConfigurationError,
    EndpointLimitError,
    ProvisioningError,
    RunpodApiError,
    RunpodError,
)
from pytest_flash.events import EndpointReady, EndpointRemoved, Event
from pytest_flash.provisioner.plan import Create, Recreate, Refuse, Reuse, Update
from pytest_flash.provisioner.provisioner import Provisioner
from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.provisioner.state.store import State
from pytest_flash.runpod import ManagementClient
from pytest_flash.target import Target
from tests.support.accounts.sessions import DEAD

Make = Callable[..., Provisioner]
MakeLedger = Callable[..., SessionRecords]

FILE = "/app/main.py"


def actions(events: list[Event]) -> list[str]:
    return [event.action for event in events if isinstance(event, EndpointReady)]


def removed(events: list[Event]) -> list[str]:
    return sorted(event.name for event in events if isinstance(event, EndpointRemoved))


def test_an_endpoint_is_created_with_name_image_and_owner(
    provisioner: Make, client: ManagementClient
) -> None:
    made = provisioner().ensure(LiveServerless(name="gpu", env={"MODE": "fast"}), FILE)

    found = client.endpoint(made.id)
    assert found.name == "live-gpu"
    assert found.env == {"MODE": "fast", "PYTEST_FLASH_OWNER": "shop/default"}
    assert found.document()["image"].startswith("runpod/flash:py3.")


def test_a_namespace_is_part_of_name_and_owner(provisioner: Make) -> None:
    made = provisioner("shop", "ci1").ensure(LiveServerless(name="gpu"), FILE)
    assert made.name == "live-ci1-gpu"
    assert made.env["PYTEST_FLASH_OWNER"] == "shop/ci1"


def test_what_was_created_is_recorded_without_values(
    provisioner: Make, session_records: MakeLedger, state: State
) -> None:
    made = provisioner().ensure(LiveServerless(name="gpu", env={"TOKEN": "hush-hush"}), FILE)

    (record,) = session_records().records()
    assert (record.resource, record.endpoint_name) == ("gpu", "live-gpu")
    assert (record.endpoint_id, record.source_file) == (made.id, FILE)
    assert (record.created_by, record.deleting) == ("run", False)
    assert record.users == (User.current(),)
    assert b"hush-hush" not in state.path.read_bytes()


@pytest.mark.parametrize("remembers", [True, False])
def test_an_equal_endpoint_is_reused(
    provisioner: Make, events: list[Event], remembers: bool
) -> None:
    resource = LiveServerless(name="gpu")
    first = provisioner(remembers=remembers).ensure(resource, FILE)
    assert provisioner(remembers=remembers).ensure(resource, FILE).id == first.id
    assert actions(events) == ["created", "reused"]


@pytest.mark.parametrize("remembers", [True, False])
def test_a_changed_resource_updates_its_endpoint(
    provisioner: Make, client: ManagementClient, events: list[Event], remembers: bool
) -> None:
    make = provisioner(remembers=remembers)
    first = make.ensure(LiveServerless(name="gpu", workersMax=1), FILE)
    changed = LiveServerless(name="gpu", workersMax=2, env={"A": "1"})
    again = provisioner(remembers=remembers).ensure(changed, FILE)

    assert again.id == first.id
    assert client.endpoint(first.id).document()["workers"]["max"] == 2
    assert client.endpoint(first.id).env["A"] == "1"
    assert actions(events)[1].startswith("updated (")


@pytest.mark.parametrize("remembers", [True, False])
def test_another_compute_family_takes_a_new_endpoint(
    provisioner: Make, client: ManagementClient, events: list[Event], remembers: bool
) -> None:
    first = provisioner(remembers=remembers).ensure(LiveServerless(name="worker"), FILE)
    second = provisioner(remembers=remembers).ensure(CpuLiveServerless(name="worker"), FILE)

    assert [endpoint.id for endpoint in client.endpoints()] == [second.id]
    assert second.id != first.id
    assert actions(events) == ["created", "recreated"]


# A recorded endpoint that lost its marker is ours, and gets it back.
@pytest.mark.parametrize(
    ("owner", "recorded"),
    [
        *((owner, True) for owner in ("other/default", "shop/ci1", "shop/defaul")),
        *((owner, False) for owner in ("other/default", "shop/ci1", "shop/defaul", None)),
    ],
)
def test_what_belongs_to_another_is_refused_and_left_alone(
    provisioner: Make, client: ManagementClient, state: State, owner: str | None, recorded: bool
) -> None:
    provisioner().ensure(LiveServerless(name="gpu"), FILE)
    made = client.endpoints()[0]
    client.update(made.id, {"env": {"PYTEST_FLASH_OWNER": owner} if owner else {}})
    if not recorded:
        state.path.unlink()
    before = client.endpoint(made.id)

    with pytest.raises(ProvisioningError, match="live-gpu") as caught:
        provisioner().ensure(LiveServerless(name="gpu", workersMax=1), FILE)

    assert (repr(owner) if owner else "not created by pytest-flash") in str(caught.value)
    assert client.endpoints() == [before]


def test_a_lost_state_file_is_made_up_by_adopting(
    provisioner: Make, session_records: MakeLedger, state: State, events: list[Event]
) -> None:
    resource = LiveServerless(name="gpu")
    first = provisioner().ensure(resource, FILE)
    state.path.unlink()

    assert provisioner().ensure(resource, FILE).id == first.id
    assert actions(events) == ["created", "adopted"]
    assert session_records().records()[0].created_by == "adopted"


def test_adopting_what_differs_takes_a_word(
    provisioner: Make, client: ManagementClient, state: State
) -> None:
    first = provisioner().ensure(LiveServerless(name="gpu", workersMax=1), FILE)
    state.path.unlink()
    changed = LiveServerless(name="gpu", workersMax=2)

    with pytest.raises(ProvisioningError, match="--adopt"):
        provisioner().ensure(changed, FILE)
    assert client.endpoint(first.id).document()["workers"]["max"] == 1

    assert provisioner(adopt=True).ensure(changed, FILE).id == first.id
    assert client.endpoint(first.id).document()["workers"]["max"] == 2


def test_an_intent_without_an_answer_is_adopted_whatever_it_is(
    provisioner: Make, session_records: MakeLedger, state: State
) -> None:
    first = provisioner().ensure(LiveServerless(name="gpu", workersMax=1), FILE)
    with state.change() as draft:
        scope = session_records().scope
        draft.put(scope, replace(draft.records(scope)[0], endpoint_id=None))

    again = provisioner().ensure(LiveServerless(name="gpu", workersMax=2), FILE)

    assert again.id == first.id
    assert session_records().records()[0].endpoint_id == first.id


def test_an_intent_that_comes_true_after_the_list_was_made_is_adopted(
    provisioner: Make, client: ManagementClient, session_records: MakeLedger, state: State
) -> None:
    """Whoever wrote it was killed meanwhile: the endpoint is theirs, and theirs to delete."""
    resource = LiveServerless(name="gpu")
    mine = provisioner(creator="test")
    mine.plan([(resource, FILE)])
    first = provisioner(creator="test", user=DEAD).ensure(resource, FILE)
    with state.change() as draft:
        scope = session_records().scope
        draft.put(scope, replace(draft.records(scope)[0], endpoint_id=None))

    assert mine.ensure(resource, FILE).id == first.id
    assert mine.release(keep=False) == {}
    assert client.endpoints() == []


def test_a_leading_live_makes_no_other_endpoint(
    provisioner: Make, client: ManagementClient, session_records: MakeLedger
) -> None:
    first = provisioner().ensure(LiveServerless(name="gpu"), FILE)

    mine, renamed = provisioner(), LiveServerless(name="live-gpu")
    plan = mine.plan([(renamed, FILE)])
    assert isinstance(plan.steps[0][1], Reuse)
    assert plan.orphans == ()
    assert mine.ensure(renamed, FILE).id == first.id
    assert [record.resource for record in session_records().records()] == ["gpu"]


def test_a_recorded_endpoint_that_is_gone_is_made_again(
    provisioner: Make, client: ManagementClient, session_records: MakeLedger
) -> None:
    first = provisioner().ensure(LiveServerless(name="gpu"), FILE)
    client.delete(first.id)

    (step,) = [step for _, step in provisioner().plan([(LiveServerless(name="gpu"), FILE)]).steps]
    assert isinstance(step, Create)
    assert first.id in step.why
    second = provisioner().ensure(LiveServerless(name="gpu"), FILE)
    assert session_records().records()[0].endpoint_id == second.id


def test_an_endpoint_that_went_away_under_us_is_made_again(
    provisioner: Make, client: ManagementClient
) -> None:
    mine, resource = provisioner(), LiveServerless(name="gpu")
    first = mine.ensure(resource, FILE)
    client.delete(first.id)

    assert mine.ensure(resource, FILE).id == first.id
    assert mine.ensure(resource, FILE, first).id != first.id


def test_a_hundred_first_calls_at_once_create_one_endpoint(
    provisioner: Make, client: ManagementClient
) -> None:
    shared, resource = provisioner(), LiveServerless(name="gpu")
    with ThreadPoolExecutor(100) as pool:
        made = list(pool.map(lambda _: shared.ensure(resource, FILE), range(100)))
    assert len({endpoint.id for endpoint in made}) == 1
    assert len(client.endpoints()) == 1


def test_sessions_at_once_create_each_endpoint_once(
    provisioner: Make, client: ManagementClient
) -> None:
    resources = [(LiveServerless(name=name), FILE) for name in "abcd"]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: provisioner().ensure_all(resources), range(8)))
    assert all(each.keys() == {"a", "b", "c", "d"} for each in made)
    assert len(client.endpoints()) == 4


@pytest.mark.parametrize("name", ["gpu", "live-gpu"])
def test_two_resources_on_one_endpoint_are_refused_with_both_places(
    provisioner: Make, client: ManagementClient, name: str
) -> None:
    mine = provisioner()
    mine.ensure(LiveServerless(name="gpu", workersMax=1), "/app/one.py")
    with pytest.raises(ConfigurationError, match=r"/app/one\.py and one of /app/two\.py"):
        mine.ensure(LiveServerless(name=name, workersMax=2), "/app/two.py")
    assert len(client.endpoints()) == 1


def test_one_failure_leaves_the_others_and_names_itself(
    provisioner: Make, client: ManagementClient
) -> None:
    provisioner("other").ensure(LiveServerless(name="b"), FILE)
    resources = [(LiveServerless(name=name), FILE) for name in "abc"]

    with pytest.raises(ProvisioningError, match=r"1 of 3 endpoints .*\n  b: .*other/default"):
        provisioner().ensure_all(resources)
    assert {each.name for each in client.endpoints()} == {"live-a", "live-b", "live-c"}


def test_a_refused_create_leaves_no_record(provisioner: Make, session_records: MakeLedger) -> None:
    resource = LiveServerless(name="gpu", templateId="no-such-template")
    with pytest.raises(RunpodError):
        provisioner().ensure(resource, FILE)
    assert session_records().records() == ()


def test_a_plan_says_what_would_happen_and_does_nothing(
    provisioner: Make, client: ManagementClient
) -> None:
    old = {
        name: LiveServerless(name=name, workersMax=1) for name in ("same", "more", "kind", "old")
    }
    provisioner().ensure_all((resource, FILE) for resource in old.values())
    provisioner("other").ensure(LiveServerless(name="taken"), FILE)
    before = client.endpoints()

    plan = provisioner().plan(
        [
            (old["same"], FILE),
            (LiveServerless(name="more", workersMax=2), FILE),
            (CpuLiveServerless(name="kind"), FILE),
            (LiveServerless(name="new"), FILE),
            (LiveServerless(name="taken"), FILE),
        ]
    )

    kinds = {wanted.resource.name: type(step) for wanted, step in plan.steps}
    assert kinds == {
        "same": Reuse,
        "more": Update,
        "kind": Recreate,
        "new": Create,
        "taken": Refuse,
    }
    assert [record.resource for record in plan.orphans] == ["old"]
    assert [wanted.endpoint_name for wanted in plan.creations] == ["live-new"]
    assert client.endpoints() == before


def test_no_more_is_created_than_the_limit(provisioner: Make, client: ManagementClient) -> None:
    mine = provisioner(max_creations=1)
    mine.ensure(LiveServerless(name="a"), FILE)
    with pytest.raises(EndpointLimitError, match="live-b is not created: this run may create 1"):
        mine.ensure(LiveServerless(name="b"), FILE)
    mine.ensure(LiveServerless(name="a"), FILE)
    provisioner(max_creations=0).ensure(LiveServerless(name="a"), FILE)
    assert [endpoint.name for endpoint in client.endpoints()] == ["live-a"]


def test_what_is_stopped_creates_nothing_more(provisioner: Make, client: ManagementClient) -> None:
    mine, known = provisioner(), LiveServerless(name="gpu")
    made = provisioner().ensure(known, FILE)
    mine.stop()
    with pytest.raises(ProvisioningError, match="live-cpu is not created: this was stopped"):
        mine.ensure(LiveServerless(name="cpu"), FILE)
    assert mine.ensure(known, FILE).id == made.id
    assert [endpoint.id for endpoint in client.endpoints()] == [made.id]


def test_a_wrong_key_is_an_error_without_the_key(account: Target) -> None:
    wrong = replace(account, api_key="not-the-key")
    refusal = pytest.raises(AuthenticationError, match=r"GET .*/v2/serverless: 401")
    with ManagementClient(wrong) as client, refusal as caught:
        client.endpoints()
    assert "not-the-key" not in str(caught.value)


def test_a_refused_request_says_why(client: ManagementClient) -> None:
    with pytest.raises(RunpodApiError) as caught:
        client.create({"name": "x"})
    assert caught.value.status == 422
    assert caught.value.title
    assert caught.value.detail


def test_an_unusable_state_folder_creates_nothing(
    provisioner: Make, client: ManagementClient, tmp_path: Path
) -> None:
    (tmp_path / ".runpod").write_text("a file in the way")
    with pytest.raises(ProvisioningError, match=r"\.runpod"):
        provisioner().ensure(LiveServerless(name="gpu"), FILE)
    assert client.endpoints() == []
