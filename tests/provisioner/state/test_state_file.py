"""What else may stand in ``resources.pkl``: it runs nothing, and is never lost or overwritten."""

from __future__ import annotations

import copyreg
import os
import pickle
import re
import struct
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.errors import ProvisioningError
from pytest_flash.provisioner.state.file_format import (
    SIZE_LIMIT,
    DamagedError,
    Document,
    NewerError,
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
from pytest_flash.provisioner.state.store import State

SCOPE = Scope(Account("https://api.runpod.io", "0123456789ab"), "shop", "default")
SALT = "5a" * 16
MARKER = "it-ran"
COMMAND = f"touch {MARKER}"


def a_document() -> Document:
    request = {"name": "live-gpu", "env": {"A": "b"}, "scaling": {"queueDelay": 4.5}}
    configuration = Configuration.of(request, bytes.fromhex(SALT))
    record = CreatedEndpoint(
        "gpu", "live-gpu", None, configuration, "/main.py", "run", (User(7, "x"),)
    )
    volume = VolumeRecord("models", "EU-RO-1", "vol1")
    return Document(SALT, (RecordEntry(SCOPE, record),), (VolumeEntry(SCOPE, volume),))


GOOD = encode(a_document())


class Reduced:
    """Pickled as a call of os.system."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (COMMAND,)


class Slotted:
    """Pickled with NEWOBJ and BUILD."""

    def __init__(self) -> None:
        self.value = 1


def doubled(times: int) -> list[object]:
    value: list[object] = []
    for _ in range(times):
        value = [value, value]
    return value


def within_itself() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


def text(value: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(value)]) + value.encode()


HEAD = b"\x80\x04"
CALLED = text(COMMAND) + pickle.TUPLE1
HOSTILE = {
    **{f"reduce, protocol {n}": pickle.dumps(Reduced(), protocol=n) for n in range(6)},
    "reduce within a document": pickle.dumps({**asdict(a_document()), "extra": Reduced()}),
    "global": b"cos\nsystem\n(S'" + COMMAND.encode() + b"'\ntR.",
    "stack global": HEAD + text("os") + text("system") + pickle.STACK_GLOBAL + CALLED + b"R.",
    "inst": b"(S'" + COMMAND.encode() + b"'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'" + COMMAND.encode() + b"'\no.",
    "newobj": HEAD + b"cos\nsystem\n" + CALLED + pickle.NEWOBJ + b".",
    "newobj with keywords": HEAD + b"cos\nsystem\n" + CALLED + b"}" + pickle.NEWOBJ_EX + b".",
    "build": pickle.dumps(Slotted()),
    "build on a dict": HEAD + b"}}" + pickle.BUILD + b".",
    "extension": HEAD + pickle.EXT1 + b"\x7f" + CALLED + b"R.",
    "wide extension": HEAD + pickle.EXT4 + struct.pack("<i", 0x7F) + CALLED + b"R.",
    "persistent id": b"Psomewhere\n.",
    "persistent object": HEAD + text("somewhere") + pickle.BINPERSID + b".",
    "huge memo": HEAD + b"}" + pickle.LONG_BINPUT + b"\xff\xff\xff\xff.",
    "huge memo in digits": b"}p4294967295\n.",
    "huge number in digits": b"I" + b"9" * 200_000 + b"\n.",
    "huge length": HEAD + pickle.BINUNICODE8 + b"\xff" * 7 + b"\x7f.",
    "huge frame": HEAD + pickle.FRAME + b"\xff" * 7 + b"\x7f}.",
    "bytes": pickle.dumps(b"x", protocol=4),
    "bytearray": pickle.dumps(bytearray(b"x"), protocol=5),
    "out of band": b"\x80\x05" + pickle.NEXT_BUFFER + b".",
    "set": pickle.dumps({1}, protocol=4),
    "frozen set": pickle.dumps(frozenset({1}), protocol=4),
    "a class": pickle.dumps(Path),
    "within itself": pickle.dumps(within_itself(), protocol=4),
    "doubled": pickle.dumps(doubled(60), protocol=4),
    "deep": HEAD + b"]" * 100_000 + b"a" * 99_999 + b".",
    "unhashable key": HEAD + b"}]Ns.",
    "append to nothing": HEAD + b"NNa.",
    "nothing on the stack": HEAD + b".",
    "nothing in the memo": HEAD + pickle.BINGET + b"\x05.",
    "more behind the end": GOOD + b"x",
    "empty": b"",
    "text": b"{}",
    "zeros": bytes(4096),
    "too large": bytes(SIZE_LIMIT + 1),
}


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def state(tmp_path: Path, notices: list[str]) -> State:
    folder = tmp_path / ".runpod"
    folder.mkdir()
    return State(folder, on_notice=notices.append)


def kept_aside(state: State) -> list[Path]:
    return sorted(state.folder.glob("resources.pkl.damaged-*"))


@pytest.fixture
def extension() -> Iterator[None]:
    """An extension code that this process has resolved before: no look-up is made again."""
    registered = (os.system.__module__, "system", 0x7F)
    copyreg.add_extension(*registered)
    assert pickle.loads(HEAD + pickle.EXT1 + b"\x7f.") is os.system
    yield
    copyreg.remove_extension(*registered)


@pytest.mark.usefixtures("extension")
@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_that_is_not_ours_runs_nothing_and_is_set_aside(
    data: bytes,
    state: State,
    notices: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    state.path.write_bytes(data)

    assert state.read().records(SCOPE) == ()

    assert not (tmp_path / MARKER).exists()
    (aside,) = kept_aside(state)
    assert aside.read_bytes() == data
    assert re.fullmatch(r"resources\.pkl\.damaged-\d{8}T\d{6}Z", aside.name)
    assert not state.path.exists()
    (notice,) = notices
    assert str(state.path) in notice
    assert aside.name in notice


def test_the_hostile_files_of_this_module_do_run_when_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(HOSTILE["stack global"])
    assert (tmp_path / MARKER).exists()


def test_a_file_cut_at_any_length_is_damaged() -> None:
    for length in range(len(GOOD)):
        with pytest.raises(DamagedError):
            decode(GOOD[:length])


@given(st.data())
def test_a_file_with_any_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    positions = st.integers(0, len(GOOD) - 1)
    for position, value in data.draw(
        st.lists(st.tuples(positions, st.integers(0, 255)), min_size=1, max_size=4)
    ):
        changed[position] = value
    try:
        decode(bytes(changed))
    except (DamagedError, NewerError):
        return
    # What passes is nothing but values: it can be written again.
    assert encode(decode(bytes(changed)))


allowed = st.sampled_from(
    [bytes([code]) for code in b"\x80\x95(.\x94hjN\x88\x89JKMG}su]ae)t\x85\x8c"]
)


@given(st.binary(max_size=60) | st.lists(allowed | st.binary(max_size=2)).map(b"".join))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedError):
        decode(HEAD + data)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.none(), inner)
    ),
)


@given(plain)
def test_plain_values_of_another_shape_are_refused(value: object) -> None:
    with pytest.raises(DamagedError, match="not written by pytest-flash"):
        decode(pickle.dumps(value, protocol=4))


def changed(path: str, value: object) -> bytes:
    """A document in which one value, given by its dotted path, is another."""
    document: Any = asdict(a_document())
    at = document
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    for part in way:
        at[part] = list(at[part]) if isinstance(at[part], tuple) else at[part]
        at = at[part]
    at[last] = value
    return pickle.dumps(document, protocol=4)


FIRST = "records.0.record"
WRONG = {
    "salt": "not hex",
    "records": {},
    "version": 0,
    "unknown": 1,
    "records.0.scope.account": "https://api.runpod.io",
    f"{FIRST}.unknown": 1,
    f"{FIRST}.endpoint_id": 5,
    f"{FIRST}.created_by": "nobody",
    f"{FIRST}.deleting": "perhaps",
    f"{FIRST}.users.0.pid": 0,
    f"{FIRST}.configuration.request": [],
    f"{FIRST}.configuration.request.env.A": "a plain value",
    f"{FIRST}.configuration.request.env": ["A"],
    f"{FIRST}.configuration.hash": "0" * 64,
    "volumes.0.volume.id": 5,
    "records.0": asdict(a_document().volumes[0]),
}


@pytest.mark.parametrize("path", WRONG)
def test_a_document_with_a_wrong_value_is_damaged_and_the_value_not_told(path: str) -> None:
    with pytest.raises(DamagedError) as caught:
        decode(changed(path, WRONG[path]))
    assert "a plain value" not in str(caught.value)


@pytest.mark.parametrize("kind", ["records", "volumes"])
def test_a_document_that_names_one_thing_twice_is_damaged(kind: str) -> None:
    twice = asdict(a_document())[kind] * 2
    with pytest.raises(DamagedError, match="recorded twice"):
        decode(changed(kind, twice))


def test_a_newer_file_asks_to_upgrade_and_stays_as_it_is(state: State) -> None:
    newer = pickle.dumps({"format": "pytest-flash state", "version": 3, "what": ["else"]})
    state.path.write_bytes(newer)
    for use in (state.read, lambda: state.change().__enter__()):
        with pytest.raises(ProvisioningError, match=r"newer pytest-flash.*pip install --upgrade"):
            use()
    assert state.path.read_bytes() == newer
    assert kept_aside(state) == []


def test_files_set_aside_do_not_overwrite_each_other(state: State, notices: list[str]) -> None:
    contents = [f"damaged {n}".encode() for n in range(4)]
    for each in contents:
        state.path.write_bytes(each)
        with state.change() as draft:
            assert draft.records(SCOPE) == ()
    assert sorted(path.read_bytes() for path in kept_aside(state)) == contents
    assert len(notices) == 4


def test_many_readers_set_a_damaged_file_aside_once(state: State, notices: list[str]) -> None:
    state.path.write_bytes(b"damaged")
    together = threading.Barrier(8)

    def read() -> int:
        together.wait(timeout=10)
        return len(state.read().records(SCOPE))

    with ThreadPoolExecutor(8) as pool:
        assert [each.result(20) for each in [pool.submit(read) for _ in range(8)]] == [0] * 8
    assert len(kept_aside(state)) == len(notices) == 1


def test_a_file_is_set_aside_only_while_nobody_changes_it(state: State, notices: list[str]) -> None:
    with state.change(), ThreadPoolExecutor(1) as pool:
        state.path.write_bytes(b"damaged")
        impatient = State(state.folder, on_notice=notices.append, timeout=0.1)
        with pytest.raises(ProvisioningError, match=r"waited 0\.1 s"):
            pool.submit(impatient.read).result(timeout=10)
        assert state.path.read_bytes() == b"damaged"
    assert notices == []


def test_what_would_not_be_read_again_is_not_written(state: State) -> None:
    deep: list[object] = []
    for _ in range(60):
        deep = [deep]

    def put() -> None:
        with state.change() as draft:
            configuration = draft.configuration({"name": "live-gpu", "deep": deep})
            draft.put(
                SCOPE, CreatedEndpoint("gpu", "live-gpu", None, configuration, "/main.py", "run")
            )

    with pytest.raises(ProvisioningError, match="would not be read again"):
        put()
    assert not state.path.exists()


def test_nothing_is_imported_for_a_name_in_the_file(state: State) -> None:
    state.path.write_bytes(b"cthis_module_is_nowhere\nname\n.")
    state.read()
    assert "this_module_is_nowhere" not in sys.modules
