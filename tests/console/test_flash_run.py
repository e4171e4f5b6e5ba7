"""The console of a real ``flash run``, in a real browser."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from pytest_flash.console.access import HEADER
from pytest_flash.settings import API_KEY
from tests.support.runs.flash_run import FlashRun, StartRun, starting
from tests.support.runs.saving import save
from tests.support.runs.shared_run import SharedRun, sharing
from tests.support.system.processes import wait_gone, wait_until

_APP = """\
import time
from pathlib import Path

from fastapi import FastAPI
from pytest_flash import LiveServerless, remote

app = FastAPI()


@remote(LiveServerless(name="shop", workersMax=1, idleTimeout=600))
def wait_for(file: str) -> str:
    print("waiting for", file)
    deadline = time.monotonic() + 60
    while not Path(file).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return "seen"


@remote(LiveServerless(name="shop", workersMax=1, idleTimeout=600))
def divide(by: int) -> float:
    return 84 / by


@app.get("/wait")
async def wait(file: str) -> str:
    return await wait_for(file)


@app.get("/divide")
async def division(by: int) -> float:
    return await divide(by=by)
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    """A server whose app believes every proxy."""
    trusting = {"FORWARDED_ALLOW_IPS": "*"}
    with sharing(tmp_path_factory.mktemp("shared"), environment=trusting) as served:
        yield served


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRun]:
    """A server that prints little, with its console elsewhere."""
    options = ("--quiet", "--console-path", "/dev/console")
    with sharing(tmp_path_factory.mktemp("quiet"), *options, first=_APP) as served:
        yield served


@pytest.fixture(scope="module")
def without_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlashRun]:
    folder = tmp_path_factory.mktemp("without_console")
    (folder / "main.py").write_text(_APP)
    with starting(tmp_path_factory.mktemp("log")) as start:
        yield start("--no-console", cwd=folder)


def console_of(run: FlashRun) -> str:
    """The address on the terminal that opens the console."""
    return "http://" + run.log.read_text().partition("console http://")[2].split()[0]


def generation(http: httpx.Client, run: FlashRun) -> int:
    return int(http.get(f"{run.url}/openapi.json").headers["X-Flash-Generation"])


def bring_up(http: httpx.Client, run: FlashRun, main: Path, source: str) -> int:
    """Save; the generation of the new code, once it serves."""
    before = generation(http, run)
    save(main, source)
    wait_until(lambda: generation(http, run) > before, 60, "the new code")
    return generation(http, run)


def test_a_day_at_the_console(
    shared: SharedRun, http: httpx.Client, page: Page, tmp_path: Path
) -> None:
    run = shared.begin()
    first = bring_up(http, run, shared.main, _APP)
    page.goto(console_of(run))
    endpoint = page.locator("article[data-endpoint='live-shop']")
    expect(endpoint).to_contain_text("wait_for()")
    expect(endpoint.locator(".pill")).to_have_text("lazy")
    listed = page.locator("#jobs > li")

    # A job while it runs.
    seen = tmp_path / "seen"
    asking = threading.Thread(
        target=lambda: http.get(f"{run.url}/wait", params={"file": str(seen)})
    )
    asking.start()
    expect(listed).to_have_attribute("data-status", "RUNNING")
    expect(endpoint.locator(".worker")).to_have_text("running")
    seen.touch()
    expect(listed).to_have_attribute("data-status", "COMPLETED")
    asking.join(60)
    expect(endpoint.locator(".pill")).to_have_text("warm")

    # One that fails, with its traceback.
    assert http.get(f"{run.url}/divide", params={"by": 0}).status_code == 500
    expect(listed).to_have_count(2)
    failed = listed.first
    expect(failed).to_have_attribute("data-status", "FAILED")
    failed.locator("button.row").press("Enter")
    expect(failed.locator("pre.error")).to_contain_text("return 84 / by")
    expect(failed.locator("pre.error")).to_contain_text("ZeroDivisionError")
    expect(failed.locator(".detail")).to_contain_text("by=0")

    # Again, with the same arguments, and the same end.
    failed = page.locator(f"[data-job='{failed.get_attribute('data-job')}']")
    failed.get_by_role("button", name="Run again").click()
    expect(listed).to_have_count(3)
    expect(listed.first).to_have_attribute("data-status", "FAILED")

    # New code: the page stays, and so does what it shows; the same job now runs the new code.
    save(shared.main, _APP.replace("84 / by", "84 / (by + 2)"))
    expect(page.locator("#generation")).not_to_have_text(f"generation {first}")
    expect(page.locator("#link")).to_have_text("connected")
    expect(listed).to_have_count(3)
    failed.get_by_role("button", name="Run again").click()
    expect(listed).to_have_count(4)
    expect(listed.first).to_have_attribute("data-status", "COMPLETED")
    expect(listed.first).to_contain_text("42.0")

    # Broken code is shown, and the console stays.
    save(shared.main, _APP + "\nsurprise!\n")
    expect(page.locator("#broken")).to_contain_text("SyntaxError")
    page.reload()
    expect(page.locator("#broken")).to_contain_text(re.compile(r"main\.py:\d+"))
    expect(listed).to_have_count(4)
    failed = page.locator(f"[data-job='{failed.get_attribute('data-job')}']")
    failed.locator("button.row").press("Enter")
    failed.get_by_role("button", name="Run again").click()
    expect(failed.locator(".said")).to_contain_text("broken")
    save(shared.main, _APP)
    expect(page.locator("#broken")).to_be_hidden()


_CLASS = """\
from fastapi import FastAPI
from pytest_flash import LiveServerless, remote

app = FastAPI()
FACTOR = 2


class Amount:
    def __init__(self, value: int) -> None:
        self.value = value


@remote(LiveServerless(name="shop", workersMax=1, idleTimeout=600))
class Multiplier:
    def __init__(self, base: int) -> None:
        self.base = base

    def times(self, amount: Amount) -> int:
        return self.base * amount.value * FACTOR


@app.get("/times")
async def times(by: int) -> int:
    return await Multiplier(10).times(Amount(by))
"""


def test_running_again_uses_the_code_as_it_is_now(quiet: SharedRun, http: httpx.Client) -> None:
    run = quiet.begin()
    first = bring_up(http, run, quiet.main, _CLASS)
    console = f"{run.url}/dev/console"
    http.get(console_of(run), follow_redirects=True).raise_for_status()
    assert http.get(f"{run.url}/times", params={"by": 3}).json() == 60

    def again(job: str) -> None:
        headers = {"Origin": run.url, HEADER: "1"}
        answer = http.post(f"{console}/jobs/{first}-{call}/again", headers=headers)
        assert answer.status_code == 202, answer.text
        wait_until(lambda: shown(job).get("status") == "COMPLETED", 60, f"job {job}")

    def shown(job: str) -> Any:
        return http.get(f"{console}/jobs/{job}").json()

    # Calls are numbered through all tests of this run.
    call = next(each for each in range(1, 100) if "function" in shown(f"{first}-{each}"))
    assert shown(f"{first}-{call}")["function"] == "Multiplier.times"
    again(f"{first}-{call + 1}")
    assert shown(f"{first}-{call + 1}")["output"] == "60"

    second = bring_up(http, run, quiet.main, _CLASS.replace("FACTOR = 2", "FACTOR = 5"))
    again(f"{second}-{call + 2}")
    assert shown(f"{second}-{call + 2}")["output"] == "150"

    bring_up(http, run, quiet.main, _CLASS.replace("Multiplier", "Product"))
    headers = {"Origin": run.url, HEADER: "1"}
    refused = http.post(f"{console}/jobs/{first}-{call}/again", headers=headers)
    assert refused.status_code == 409
    assert "no remote function Multiplier.times" in refused.json()["error"]


def test_on_runpod_the_console_says_that_it_costs_and_keeps_the_key_to_itself(
    flash_run: StartRun,
    http: httpx.Client,
    tmp_path: Path,
    page: Page,
    variables: dict[str, str],
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "main.py").write_text(_APP)
    run = flash_run("--live", cwd=folder, environment=variables)
    url = run.url
    page.goto(console_of(run))
    expect(page.locator("#target")).to_have_text("Runpod, billed")
    assert http.get(f"{url}/divide", params={"by": 2}).json() == 42
    job = page.locator("#jobs > li")
    job.locator("button.row").press("Enter")
    button = job.get_by_role("button", name="Run again on Runpod")
    expect(button).to_be_enabled()
    seen = [page.content(), page.evaluate("document.cookie"), run.output]
    seen += [http.get(console_of(run), follow_redirects=True).text]
    seen += [http.get(f"{url}/__flash__/jobs/1-1").text]
    assert not [text for text in seen if variables[API_KEY] in text]


def test_the_token_is_printed_once_and_logged_nowhere(
    shared: SharedRun, http: httpx.Client
) -> None:
    run = shared.begin()
    entrance = console_of(run)
    assert http.get(entrance, follow_redirects=True).status_code == 200
    assert http.get(f"{run.url}/?asked").status_code == 200
    run.wait_for('GET /?asked HTTP/1.1" 200')
    printed = run.log.read_text()
    assert printed.count(entrance.partition("token=")[2]) == 1
    assert "GET /__flash__" not in printed


def test_a_mistyped_path_gives_the_token_to_nobody(shared: SharedRun, http: httpx.Client) -> None:
    run = shared.begin()
    app = (
        "from fastapi import FastAPI, Request\napp = FastAPI()\n"
        "@app.get('/{path:path}')\n"
        "def index(request: Request, path: str):\n    return request.url.query\n"
    )
    bring_up(http, run, shared.main, app)
    query = console_of(run).partition("?")[2]
    asked = f"{run.url}/__flsh__?a=1&{query}&b=%20"
    assert http.get(asked).json() == "a=1&b=%20"
    run.wait_for('GET /__flsh__?a=1&b=%20 HTTP/1.1" 200')
    assert run.log.read_text().count(query) == 1  # The start screen.


def own_address() -> str:
    """An address of this machine that is not a loopback one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Nothing is sent.
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = str(probe.getsockname()[0])
    if ip_address(address).is_loopback:
        pytest.skip("this machine has no address but loopback")
    return address


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}],
    ids=["plain", "x-forwarded-for", "forwarded"],
)
def test_another_machine_cannot_call_itself_this_one(
    shared: SharedRun, headers: dict[str, str]
) -> None:
    run = shared.begin()
    parts = urlsplit(console_of(run))
    elsewhere = httpx.HTTPTransport(local_address=own_address())
    with httpx.Client(transport=elsewhere) as client:
        # To loopback, from what is neither that nor the address that is served on.
        url = parts._replace(netloc=f"127.0.0.1:{parts.port}").geturl()
        headers = {"Host": f"localhost:{parts.port}", **headers}
        assert client.get(url, headers=headers).status_code == 403
        # The app is told what the proxy says, as by uvicorn.
        assert client.get(f"http://127.0.0.1:{parts.port}/", headers=headers).status_code == 200
        if "X-Forwarded-For" in headers:
            run.wait_for('127.0.0.1:0 - "GET / HTTP/1.1" 200')


def test_there_is_no_console_where_none_is_wanted(
    without_console: FlashRun, http: httpx.Client
) -> None:
    assert http.get(f"{without_console.url}/__flash__").status_code == 404
    assert "console" not in without_console.output


def test_the_console_can_be_elsewhere(quiet: SharedRun, http: httpx.Client) -> None:
    run = quiet.begin()
    entrance = console_of(run)
    assert "/dev/console?token=" in entrance
    assert http.get(entrance, follow_redirects=True).status_code == 200
    assert http.get(f"{run.url}/__flash__").status_code == 404


def test_a_remote_failure_is_printed_once(without_console: FlashRun, http: httpx.Client) -> None:
    run = without_console
    url = run.url
    run.turn_page()
    assert http.get(f"{url}/divide", params={"by": 0}).status_code == 500
    run.wait_for("/divide?by=0 HTTP/1.1")
    # By the job and by the log.
    last = "ZeroDivisionError: division by zero"
    wait_until(lambda: run.output.count(last) == 2, 60, "both to be printed")
    assert "await divide(by=by)" in run.output
    assert run.output.count("return 84 / by") == 1
    assert re.search(r"job divide #\d+ on live-shop: failed", run.output)


def test_output_is_prefixed_with_function_and_job(
    without_console: FlashRun, http: httpx.Client, tmp_path: Path
) -> None:
    run = without_console
    file = tmp_path / "seen"
    file.touch()
    assert http.get(f"{run.url}/wait", params={"file": str(file)}).json() == "seen"
    run.wait_for(f"waiting for {file}")
    run.wait_for("job wait_for #")
    assert re.search(rf"^\w+ #\d+ \| waiting for {file}$", run.output, re.MULTILINE)
    assert run.output.count(f"waiting for {file}") == 1


def test_quiet_prints_addresses_and_failures_alone(quiet: SharedRun, http: httpx.Client) -> None:
    run = quiet.begin()
    assert " at http://" in quiet.first_output
    bring_up(http, run, quiet.main, _APP)
    assert http.get(f"{run.url}/divide", params={"by": 2}).json() == 42
    assert http.get(f"{run.url}/divide", params={"by": 0}).status_code == 500
    run.wait_for("ZeroDivisionError")
    assert "completed" not in run.output
    assert '" 200' not in run.output


# The last, since it ends the run.
def test_an_open_page_holds_up_neither_reload_nor_end(
    shared: SharedRun, http: httpx.Client, page: Page
) -> None:
    run = shared.begin()
    page.goto(console_of(run))
    expect(page.locator("#link")).to_have_text("connected")
    bring_up(http, run, shared.main, _APP)
    tree = run.tree()
    run.process.terminate()
    assert run.wait() == 0
    wait_gone(tree, 60)
    expect(page.locator("#link")).to_have_text("reconnecting")
