"""The quota of the management plane: reported always, enforced where a project asks for it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from pytest_flash.runpod.rate_limit import exhausted_for
from tests.emulator.harness import Emulator, serving_project

POLICY = '"minute";q=60;w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400'


def left(answer: httpx.Response) -> dict[str, int]:
    """The requests that remain in each window."""
    return {name: int(r) for name, r in re.findall(r'"(\w+)";r=(\d+)', answer.headers["ratelimit"])}


def test_every_authenticated_response_carries_the_quota(emulator: Emulator) -> None:
    for answer in (
        emulator.management.get("/v2/serverless"),
        emulator.management.get("/v2/serverless/nothing"),
        emulator.management.post("/v2/serverless", content=b"{"),
        emulator.management.get("/v2/catalog/gpus"),
        emulator.management.get("/v2/network-volumes"),
    ):
        assert answer.headers["ratelimit-policy"] == POLICY
        assert set(left(answer)) == {"minute", "hour", "day"}


def test_strangers_hear_nothing_of_it(emulator: Emulator) -> None:
    answer = httpx.get(f"{emulator.origin}/api/v2/serverless")
    assert answer.status_code == 401
    assert "ratelimit" not in answer.headers


def test_without_enforcement_a_request_always_remains(emulator: Emulator) -> None:
    answers = [emulator.management.get("/v2/serverless") for _ in range(70)]
    assert {answer.status_code for answer in answers} == {200}
    assert left(answers[-1])["minute"] == 1
    assert exhausted_for(answers[-1].headers["ratelimit"]) == 0


def test_an_enforced_quota_refuses_and_says_for_how_long(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flash.emulator]\nrate_limits = true\n")
    with serving_project(tmp_path) as emulator:
        remaining = [left(emulator.management.get("/v2/serverless"))["minute"] for _ in range(60)]
        assert remaining == [*range(59, -1, -1)]
        refused = emulator.management.get("/v2/serverless")
        assert refused.status_code == 429
        assert refused.json()["detail"] == "rate limit exceeded for the minute window"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert left(refused) == {"minute": 0, "hour": 2940, "day": 49940}
        waits = exhausted_for(refused.headers["ratelimit"])
        assert waits == int(refused.headers["retry-after"])
