"""docs/faults.md, and what sets faults."""

from __future__ import annotations

import inspect
import json
import re
from typing import get_args

import httpx

from pytest_flash.emulator.client.control import EmulatorControl
from pytest_flash.emulator.faults.fault_types import Effect
from tests.emulator.harness import KEY, ROOT, Emulator


def test_the_guide_names_every_kind_as_it_is_taken(
    emulator: Emulator, control: EmulatorControl
) -> None:
    guide = (ROOT / "docs" / "faults.md").read_text()
    # Also where one stands in a sentence.
    effects = [json.loads(each) for each in re.findall(r'{"kind": "[^{}]*}', guide)]
    kinds = {each["kind"] for each in effects}
    assert kinds == {vars(kind)["kind"] for kind in get_args(Effect)}
    for effect in effects:
        headers = {"Authorization": f"Bearer {KEY}"}
        url = f"{emulator.origin}/control/faults"
        answer = httpx.post(url, json={"effect": effect}, headers=headers)
        assert answer.status_code == 201, (effect, answer.text)
        assert {**answer.json()["effect"], **effect} == answer.json()["effect"]
        control.remove(answer.json()["id"])
    # Its first table is of the methods, the last one of both.
    for table in (r"^\| `(\w+)\(", r"^\| `(\w+)` \| `{"):
        named = set(re.findall(table, guide, re.MULTILINE))
        assert named == {
            name
            for name, each in vars(EmulatorControl).items()
            if sets_a_fault(each) and not name.startswith("_")
        }


def sets_a_fault(method: object) -> bool:
    """Whether a method of the handle returns a fault's id: all of them can be limited in number."""
    return inspect.isfunction(method) and "count" in inspect.signature(method).parameters
