"""Who may reach the cloud, and with which URLs."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from pytest_flash.errors import (
    LiveRefusedError,
    MissingKeyError,
    NoTargetError,
    SettingsError,
)
from pytest_flash.functions.registry import registry
from pytest_flash.settings import API_KEY, MANAGEMENT_URL, QUEUE_URL, Environment
from pytest_flash.target import (
    RUNPOD_MANAGEMENT_URL,
    RUNPOD_QUEUE_URL,
    TargetKind,
    choose,
    embedded,
    open_live,
    open_plain,
)

KEY = {"RUNPOD_API_KEY": "secret-key"}
LOOPBACK = {
    "RUNPOD_API_BASE_URL": "http://127.0.0.1:4000/api",
    "RUNPOD_ENDPOINT_BASE_URL": "http://127.0.0.1:4000/queue/v2/",
}
CLOUD = {
    "RUNPOD_API_BASE_URL": "https://api.example.com",
    "RUNPOD_ENDPOINT_BASE_URL": "https://queue.example.com/v2",
}
UNDER_PYTEST = {"PYTEST_VERSION": "9.0"}


def environment(process: dict[str, str], dotenv: dict[str, str] | None = None) -> Environment:
    return Environment(process, dotenv or {}, Path("/app/.env"))


def test_without_a_key_the_emulator_is_chosen() -> None:
    choice = choose(None, environment({}))

    assert choice.kind is TargetKind.EMULATOR
    assert "RUNPOD_API_KEY" in choice.reason
    assert "set RUNPOD_API_KEY" in choice.remedy


@pytest.mark.parametrize(
    ("found", "source"),
    [(environment(KEY), "environment"), (environment({}, KEY), "/app/.env")],
)
def test_a_key_chooses_live_and_says_where_it_came_from(found: Environment, source: str) -> None:
    choice = choose(None, found)

    assert choice.kind is TargetKind.LIVE
    assert source in choice.reason
    assert "--emulator" in choice.remedy


@pytest.mark.parametrize("kind", list(TargetKind))
@pytest.mark.parametrize("process", [{}, KEY])
def test_an_option_decides_outright(kind: TargetKind, process: dict[str, str]) -> None:
    assert choose(kind, environment(process)).kind is kind


def test_an_empty_key_is_no_key() -> None:
    assert choose(None, environment({"RUNPOD_API_KEY": ""})).kind is TargetKind.EMULATOR


def test_live_goes_to_runpod_by_default() -> None:
    target = open_live(environment(KEY), reason="asked", granted=True)

    assert target.is_live
    assert (target.management_url, target.queue_url) == (RUNPOD_MANAGEMENT_URL, RUNPOD_QUEUE_URL)


def test_the_key_stays_out_of_reprs() -> None:
    found = environment(KEY, {"OTHER": "hidden"})
    target = open_live(found, reason="asked", granted=True)

    assert "secret-key" not in repr(target) + repr(found)
    assert "hidden" not in repr(found)


EXPORTED = "rpa_exported_0123456789"
REFUSED: dict[str, dict[str, str]] = {
    "no grant": {},
    "a stranger's URLs": {MANAGEMENT_URL: "http://x.example", QUEUE_URL: "http://x.example"},
    "one URL": {QUEUE_URL: "https://x.example"},
    "the key in a URL": {MANAGEMENT_URL: f"https://{EXPORTED}.x.example", QUEUE_URL: "https://x"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_traceback_shows_the_key_with_its_variables(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """As ``pytest --showlocals --full-trace`` prints them."""
    for name, value in {API_KEY: EXPORTED, **REFUSED[case]}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises((SettingsError, LiveRefusedError)) as caught:
        registry.connected_caller()
    trace = caught.tb.tb_next  # Not this test's own frame.
    shown = traceback.TracebackException(
        type(caught.value), caught.value, trace, capture_locals=True
    )
    assert "connected_caller" in "".join(shown.format())
    assert EXPORTED not in "".join(shown.format())
    assert EXPORTED not in repr(caught.value)


def test_live_without_a_key_says_where_it_looked() -> None:
    with pytest.raises(MissingKeyError, match=r"environment, nor in /app/\.env"):
        open_live(environment({}), reason="asked", granted=True)


def test_base_urls_redirect_both_planes() -> None:
    target = open_live(environment(KEY | LOOPBACK), reason="asked", granted=False)

    assert target.management_url == "http://127.0.0.1:4000/api"
    assert target.queue_url == "http://127.0.0.1:4000/queue/v2"


@pytest.mark.parametrize("name", list(LOOPBACK))
def test_one_base_url_without_the_other_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="go together"):
        open_live(environment(KEY | {name: LOOPBACK[name]}), reason="asked", granted=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "https://user:pw@api.example.com",
        "https://",
        "api.example.com",
        "http://127.0.0.1:port",
        "https://api.example.com?x=1",
    ],
)
def test_a_base_url_must_be_plain_and_https_unless_loopback(url: str) -> None:
    process = KEY | LOOPBACK | {"RUNPOD_API_BASE_URL": url}
    with pytest.raises(SettingsError, match="RUNPOD_API_BASE_URL") as caught:
        open_live(environment(process), reason="asked", granted=True)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1.2.3"])
def test_http_is_fine_for_loopback(host: str) -> None:
    urls = dict.fromkeys(LOOPBACK, f"http://{host}:4000/v2")
    target = open_live(environment(KEY | urls), reason="asked", granted=False)
    assert target.queue_url == f"http://{host}:4000/v2"


def test_a_dotenv_file_cannot_redirect_an_exported_key() -> None:
    with pytest.raises(SettingsError, match="redirect"):
        open_live(environment(KEY, CLOUD), reason="asked", granted=True)


def test_a_dotenv_file_can_redirect_its_own_key() -> None:
    target = open_live(environment({}, KEY | CLOUD), reason="asked", granted=True)
    assert target.queue_url == CLOUD["RUNPOD_ENDPOINT_BASE_URL"]


@pytest.mark.parametrize("process", [KEY, KEY | CLOUD])
def test_under_pytest_the_cloud_is_refused_unless_granted(process: dict[str, str]) -> None:
    found = environment(process | UNDER_PYTEST)

    with pytest.raises(LiveRefusedError, match="--flash-live"):
        open_live(found, reason="asked", granted=False)
    assert open_live(found, reason="asked", granted=True).is_live


def test_under_pytest_loopback_needs_no_grant() -> None:
    target = open_live(environment(KEY | LOOPBACK | UNDER_PYTEST), reason="asked", granted=False)
    assert target.management_url == LOOPBACK["RUNPOD_API_BASE_URL"]


def test_one_foreign_url_beside_a_loopback_one_is_the_cloud() -> None:
    mixed = LOOPBACK | {"RUNPOD_ENDPOINT_BASE_URL": CLOUD["RUNPOD_ENDPOINT_BASE_URL"]}
    with pytest.raises(LiveRefusedError):
        open_live(environment(KEY | mixed | UNDER_PYTEST), reason="asked", granted=False)


def test_a_test_that_clears_the_environment_is_still_a_test() -> None:
    with pytest.raises(LiveRefusedError):
        open_live(environment(KEY), reason="asked", granted=False)


def test_a_call_in_a_test_without_fixtures_names_them() -> None:
    with pytest.raises(NoTargetError, match="flash_client"):
        open_plain(environment(UNDER_PYTEST))


@pytest.mark.parametrize(
    "base",
    [
        "https://4m7x2k9q.api.runpod.ai",
        "https://4m7x2k9q.api.runpod.ai/",
        "https://api.runpod.ai/lb/x",
    ],
)
def test_load_balancers_are_hosts_below_the_queues(base: str) -> None:
    target = open_live(environment(KEY), reason="asked", granted=True)
    assert target.balancer_url(base) == base.rstrip("/")


@pytest.mark.parametrize(
    "base",
    [
        "http://4m7x2k9q.api.runpod.ai",
        "https://4m7x2k9q.api.runpod.ai.example.com",
        "https://xapi.runpod.ai",
        "https://example.com/4m7x2k9q.api.runpod.ai",
        "https://example.com?x=.api.runpod.ai",
        "https://example.com#.api.runpod.ai",
        "https://example.com\\.api.runpod.ai",
        "https://user:pw@4m7x2k9q.api.runpod.ai",
        "https://exa\nmple.com/.api.runpod.ai",
        "https://4m7x2k9q.api.runpod.ai:8443",
        "https://4m7x2k9q.api.runpod.ai:port",
        "https://4m7x2k9q\u2024api.runpod.ai",
        "http://127.0.0.1:4000/lb/x",
        "",
    ],
)
def test_the_key_is_sent_to_no_other_host(base: str) -> None:
    target = open_live(environment(KEY), reason="asked", granted=True)
    with pytest.raises(SettingsError, match="API key is not sent there") as caught:
        target.balancer_url(base)
    assert "pw" not in str(caught.value)


def test_the_embedded_runpod_balances_on_its_own_origin_alone() -> None:
    target = embedded("http://127.0.0.1:4000/api", "http://127.0.0.1:4000/queue/v2", "key", "test")
    assert target.balancer_url("http://127.0.0.1:4000/lb/x") == "http://127.0.0.1:4000/lb/x"
    for other in (
        "http://127.0.0.1:4001/lb/x",
        "http://localhost:4000/lb/x",
        "https://x.runpod.ai",
    ):
        with pytest.raises(SettingsError, match="not part of 127"):
            target.balancer_url(other)
