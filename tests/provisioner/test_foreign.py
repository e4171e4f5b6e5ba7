"""An account on which others make what no schema knows: it stops nothing of ours, and stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_flash import CpuLiveServerless, LiveServerless
from pytest_flash.events import Event
from pytest_flash.provisioner.account_volumes import AccountVolumes
from pytest_flash.provisioner.endpoint_specification import EndpointSpecification
from pytest_flash.provisioner.owner import Owner
from pytest_flash.provisioner.plan import Refuse
from pytest_flash.provisioner.provisioner import Provisioner
from pytest_flash.provisioner.session_records import SessionRecords
from pytest_flash.provisioner.state.records import Account, Scope
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.provisioner.state.store import State
from pytest_flash.provisioner.undeploy import Undeploy
from pytest_flash.runpod import ManagementClient, Pace
from pytest_flash.settings import Environment
from tests.runpod import scripted
from tests.support.environment import LIVE_IMAGES

FILE = "/app/main.py"
MARK = scripted.OWNER
# Whoever made them, and however: by hand, by another tool, by another version of this one.
ODD: list[Any] = [
    None,
    "text",
    {"name": "no id"},
    {"id": None, "name": "no id"},
    {"id": "", "name": "no id"},
    {"id": "..", "name": "no id"},
    {"id": "odd0"},
    {"id": "odd1", "name": None, "env": None},
    {"id": "odd2", "name": "live-a", "env": None, "timeout": None},
    {"id": "odd3", "name": "live-other", "env": [["A", "b"]], "timeout": "soon"},
    {"id": "odd4", "name": "live-other", "env": {MARK: None}, "scaling": 5, "workers": None},
    {"id": "odd5", "name": "live-other", "env": {MARK: ["shop/default"]}, "gpu": "all of them"},
    {"id": "odd6", "name": "live-other", "env": {MARK: "other/default", "A": 1}, "type": {}},
    {"id": "odd7", "name": "live-other", "env": {MARK: "shop"}, "createdAt": 5},
    {"id": "odd8", "name": "live-other", "type": "KIND_TO_COME", "kind": {"new": [1]}},
]


@dataclass
class Work:
    """A session on such an account. ``mine`` is what the server keeps as it should."""

    server: scripted.ScriptedServer
    client: ManagementClient
    folder: Path
    mine: scripted.Account = field(default_factory=scripted.Account)
    events: list[Event] = field(default_factory=list)

    def serve(self, exchange: scripted.Exchange) -> None:
        request = exchange.request_read
        if (request.method, request.path) == ("GET", "/v2/serverless"):
            scripted.says({"endpoints": [*ODD, *self.mine.endpoints.values(), *ODD]})(exchange)
        else:
            self.mine.answer(exchange)

    def session_records(self) -> SessionRecords:
        state = State(self.folder / ".runpod", on_notice=pytest.fail)
        scope = Scope(Account.of(self.server.live), "shop", "default")
        return SessionRecords(state, scope, User.current(), "test")

    def provisioner(self) -> Provisioner:
        volumes = AccountVolumes(self.client, create=False)
        specification = EndpointSpecification(
            Owner("shop"), Environment(LIVE_IMAGES), volumes, live=True
        )
        return Provisioner(
            self.client,
            specification,
            session_records=self.session_records(),
            adopt=False,
            on_event=self.events.append,
        )

    def undeploy(self) -> Undeploy:
        return Undeploy(self.client, self.provisioner(), self.session_records())


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    with (
        scripted.scripted() as server,
        ManagementClient(server.live, pace=Pace.unlimited()) as client,
    ):
        made = Work(server, client, tmp_path)
        server.always = made.serve
        yield made
        touched = {
            request.path.rpartition("/")[2]
            for request in server.requests
            if request.method in ("DELETE", "PATCH")
        }
        assert not any(each.startswith("odd") for each in touched)


def test_what_others_made_stops_nothing(work: Work) -> None:
    made = work.provisioner().ensure(LiveServerless(name="b"), FILE)
    assert work.provisioner().ensure(LiveServerless(name="b"), FILE).id == made.id
    assert [each.exists for each in work.undeploy().listing()] == [True]
    lost = work.mine.add({"name": "live-lost", "env": {MARK: "shop/default"}, "timeout": None})
    found = work.undeploy().unrecorded()
    assert [each.id for each in found] == [lost["id"]]
    assert work.undeploy().unrecorded(all_namespaces=True) == found
    assert work.undeploy().delete_unrecorded(found) == {}
    assert work.undeploy().delete(work.session_records().records()) == {}
    assert work.mine.endpoints == {}


def test_a_name_that_somebody_else_has_is_refused_as_ever(work: Work) -> None:
    plan = work.provisioner().plan([(LiveServerless(name="a"), FILE)])
    (step,) = [step for _, step in plan.steps]
    assert isinstance(step, Refuse)
    assert "was not created by pytest-flash" in step.why


@pytest.mark.parametrize(
    "change",
    [
        {"scaling": None},
        {"scaling": {}},
        {"workers": 5},
        {"gpu": "all of them"},
        {"dataCenterIds": 7},
        {"dataCenterIds": [1, "a"]},
        {"networkVolumes": None},
        {"ports": 8},
    ],
    ids=str,
)
def test_ours_that_cannot_be_read_stops_no_other_and_can_be_deleted(
    work: Work, change: dict[str, Any]
) -> None:
    resource = LiveServerless(name="b")
    made = work.provisioner().ensure(resource, FILE)
    work.mine.endpoints[made.id].update(change)

    plan = work.provisioner().plan([(resource, FILE), (CpuLiveServerless(name="c"), FILE)])
    odd, other = [step for _, step in plan.steps]

    assert isinstance(odd, Refuse), odd
    assert "as this version cannot read" in odd.why
    assert not isinstance(other, Refuse)
    assert work.undeploy().delete(work.session_records().records()) == {}
    assert work.mine.endpoints == {}


@pytest.mark.parametrize(
    ("created", "old"),
    [
        ("2026-11-23T00:00:00Z", True),
        ("2026-11-23T00:00:00.123456789Z", True),
        ("2026-11-23T02:00:00+02:00", True),
        ("2126-11-23T00:00:00Z", False),
        ("2026-11-23T00:00:00", False),
        ("2026-11-23", False),
        ("yesterday", False),
        ("", False),
        (None, False),
        (5, False),
    ],
)
def test_what_does_not_say_how_old_it_is_counts_as_young(
    work: Work, created: object, old: bool
) -> None:
    """A time without a zone may be any of 26 hours."""
    made = work.mine.add({"name": "live-x", "env": {MARK: "shop/default"}})
    work.mine.endpoints[made["id"]]["createdAt"] = created
    assert len(work.undeploy().unrecorded(timedelta(hours=2))) == old
    assert len(work.undeploy().unrecorded()) == 1
