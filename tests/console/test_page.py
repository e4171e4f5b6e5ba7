"""The console's page in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from pytest_flash.events import Event
from tests.console.reported import ended, failed, recorded, started
from tests.console.served import Served, served


@pytest.fixture
def console() -> Iterator[Served]:
    with served() as started_console:
        yield started_console


def row(page: Page, job: str) -> Locator:
    return page.locator(f"[data-job='{job}']")


def now(console: Served, *events: Event) -> None:
    for event in events:
        console.journal.record(recorded(event, at=time.time()))


def test_the_token_opens_the_page_and_leaves_the_address_line(console: Served, page: Page) -> None:
    page.goto(console.url)
    expect(page.locator("body")).to_contain_text("opens with the address")
    page.goto(console.entrance)
    expect(page.get_by_role("heading", name="main:app")).to_be_visible()
    assert page.url == console.url
    page.reload()
    expect(page.locator("#link")).to_have_text("connected")


def test_endpoints_show_configuration_and_workers(console: Served, page: Page) -> None:
    page.goto(console.entrance)
    card = page.locator("[data-endpoint='live-gpu']").first
    expect(card).to_contain_text("ADA_24")
    expect(card.locator(".worker")).to_have_text("idle")
    expect(card.locator(".pill")).to_have_text("warm")
    card.get_by_text("Configuration").click()
    expect(card.locator("dl")).to_contain_text("0 to 3")
    expect(card.locator("dl")).to_contain_text("needs numpy")


def test_a_job_is_followed_from_start_to_traceback_and_run_again(
    console: Served, page: Page
) -> None:
    page.goto(console.entrance)
    expect(page.get_by_text("No remote function was called yet")).to_be_visible()
    now(console, started())
    job = row(page, "1-1")
    expect(job).to_have_attribute("data-status", "RUNNING")
    expect(job.locator(".segment")).to_have_class(re.compile("open"))

    now(console, failed(cold=True))
    expect(job).to_have_attribute("data-status", "FAILED")
    expect(job.locator(".segment.cold")).to_have_count(1)
    expect(job.locator(".segment.run")).to_have_count(1)
    job.get_by_role("button", name="resize").click()
    expect(job.locator("pre.error")).to_contain_text("return 1 / 0")
    expect(job.locator(".detail")).to_contain_text("hello")

    job.get_by_role("button", name="Run again").click()
    expect(job.locator(".said")).to_contain_text("started")
    assert [each.call for each in console.repeated] == [1]


def test_a_refusal_to_run_again_is_shown(console: Served, page: Page) -> None:
    now(console, started(function="gone"), ended(function="gone"))
    page.goto(console.entrance)
    job = row(page, "1-1")
    job.get_by_role("button", name="gone").click()
    job.get_by_role("button", name="Run again").click()
    expect(job.locator(".said")).to_have_text("no such function")


def test_details_that_cannot_be_had_are_not_silently_missing(console: Served, page: Page) -> None:
    now(console, started(), ended())
    page.goto(console.entrance)
    job = row(page, "1-1")
    page.route("**/jobs/*", lambda route: route.abort())
    job.locator("button.row").press("Enter")
    expect(job.locator(".detail")).to_have_text(re.compile("close this job and open it again"))
    page.unroute("**/jobs/*")
    for _ in range(2):
        job.locator("button.row").press("Enter")
    expect(job.get_by_role("button", name="Run again")).to_be_visible()


def test_texts_are_shown_as_they_are(console: Served, page: Page) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    now(
        console, started(function=evil, input=evil), failed(error=evil, traceback=evil, stdout=evil)
    )
    page.goto(console.entrance)
    job = row(page, "1-1")
    job.locator("button.row").press("Enter")
    expect(job.locator("pre.error")).to_have_text(evil)
    expect(job.locator(".name")).to_have_text(evil)
    assert page.locator("main img, main script").count() == 0


def test_the_newest_job_comes_first_and_forgotten_ones_go(console: Served, page: Page) -> None:
    page.goto(console.entrance)
    now(console, *(event for call in (1, 2, 3) for event in (started(call), ended(call))))
    expect(page.locator("#jobs > li")).to_have_count(3)
    assert page.locator("#jobs > li").first.get_attribute("data-job") == "1-3"
    now(console, *(event for call in range(4, 203) for event in (started(call), ended(call))))
    expect(row(page, "1-202")).to_be_visible()
    expect(page.locator("#jobs > li")).to_have_count(200)
    expect(row(page, "1-1")).to_have_count(0)
