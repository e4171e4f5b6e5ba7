"""Rate limits: off unless the project asks for them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_flash.emulator.queue.rate_limits import LIMITS, RateLimits
from pytest_flash.emulator.server.http_errors import HttpError
from tests.emulator.harness import Emulator, serving_project


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("operation", LIMITS)
def test_a_window_of_10_s_slides(operation: str) -> None:
    clock = Clock()
    limits, allowed = RateLimits(clock), LIMITS[operation].requests
    for number in range(allowed):
        clock.now = 9.0 * number / allowed
        with limits.admitted("a", operation):
            pass
    with pytest.raises(HttpError, match="too many requests") as refused:
        limits.admitted("a", operation).__enter__()
    assert refused.value.status == 429
    limits.admitted("b", operation).__enter__()
    clock.now = 10.0  # the first one is forgotten, and makes room for one
    limits.admitted("a", operation).__enter__()
    with pytest.raises(HttpError):
        limits.admitted("a", operation).__enter__()


def test_so_many_at_once() -> None:
    limits = RateLimits(Clock())
    with ExitStack() as others:
        for _ in range(19):
            others.enter_context(limits.admitted("a", "cancel"))
        with limits.admitted("a", "cancel"), pytest.raises(HttpError, match="20 cancel requests"):
            limits.admitted("a", "cancel").__enter__()
        with limits.admitted("a", "cancel"):
            pass


def test_the_emulator_keeps_them_when_it_is_asked_to(tmp_path: Path, emulator: Emulator) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flash.emulator]\nrate_limits = true\n")
    with serving_project(tmp_path) as limited:
        endpoint = limited.create(workers={"max": 0})
        answers = [limited.queue.post(f"/{endpoint}/purge-queue") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert "2 purge-queue requests" in answers[2].json()["error"]
        assert limited.queue.get(f"/{endpoint}/health").status_code == 200
    endpoint = emulator.create(workers={"max": 0})
    answers = [emulator.queue.post(f"/{endpoint}/purge-queue") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
