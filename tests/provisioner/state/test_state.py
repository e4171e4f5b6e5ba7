"""Records on disk: found by scope and name, kept for others, without the values of ``env``."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pytest_flash.provisioner.state.file_format import (
    Document,
    RecordEntry,
    VolumeEntry,
    decode,
    encode,
)
from pytest_flash.provisioner.state.records import (
    Account,
    Configuration,
    CreatedEndpoint,
    Scope,
    VolumeRecord,
)
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.provisioner.state.store import Draft, State
from pytest_flash.target import embedded

SCOPE = Scope(Account("https://api.runpod.io", "0123456789ab"), "shop", "default")
SALT = "00" * 16

names = st.text(min_size=1, max_size=20)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
requests = st.fixed_dictionaries(
    {"name": names, "env": st.dictionaries(names, st.text(), max_size=3)},
    optional={"gpu": json_values, "scaling": json_values, "disk": st.integers()},
)
scopes = st.builds(Scope, st.builds(Account, names, names), names, names)
users = st.builds(User, st.integers(1, 2**22), names)
volumes = st.builds(VolumeRecord, names, names, st.none() | names)
records = st.builds(
    CreatedEndpoint,
    resource=names,
    endpoint_name=names,
    endpoint_id=st.none() | names,
    configuration=st.builds(Configuration.of, requests, st.just(bytes.fromhex(SALT))),
    source_file=names,
    created_by=st.sampled_from(["run", "test", "adopted"]),
    users=st.lists(users, max_size=3).map(tuple),
    deleting=st.booleans(),
    created_at=names,
    updated_at=names,
)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / ".runpod", on_notice=pytest.fail)


def a_record(draft: Draft, resource: str = "gpu", **request: Any) -> CreatedEndpoint:
    return CreatedEndpoint(
        resource=resource,
        endpoint_name=f"live-{resource}",
        endpoint_id=None,
        configuration=draft.configuration({"name": f"live-{resource}", **request}),
        source_file="/app/main.py",
        created_by="run",
    )


def put(
    state: State, resource: str = "gpu", scope: Scope = SCOPE, **request: Any
) -> CreatedEndpoint:
    with state.change() as draft:
        return draft.put(scope, a_record(draft, resource, **request))


@given(
    st.lists(st.builds(RecordEntry, scopes, records), max_size=4).filter(
        lambda all: len({(each.scope, each.record.resource) for each in all}) == len(all)
    ),
    st.lists(st.builds(VolumeEntry, scopes, volumes), max_size=3).filter(
        lambda all: len({(e.scope, e.volume.name, e.volume.data_center) for e in all}) == len(all)
    ),
)
@settings(deadline=None)
def test_any_document_is_read_as_it_was_written(
    recorded: list[RecordEntry], made: list[VolumeEntry]
) -> None:
    document = Document(SALT, tuple(recorded), tuple(made))
    assert decode(encode(document)) == document


class Histories(RuleBasedStateMachine):
    """Any sequence of changes through any instance leaves what a dictionary would hold."""

    some_scopes = st.sampled_from(
        [
            SCOPE,
            replace(SCOPE, namespace="ci1"),
            replace(SCOPE, project="blog"),
            replace(SCOPE, account=Account("https://api.runpod.io", "another_key_")),
        ]
    )
    some_names = st.sampled_from(["gpu", "cpu", "../gpu"])

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.folder = Path(self.home.name) / ".runpod"
        self.records: dict[tuple[Scope, str], CreatedEndpoint] = {}
        self.volumes: dict[tuple[Scope, str], VolumeRecord] = {}

    @property
    def state(self) -> State:
        return State(self.folder, on_notice=pytest.fail)

    @rule(scope=some_scopes, name=some_names, env=st.dictionaries(names, names, max_size=2))
    def record(self, scope: Scope, name: str, env: Mapping[str, str]) -> None:
        self.records[scope, name] = put(self.state, name, scope, env=env)

    @rule(scope=some_scopes, name=some_names)
    def forget(self, scope: Scope, name: str) -> None:
        with self.state.change() as draft:
            draft.remove(scope, name)
        self.records.pop((scope, name), None)

    @rule(scope=some_scopes, name=some_names, id=st.none() | names)
    def record_volume(self, scope: Scope, name: str, id: str | None) -> None:
        self.volumes[scope, name] = VolumeRecord(name, "EU-RO-1", id)
        with self.state.change() as draft:
            draft.put_volume(scope, self.volumes[scope, name])

    @rule(scope=some_scopes, name=some_names)
    def forget_volume(self, scope: Scope, name: str) -> None:
        with self.state.change() as draft:
            draft.remove_volume(scope, VolumeRecord(name, "EU-RO-1", None))
        self.volumes.pop((scope, name), None)

    @invariant()
    def every_scope_holds_its_own(self) -> None:
        contents = self.state.read()
        for scope in {*(key[0] for key in self.records), *(key[0] for key in self.volumes), SCOPE}:
            ours = {name: each for (whose, name), each in self.records.items() if whose == scope}
            assert {each.resource: each for each in contents.records(scope)} == ours
            assert all(contents.record(scope, name) == each for name, each in ours.items())
            volumes = {each for (whose, _), each in self.volumes.items() if whose == scope}
            assert set(contents.volumes(scope)) == volumes

    def teardown(self) -> None:
        self.home.cleanup()


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


@given(st.dictionaries(names, st.text(max_size=30).map("s3cr3t-".__add__), min_size=1, max_size=4))
@settings(deadline=None, max_examples=30)
def test_values_of_env_compare_within_a_file_and_are_not_in_it(env: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as home:
        state = State(Path(home) / "a", on_notice=pytest.fail)
        recorded = put(state, env=env).configuration
        contents = state.read()
        again = contents.configuration({"name": "live-gpu", "env": dict(reversed(env.items()))})
        changed = {name: value + "!" for name, value in env.items()}
        other = State(Path(home) / "b", on_notice=pytest.fail)

        assert recorded == again
        assert recorded.hash == again.hash
        assert recorded != contents.configuration({"name": "live-gpu", "env": changed})
        assert recorded != put(other, env=env).configuration
        for value in env.values():
            assert value.encode("utf-8", "surrogatepass") not in state.path.read_bytes()
            assert value not in repr(recorded)


def test_a_configuration_with_a_plain_env_value_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="'TOKEN' is not a digest"):
        Configuration({"env": {"TOKEN": "plain"}}, "0" * 64)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}])
def test_a_request_that_json_cannot_carry_is_refused(state: State, value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="JSON"), state.change() as draft:
        draft.configuration({"disk": value})


def test_a_record_is_dated_when_it_is_put(state: State) -> None:
    with state.change() as draft:
        old = replace(a_record(draft), updated_at="2020-01-01T00:00:00Z")
        stored = draft.put(SCOPE, old)
    assert stored.updated_at > old.updated_at
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stored.updated_at)
    assert stored.created_at == old.created_at
    assert state.read().record(SCOPE, "gpu") == stored


def test_an_intent_is_completed_with_the_id(state: State) -> None:
    intent = put(state)
    assert intent.endpoint_id is None
    with state.change() as draft:
        draft.put(SCOPE, replace(intent, endpoint_id="abc123"))
    (record,) = state.read().records(SCOPE)
    assert record.endpoint_id == "abc123"


def test_records_come_by_name(state: State) -> None:
    for name in ("b", "c", "a"):
        put(state, name)
    assert [record.resource for record in state.read().records(SCOPE)] == ["a", "b", "c"]


def test_a_change_that_raises_saves_nothing(state: State) -> None:
    kept = put(state)

    def interrupted() -> None:
        with state.change() as draft:
            draft.remove(SCOPE, "gpu")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert state.read().records(SCOPE) == (kept,)
    put(state, "cpu")  # The lock is free again.


def test_a_change_that_changes_nothing_writes_nothing(state: State) -> None:
    put(state)
    before = state.path.stat().st_ino
    with state.change() as draft:
        draft.remove(SCOPE, "never-there")
    assert state.path.stat().st_ino == before


def test_reading_makes_no_file(state: State) -> None:
    assert state.read().records(SCOPE) == ()
    assert not state.folder.exists()


def test_accounts_differ_by_address_and_key_and_do_not_show_the_key() -> None:
    def account(url: str, key: str) -> Account:
        return Account.of(embedded(url, f"{url}/queue", key, "a test asked"))

    one = account("https://api.runpod.io", "rpa_SECRET")
    # printf rpa_SECRET | sha256sum
    assert one.key_digest == "b207201a1e11"
    assert one == account("https://api.runpod.io", "rpa_SECRET")
    assert one != account("https://api.runpod.io", "rpa_OTHER")
    assert one != account("http://127.0.0.1:1", "rpa_SECRET")
    assert "SECRET" not in repr(one)
