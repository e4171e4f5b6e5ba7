"""The console over HTTP: who is let in, and what it answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pytest_flash.console.access import HEADER
from pytest_flash.console.app import WithoutConsole
from pytest_flash.console.token import ConsoleAccess
from pytest_flash.errors import SettingsError
from tests.console.reported import ended, failed, recorded, started
from tests.console.served import Served, served


@pytest.fixture
def console() -> Iterator[Served]:
    with served() as started_console:
        yield started_console


@pytest.fixture
def browser(console: Served) -> Iterator[httpx.Client]:
    """A client that came through the address on the terminal."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        client.get(console.entrance, follow_redirects=True).raise_for_status()
        yield client


def events(stream: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in stream.iter_lines():
        key, _, value = line.partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


def test_everything_else_is_the_apps(console: Served) -> None:
    for path in ("/", "/__flash", "/__flash__x", "/x/__flash__"):
        assert httpx.get(console.server.url + path, trust_env=False).text == "the app"


def test_the_token_becomes_a_cookie_and_leaves_the_address(console: Served) -> None:
    answer = httpx.get(console.entrance, trust_env=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == console.access.path
    cookie = answer.headers["set-cookie"]
    assert f"Path={console.access.path}" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert f"flash-console-{console.server.port}=" in cookie


def test_the_page_and_its_parts_come_with_the_cookie(
    console: Served, browser: httpx.Client
) -> None:
    page = browser.get(console.url)
    assert page.headers["content-type"].startswith("text/html")
    assert console.access.token not in page.text
    for name in ("console.css", "console.js", "icon.svg"):
        assert f'"{console.access.path}/{name}"' in page.text
        assert browser.get(f"{console.url}/{name}").status_code == 200
    assert browser.get(f"{console.url}/other.js").status_code == 404
    assert browser.get(f"{console.url}/../secret").status_code in (200, 404)


@pytest.mark.parametrize("path", ["", "/console.js", "/events", "/jobs/1-1", "/nowhere"])
def test_without_the_token_nothing_is_shown(console: Served, path: str) -> None:
    for query in ("", "?token=", "?token=wrong", f"?token={console.access.token[:-1]}"):
        answer = httpx.get(console.url + path + query, trust_env=False)
        assert answer.status_code == 403
        assert "flash run" in answer.text
    wrong = {f"flash-console-{console.server.port}": "wrong"}
    assert httpx.get(console.url + path, cookies=wrong, trust_env=False).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8888"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Real-IP": "203.0.113.9"},
        {"Forwarded": 'proto=http;for="[2001:db8::1]:4711"'},
        {"Forwarded": "for=127.0.0.1, For=203.0.113.9:80;by=127.0.0.1"},
        {"Forwarded": "for=_hidden"},
    ],
)
def test_foreign_requests_are_refused_even_with_the_cookie(
    console: Served, browser: httpx.Client, headers: dict[str, str]
) -> None:
    assert browser.get(console.url, headers=headers).status_code == 403
    assert browser.get(console.entrance, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Real-IP": "::1"},
        {"Forwarded": 'for="[::1]:80";proto=https, for=127.0.0.1'},
    ],
)
def test_a_proxy_may_ask_for_somebody_on_this_machine(
    console: Served, browser: httpx.Client, headers: dict[str, str]
) -> None:
    assert browser.get(console.url, headers=headers).status_code == 200


def test_a_link_elsewhere_may_lead_to_the_entrance(console: Served) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = httpx.get(console.entrance, headers=headers, trust_env=False)
    assert answer.status_code == 303


def test_a_job_is_run_again_by_the_page_alone(console: Served, browser: httpx.Client) -> None:
    console.journal.record(recorded(started()))
    url = f"{console.url}/jobs/1-1/again"
    own = {"Origin": console.server.url, HEADER: "1"}
    for refused in ({}, {"Origin": console.server.url}, {HEADER: "1"}, {**own, "Origin": "null"}):
        assert browser.post(url, headers=refused).status_code == 403
    assert httpx.post(url, headers=own, trust_env=False).status_code == 403
    assert browser.get(url, headers=own).status_code == 405
    assert console.repeated == []

    assert browser.post(url, headers=own).status_code == 202
    assert [job.call for job in console.repeated] == [1]


def test_a_job_that_cannot_run_again_says_why(console: Served, browser: httpx.Client) -> None:
    console.journal.record(recorded(started(function="gone")))
    own = {"Origin": console.server.url, HEADER: "1"}
    refused = browser.post(f"{console.url}/jobs/1-1/again", headers=own)
    assert (refused.status_code, refused.json()) == (409, {"error": "no such function"})
    unknown = browser.post(f"{console.url}/jobs/9-9/again", headers=own)
    assert unknown.status_code == 404


def test_a_job_is_shown_whatever_it_printed(console: Served, browser: httpx.Client) -> None:
    for event in (started(), ended(stdout="half a pair: \ud800\n", output="'\udc80'")):
        console.journal.record(recorded(event))
    shown = browser.get(f"{console.url}/jobs/1-1").json()
    assert (shown["logs"], shown["output"]) == ("half a pair: \ud800\n", "'\udc80'")


def test_every_answer_is_locked_up(console: Served, browser: httpx.Client) -> None:
    answers = [
        browser.get(console.url),
        browser.get(f"{console.url}/console.js"),
        httpx.get(console.url, trust_env=False),
        httpx.get(console.entrance, trust_env=False),
        httpx.options(console.url, headers={"Origin": "http://evil.example"}, trust_env=False),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_stream_tells_everything_and_then_what_changes(
    console: Served, browser: httpx.Client
) -> None:
    console.journal.record(recorded(started(1)))
    with browser.stream("GET", f"{console.url}/events") as stream:
        told = events(stream)
        name, state = next(told)
        assert (name, state["app"], state["target"]["kind"]) == ("overview", "main:app", "emulator")
        name, jobs = next(told)
        assert (name, jobs["ids"]) == ("jobs", ["1-1"])
        assert jobs["rows"][0]["status"] == "RUNNING"

        console.journal.record(recorded(started(2)))
        console.journal.record(recorded(failed(1)))
        rows: dict[str, str] = {}
        workers = None
        while rows.get("1-1") != "FAILED" or "1-2" not in rows or workers is None:
            name, value = next(told)
            if name == "jobs":
                rows.update({row["id"]: row["status"] for row in value["rows"]})
            else:
                workers = value["endpoints"][0]["workers"]
        assert workers[0]["status"] == "IDLE"
        assert rows["1-2"] == "RUNNING"

    details = browser.get(f"{console.url}/jobs/1-1").json()
    assert "ZeroDivisionError" in details["traceback"]


def test_closing_ends_the_streams(console: Served, browser: httpx.Client) -> None:
    with browser.stream("GET", f"{console.url}/events") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        console.console.close()
        for _ in lines:
            pass  # Ends, or the client's deadline raises.


@pytest.mark.parametrize(
    "path", ["", "/", "x", "/x/", "//x", "/../x", "/a b", "/{x}", "/x?y", "/é"]
)
def test_a_path_that_cannot_be_served_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match="console path"):
        ConsoleAccess(path)


@pytest.mark.parametrize(
    ("app", "base"),
    [
        ("http://localhost:8888", "http://localhost:8888"),
        ("http://192.0.2.7:80", "http://192.0.2.7:80"),
        ("http://0.0.0.0:8888", "http://localhost:8888"),
        ("http://[::]:8888", "http://localhost:8888"),
        ("http://[::1]:8888", "http://[::1]:8888"),
    ],
)
def test_the_address_of_the_console_works_on_this_machine(app: str, base: str) -> None:
    assert ConsoleAccess("/x", "t").url(app) == f"{base}/x?token=t"


def test_the_access_log_is_the_apps(console: Served) -> None:
    lines = WithoutConsole("/__flash__")

    def logged(target: str) -> bool:
        arguments = ("127.0.0.1:1", "GET", target, "1.1", 200)
        return lines.filter(logging.LogRecord("uvicorn.access", 20, "", 1, "", arguments, None))

    assert logged("/process?x=/__flash__")
    assert logged("/__flash__x")
    assert not logged(f"/__flash__?token={console.access.token}")
    assert not logged("/__flash__/events")
