"""A real browser, where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_MILLISECONDS = 60_000


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium of the system; Playwright's own would have to be downloaded.

    Not for the session: while it lives, an event loop runs in this thread, and no test may start
    another.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    # Its sandbox refuses to run as root, which is what containers run tests as.
    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    # It would write into the home of whoever runs this.
    home = str(tmp_path_factory.mktemp("chromium"))
    environment: dict[str, str | float | bool] = {
        **os.environ,
        "HOME": home,
        "XDG_CONFIG_HOME": home,
        "XDG_CACHE_HOME": home,
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments, env=environment)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Tab:
    """A page for one test after another, and what it had to complain about."""

    page: Page
    complaints: list[str]


@pytest.fixture(scope="module")
def tab(chromium: Browser) -> Iterator[Tab]:
    """A script's error, or anything that the policy refuses, is a complaint."""
    expect.set_options(timeout=_MILLISECONDS)
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(_MILLISECONDS)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type == "error" and "Content Security Policy" in message.text
            else None
        ),
    )
    yield Tab(opened, complaints)
    context.close()


@pytest.fixture
def page(tab: Tab) -> Iterator[Page]:
    """An empty page without cookies; a complaint fails the test."""
    tab.complaints.clear()
    yield tab.page
    complaints = list(tab.complaints)
    tab.page.goto("about:blank")
    tab.page.context.clear_cookies()
    assert complaints == []
