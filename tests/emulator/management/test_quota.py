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
    """The minute may end once meanwhile: then there are 65 requests on one side of it."""
    answers = [emulator.management.get("/v2/serverless") for _ in range(130)]
    assert {answer.status_code for answer in answers} == {200}
    assert min(left(answer)["minute"] for answer in answers) == 1
    assert {exhausted_for(answer.headers["ratelimit"]) for answer in answers} == {0}


def test_an_enforced_quota_refuses_and_says_for_how_long(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flash.emulator]\nrate_limits = true\n")
    with serving_project(tmp_path) as emulator:
        remaining: list[int] = []
        while (refused := emulator.management.get("/v2/serverless")).status_code == 200:
            remaining.append(left(refused)["minute"])
            assert len(remaining) < 130
        # The minute, and with it the hour, may have ended once meanwhile.
        begin = len(remaining) - 1 - remaining[::-1].index(59)
        assert remaining[begin:] == [*range(59, -1, -1)]
        assert refused.status_code == 429
        assert refused.json()["detail"] == "rate limit exceeded for the minute window"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert left(refused)["minute"] == 0
        assert left(refused)["hour"] in (3000 - len(remaining), 2940)
        assert left(refused)["day"] in (50_000 - len(remaining), 49_940)
        waits = exhausted_for(refused.headers["ratelimit"])
        assert waits == int(refused.headers["retry-after"])
