"""State files of the first versions, and what they recorded under names that are others now.

``data/state-version-1.pkl`` was written by the code before format 2, for projects that it called
``app`` (a folder without an ASCII letter in its name), ``my-app`` (``my app``) and ``shop``.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_flash import CpuLiveServerless, LiveServerless
from pytest_flash.errors import ProvisioningError
from pytest_flash.events import EndpointReady, Event, Notice
from pytest_flash.project import find_project
from pytest_flash.provisioner.account_volumes import AccountVolumes
from pytest_flash.provisioner.endpoint_specification import EndpointSpecification
from pytest_flash.provisioner.provisioner import Provisioner
from pytest_flash.provisioner.request_and_drift import OWNER_VARIABLE, endpoint_request
from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.provisioner.state.file_format import decode, encode
from pytest_flash.provisioner.state.records import Account, Scope, VolumeRecord
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.provisioner.state.store import State
from pytest_flash.provisioner.undeploy import Undeploy
from pytest_flash.runpod import Endpoint, ManagementClient
from pytest_flash.session import Identity, ledger_of
from pytest_flash.settings import Environment
from pytest_flash.target import Target
from tests.support.environment import LIVE_IMAGES

OLD = Path(__file__).parent / "data" / "state-version-1.pkl"
ACCOUNT = Account("https://api.runpod.io", "b207201a1e11")
SESSION = User(4711, "0f0a1c9e-7a6f-4f0e-9a43-1c2d3e4f5a6b:123456")
FILE = "/app/main.py"


def state_at(folder: Path, data: bytes) -> State:
    (folder / ".runpod").mkdir(parents=True)
    (folder / ".runpod" / "resources.pkl").write_bytes(data)
    return State(folder / ".runpod", on_notice=pytest.fail)


def scope(project: str, namespace: str = "default") -> Scope:
    return Scope(ACCOUNT, project, namespace)


def ids(state: State, scope: Scope) -> dict[str, str | None]:
    return {each.resource: each.endpoint_id for each in state.read().records(scope)}


def test_an_old_file_says_what_it_said(tmp_path: Path) -> None:
    state = state_at(tmp_path, OLD.read_bytes())
    contents = state.read()

    assert ids(state, scope("app")) == {"gpu": "ep_gpu", "cpu": None, "old": "ep_old"}
    assert ids(state, scope("app", "ann")) == {"gpu": "ep_ann"}
    assert ids(state, scope("my-app")) == {"gpu": "ep_my"}
    assert ids(state, scope("shop")) == {"gpu": "ep_shop"}
    cpu, gpu, old = contents.records(scope("app"))
    assert gpu.users == (SESSION,)
    assert (gpu.created_by, cpu.created_by, old.created_by) == ("run", "test", "test")
    assert (gpu.deleting, cpu.deleting, old.deleting) == (False, False, True)
    assert gpu.source_file == "/home/ann/app/main.py"
    assert contents.volumes(scope("app")) == (
        VolumeRecord("models", "EU-RO-1", "vol_1"),
        VolumeRecord("models", "US-TX-3", None),
    )


def test_an_old_file_is_written_anew_as_a_whole(tmp_path: Path) -> None:
    before = decode(OLD.read_bytes())
    state = state_at(tmp_path, OLD.read_bytes())
    with state.change() as draft:
        draft.remove(scope("shop"), "gpu")
    after = decode(state.path.read_bytes())
    assert pickle.loads(state.path.read_bytes())["version"] == 2
    assert pickle.loads(OLD.read_bytes())["version"] == 1
    assert after == replace(
        before, records=tuple(each for each in before.records if each.scope != scope("shop"))
    )
    assert decode(encode(before)) == before


Old = Callable[[str], "Project"]


class Project:
    """A folder with a state file of an old version, on an account with what that recorded."""

    def __init__(self, folder: Path, account: Target, client: ManagementClient) -> None:
        self.found = find_project(folder)
        self.events: list[Event] = []
        self._account = account
        self._client = client

    @property
    def identity(self) -> Identity:
        return Identity(self.found, "default", "run", User.current())

    def session_records(self) -> SessionRecords:
        return ledger_of(self._account, self.identity, self.events.append)

    def provisioner(self) -> Provisioner:
        return Provisioner(
            self._client,
            EndpointSpecification(
                self.identity.owner,
                Environment(LIVE_IMAGES),
                AccountVolumes(self._client, create=False),
                live=True,
            ),
            session_records=self.session_records(),
            adopt=False,
            on_event=self.events.append,
        )

    def notices(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Notice))


@pytest.fixture
def made(client: ManagementClient) -> Callable[..., Endpoint]:
    """Endpoints as the old version made them."""

    def make(name: str, owner: str, resource: type = LiveServerless) -> Endpoint:
        request = endpoint_request(
            resource(name=name.removeprefix("live-")), name=name, image="image", owner=owner
        )
        return client.create(request)

    return make


@pytest.fixture
def old(tmp_path: Path, account: Target, client: ManagementClient) -> Callable[..., Project]:
    """A project of this folder name, whose old records name these endpoints."""

    def make(name: str, **recorded: str | None) -> Project:
        document: dict[str, Any] = pickle.loads(OLD.read_bytes())
        ours = Account.of(account)
        for entry in (*document["records"], *document["volumes"]):
            if entry["scope"]["account"]["key_digest"] == ACCOUNT.key_digest:
                entry["scope"]["account"] = {
                    "management_url": ours.management_url,
                    "key_digest": ours.key_digest,
                }
        document["records"] = [
            entry
            for entry in document["records"]
            if entry["scope"]["namespace"] != "default"
            or entry["scope"]["project"] != "app"
            or entry["record"]["resource"] in recorded
        ]
        for entry in document["records"]:
            if entry["scope"]["project"] == "app" and entry["scope"]["namespace"] == "default":
                entry["record"]["endpoint_id"] = recorded[entry["record"]["resource"]]
                entry["record"]["users"] = ()
        state_at(tmp_path / name, pickle.dumps(document, protocol=4))
        return Project(tmp_path / name, account, client)

    return make


def owners(client: ManagementClient) -> dict[str, str]:
    return {each.id: each.env[OWNER_VARIABLE] for each in client.endpoints()}


def test_what_was_recorded_under_the_old_name_is_taken_over_once(
    old: Callable[..., Project], account: Target
) -> None:
    project = old("项目一", gpu="ep_gpu", cpu=None, old="ep_old")
    session_records = project.session_records()
    state = session_records.state

    assert [each.resource for each in session_records.records()] == ["cpu", "gpu", "old"]
    assert len(session_records.volumes()) == 2
    assert "7 record(s)" in project.notices()
    ours = Account.of(account)
    name = project.found.name
    assert ids(state, Scope(ours, name, "ann")) == {"gpu": "ep_ann"}
    assert ids(state, Scope(Account(ACCOUNT.management_url, "0123456789ab"), name, "default"))
    assert ids(state, Scope(ours, "app", "default")) == {}
    # Of other names nothing is touched.
    assert ids(state, Scope(ours, "my-app", "default")) == {"gpu": "ep_my"}
    assert ids(state, Scope(ours, "shop", "default")) == {"gpu": "ep_shop"}

    project.events.clear()
    project.session_records()
    assert project.events == []


def test_a_clean_name_takes_over_nothing(old: Callable[..., Project]) -> None:
    """``app`` itself: its records are those of the old version as they are."""
    project = old("app", gpu="ep_gpu")
    assert [each.endpoint_id for each in project.session_records().records()] == ["ep_gpu"]
    assert project.events == []


def test_a_new_record_is_not_replaced_by_an_old_one(old: Callable[..., Project]) -> None:
    project = old("项目一", gpu="ep_gpu")
    state = project.session_records().state
    with state.change() as draft:
        for each in state.read().records(project.session_records().scope):
            draft.put(
                replace(project.session_records().scope, project="app"),
                replace(each, endpoint_id="x"),
            )
    assert [each.endpoint_id for each in project.session_records().records()] == ["ep_gpu"]


def test_the_recorded_endpoint_is_kept_and_gets_the_new_mark(
    old: Callable[..., Project], made: Callable[..., Endpoint], client: ManagementClient
) -> None:
    kept, other = made("live-gpu", "app/default"), made("live-other", "app/default")
    project = old("项目一", gpu=kept.id)
    endpoint = project.provisioner().ensure(LiveServerless(name="gpu"), FILE)
    assert endpoint.id == kept.id
    (ready,) = [event for event in project.events if isinstance(event, EndpointReady)]
    assert ready.action.startswith("updated")
    assert owners(client) == {kept.id: f"{project.found.name}/default", other.id: "app/default"}
    # From then on it is like any other.
    again = Project(project.found.root, project._account, client)
    assert again.provisioner().ensure(LiveServerless(name="gpu"), FILE).id == kept.id
    assert [e.action for e in again.events if isinstance(e, EndpointReady)] == ["reused"]


def test_the_recorded_endpoint_is_deleted_also_with_the_old_mark(
    old: Callable[..., Project], made: Callable[..., Endpoint], client: ManagementClient
) -> None:
    gone, other = made("live-gpu", "app/default"), made("live-gpu", "app/default")
    project = old("项目一", gpu=gone.id)
    assert project.provisioner().remove(project.session_records().records()) == {}
    assert owners(client) == {other.id: "app/default"}
    assert project.session_records().records() == ()


def test_two_projects_that_were_one_by_name_never_touch_each_other(
    old: Callable[..., Project], made: Callable[..., Endpoint], client: ManagementClient
) -> None:
    mine, theirs = made("live-gpu", "app/default"), made("live-gpu", "app/default")
    first, second = old("项目一", gpu=mine.id), old("プロジェクト", gpu=theirs.id)
    assert first.provisioner().ensure(LiveServerless(name="gpu"), FILE).id == mine.id
    for declared in (first, second):
        work = Undeploy(client, declared.provisioner(), declared.session_records(), declared=True)
        assert work.unrecorded(all_namespaces=True) == ()
    first.provisioner().remove(first.session_records().records())
    assert owners(client) == {theirs.id: "app/default"}
    assert second.provisioner().ensure(LiveServerless(name="gpu"), FILE).id == theirs.id


def test_an_intent_under_the_old_name_proves_nothing(
    old: Callable[..., Project], made: Callable[..., Endpoint], client: ManagementClient
) -> None:
    """Its endpoint is known by name and mark, and another project's may have both."""
    perhaps = made("live-cpu", "app/default", CpuLiveServerless)
    project = old("项目一", cpu=None)
    with pytest.raises(ProvisioningError, match="belongs to 'app/default'"):
        project.provisioner().ensure(CpuLiveServerless(name="cpu"), FILE)
    assert project.provisioner().remove(project.session_records().records()) == {}
    assert owners(client) == {perhaps.id: "app/default"}
    assert f"{perhaps.id}) carries the mark 'app/default', which other" in project.notices()
