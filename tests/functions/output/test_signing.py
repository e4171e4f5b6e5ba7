"""Signatures of what a worker says, and the line that describes an exception."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flash.functions.onworker import error_description
from pytest_flash.functions.onworker.signing import Signer
from pytest_flash.functions.protocol.function_messages import Secret
from pytest_flash.security import plain_pickle
from tests.functions.output.forged_output import NAME, attacks, code

OURS, OTHERS = Signer(b"ours"), Signer(b"another call's")
DESCRIBED = {"output": ["said\n", "", 0], "traceback": "ünï 😀 \ud800\n", "errors": []}
LINE = error_description.signed(json.dumps(DESCRIBED), OURS)
NEVER = Path("/never/made")
FORGED = [each.replace(NAME, OURS.name) for each in attacks(NEVER).values()]
FORGED += [
    error_description.signed(json.dumps(DESCRIBED), OTHERS),
    error_description.signed(json.dumps(DESCRIBED), OTHERS).replace(OTHERS.name, OURS.name),
    LINE.replace("said", "sayd"),
    LINE.replace(OURS.name, OTHERS.name),
    LINE.replace(OURS.name, OURS.name.upper()),
    LINE[:-1],
    LINE[:-1] + "\r" + LINE[-1],
    f"[pytest-flash {OURS.name} ",
    f"[pytest-flash {OURS.name} \n",
    f"[pytest-flash {OURS.name} {OURS.sign('output', json.dumps(DESCRIBED).encode())} ",
]


def test_a_secret_is_wiped_where_frames_show_it() -> None:
    secret = Secret.new()
    sent = pickle.loads(base64.b64decode(secret.sent))
    plain = bytes(sent)
    signer = Signer.taking(sent)
    assert plain not in bytes(sent)
    assert signer.name == secret.signer.name
    assert signer.sign("x", b"y") == secret.signer.sign("x", b"y")
    for shown in (repr(signer), repr(secret), f"{secret}"):
        assert plain.hex() not in shown
        assert repr(plain)[2:-1] not in shown
        assert secret.sent.decode() not in shown


@pytest.mark.parametrize("copied", [pickle.dumps, cloudpickle.dumps, copy.deepcopy])
def test_a_signer_stays_in_its_process(copied: Any) -> None:
    with pytest.raises(TypeError, match="stays in its process"):
        copied(OURS)


def test_no_two_calls_have_a_secret_or_a_name_in_common() -> None:
    secrets = [Secret.new() for _ in range(100)]
    assert len({each.sent for each in secrets}) == 100
    assert len({each.signer.name for each in secrets}) == 100


def test_a_signature_is_of_one_kind_one_content_and_one_call() -> None:
    signature = OURS.sign("kind", b"content")
    assert OURS.verifies("kind", b"content", signature)
    assert not OURS.verifies("other", b"content", signature)
    assert not OURS.verifies("kind", b"contents", signature)
    assert not OURS.verifies("kind", b"content", signature[:-1])
    assert not OURS.verifies("kind", b"content", "é\ud800")
    assert not OTHERS.verifies("kind", b"content", signature)
    assert OURS.sign("name")[:20] == OURS.name


@given(
    before=st.lists(st.sampled_from(FORGED) | st.text()),
    after=st.lists(st.sampled_from(FORGED) | st.text()),
)
def test_a_description_is_found_among_whatever_was_printed(
    before: list[str], after: list[str]
) -> None:
    # As the worker leaves it: what follows was written to another stream.
    printed = f"{''.join(before)}\n{LINE}\n{''.join(after)}"
    assert error_description.find(printed, OURS) == DESCRIBED
    assert error_description.find(f"{''.join(before)}\n{''.join(after)}", OURS) is None


@pytest.mark.parametrize("end", ["", "\n"])
def test_many_imitations_hide_nothing(end: str) -> None:
    """A million characters of them, as much as a worker keeps."""
    imitation = f"[pytest-flash {OURS.name} {'0' * 32} {end}"
    flood = imitation * (1_000_000 // len(imitation))
    assert error_description.find(f"{flood}\n{LINE}\n{flood}", OURS) == DESCRIBED


def test_an_exception_is_described_by_json_alone() -> None:
    class Text(str): ...

    class Odd(Exception):
        __module__ = 7  # type: ignore[assignment]

        def __str__(self) -> str:
            return Text("odd \ud800\u2028")

    try:
        raise Odd from KeyError("first")
    except Odd as error:
        text = error_description.describe(error, ("", "", 0))
    assert text.isascii()
    assert text.isprintable()
    described = json.loads(text)
    assert described["errors"][0]["kinds"][0] == ["7", described["errors"][0]["kinds"][0][1]]
    assert described["errors"][0]["text"] == "odd \ud800\u2028"


@pytest.mark.parametrize("encoded", [True, False])
def test_a_pickle_that_runs_something_is_not_a_plain_one(tmp_path: Path, encoded: bool) -> None:
    made = tmp_path / "made"
    hostile = base64.b64decode(code(made))
    data = pickle.dumps(hostile) if encoded else hostile
    if encoded:
        assert plain_pickle.loads(data, with_bytes=True) == hostile
        with pytest.raises(plain_pickle.NotPlainError, match="more than plain values"):
            plain_pickle.loads(data)
    else:
        with pytest.raises(plain_pickle.NotPlainError, match="more than plain values"):
            plain_pickle.loads(data, with_bytes=True)
    assert not made.exists()


_instructions = st.sampled_from(
    [bytes([each]) for each in b"\x80\x95(.\x94hjN\x88\x89JKMG}su]ae)t\x85\x86\x8c\x8eBCc\x93Rb"]
)


@given(st.lists(_instructions | st.binary(max_size=3)).map(b"".join))
def test_any_bytes_are_plain_values_or_refused(data: bytes) -> None:
    with contextlib.suppress(plain_pickle.NotPlainError):
        plain_pickle.loads(b"\x80\x05" + data, with_bytes=True)
