"""What the report of a failed test says, and the summary of a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

Passes = Callable[..., None]

APP = """\
import asyncio
from fastapi import FastAPI
from pytest_flash import CpuLiveServerless, LiveServerless, remote

app = FastAPI()
quick = LiveServerless(name="gpu", executionTimeoutMs=5_000)

@remote(quick)
def double(x):
    return x * 2

@remote(CpuLiveServerless(name="cpu"))
def divide(a, b):
    print("about to divide \\ud800")
    return a / b

@remote(quick)
def linger():
    import time
    print("lingering", flush=True)
    time.sleep(600)

@app.get("/double/{x}")
async def doubled(x: int):
    return await double(x)

@app.get("/divide/{a}/{b}")
async def divided(a: int, b: int):
    return await divide(a, b)

@app.get("/broken")
def broken():
    return {}["nothing"]

@app.get("/linger")
async def lingering():
    return await linger()

@app.get("/asleep")
async def asleep():
    await asyncio.sleep(600)
"""


@pytest.fixture(autouse=True)
def app(project: Any) -> None:
    """An app that can fail in several ways."""
    project.write("main.py", APP)


def report(result: pytest.RunResult) -> str:
    return "\n".join([*result.outlines, *result.errlines])


def sections(result: pytest.RunResult) -> dict[str, str]:
    """The parts of the report that are ours, by title."""
    parts = re.split(r"\n-{2,} (flash: .+?) -{2,}\n", report(result))
    bodies = (re.split(r"\n(?:-{2,} |={2,} |_{2,} )", body)[0] for body in parts[2::2])
    return dict(zip(parts[1::2], bodies, strict=True))


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_a_500_shows_the_apps_traceback_and_the_workers(
    project: Any, passes: Passes, workers: tuple[str, ...]
) -> None:
    project.write(
        "test_app.py",
        "def test_it(flash_client):\n"
        "    assert flash_client.get('/divide/1/0').status_code == 200\n",
    )
    result = project.pytest(*workers)
    passes(result, failed=1)
    found = sections(result)
    names = list(found)
    main = project.folder / "main.py"

    assert names[0] == "flash: the app raised (GET /divide/1/0)"
    assert f'File "{main}", line {line("await divide(a, b)")}, in divided' in found[names[0]]
    assert "site-packages" not in found[names[0]]
    assert "pytest_flash/" not in found[names[0]]
    assert names[1] == "flash: jobs of this test"
    assert re.search(r"divide +live-cpu +FAILED +\d+ ms +\d+ ms +\w+ +cold", found[names[1]])
    assert re.fullmatch(r"flash: divide \(job \S+\) failed", names[2])
    assert f'File "{main}", line {line("return a / b")}, in divide' in found[names[2]]
    assert "return a / b" in found[names[2]]
    assert "ZeroDivisionError" in found[names[2]]
    assert re.fullmatch(r"flash: output of divide \(job \S+\)", names[3])
    # No encoding has that character, and xdist ends a run whose reports hold it.
    assert found[names[3]] == r"about to divide \ud800"


def line(text: str) -> int:
    """The line of the app with ``text``."""
    return next(n for n, each in enumerate(APP.splitlines(), 1) if text in each)


def test_an_exception_of_the_app_alone(project: Any) -> None:
    project.write(
        "test_app.py",
        "def test_it(flash_client):\n    assert flash_client.get('/broken').status_code == 200\n",
    )
    found = sections(project.pytest())
    assert list(found) == ["flash: the app raised (GET /broken)"]
    assert "KeyError: 'nothing'" in found["flash: the app raised (GET /broken)"]


def test_tests_that_pass_or_fail_by_themselves_show_nothing(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        "def test_passes(flash_client):\n"
        "    assert flash_client.get('/divide/1/0').status_code == 500\n"
        "def test_fails(flash_client):\n    assert False\n",
    )
    result = project.pytest()
    passes(result, passed=1, failed=1)
    assert sections(result) == {}


def test_what_a_handler_raises_later_is_in_no_other_report(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        "import httpx, pytest\n"
        "def test_gives_up(flash_client):\n"
        "    flash_client.get('/double/1')\n"
        "    with pytest.raises(httpx.ReadTimeout):\n"
        "        flash_client.get('/linger', timeout=1)\n"
        "    with pytest.raises(httpx.ReadTimeout):\n"
        "        flash_client.get('/asleep', timeout=0.1)\n"
        "def test_next(flash_client):\n"
        "    flash_client.get('/double/1')\n"
        "    import time; time.sleep(0.5)\n"
        "    assert False\n",
    )
    result = project.pytest()
    passes(result, passed=1, failed=1)
    assert list(sections(result)) == ["flash: jobs of this test"]
    assert not re.search("Captured log (setup|call)", report(result))


def test_what_is_too_much_is_left_out(project: Any, passes: Passes) -> None:
    project.write(
        "main.py",
        APP + "\n@remote(quick)\ndef loud():\n    print('first')\n    print('x' * 100_000)\n"
        "    print('last')\n    raise ValueError('y' * 100_000)\n"
        "@app.get('/much')\nasync def much():\n    await loud()\n",
    )
    project.write(
        "test_app.py",
        "def test_it(flash_client):\n    assert flash_client.get('/much').status_code == 200\n",
    )
    result = project.pytest()
    passes(result, failed=1)
    found = sections(result)
    assert len(found) == 4
    assert all(len(text) < 21_000 for text in found.values())
    raised = found["flash: the app raised (GET /much)"]
    assert "await loud()" in raised
    assert re.search(r"\n\.\.\. \d+,\d+ characters \.\.\.\n", raised)
    (output,) = (text for title, text in found.items() if "output of" in title)
    assert output.startswith("... ")
    assert output.endswith("last")


def test_frames_of_the_framework_are_left_out(project: Any, passes: Passes) -> None:
    project.write(
        "main.py",
        APP + "\n@app.middleware('http')\nasync def around(request, call_next):\n"
        "    return await call_next(request)\n"
        "@app.get('/both')\nasync def both():\n    if not hasattr(asyncio, 'TaskGroup'):\n"
        "        return await divide(1, 0)\n"
        "    async with asyncio.TaskGroup() as group:\n        group.create_task(divide(1, 0))\n",
    )
    project.write(
        "test_app.py",
        "def test_it(flash_client):\n    assert flash_client.get('/broken').status_code == 200\n"
        "def test_both(flash_client):\n    assert flash_client.get('/both').status_code == 200\n"
        "def test_hangs(flash_client):\n    flash_client.get('/asleep', timeout=1.5)\n",
    )
    result = project.pytest()
    passes(result, failed=3)
    raised = sections(result)["flash: the app raised (GET /broken)"]
    assert "in around" in raised
    assert "in broken" in raised
    assert "site-packages" not in raised
    both = sections(result)["flash: the app raised (GET /both)"]
    assert "return a / b" in both
    assert "pytest_flash" not in both
    where = f"{project.folder / 'main.py'}:{line('await asyncio.sleep')} in asleep"
    assert f"a task of the app: {where}" in report(result)


def test_a_background_task_that_fails_is_told(project: Any, passes: Passes) -> None:
    project.write(
        "main.py",
        APP + "\nfrom fastapi import BackgroundTasks\n"
        "@app.post('/later')\ndef later(tasks: BackgroundTasks):\n"
        "    tasks.add_task(divide, 1, 0)\n",
    )
    project.write(
        "test_app.py",
        "def test_it(flash_client):\n"
        "    flash_client.get('/divide/1/1')\n"
        "    assert flash_client.post('/later').status_code == 201\n",
    )
    result = project.pytest()
    passes(result, failed=1)
    assert "ZeroDivisionError" in sections(result)["flash: the app raised (POST /later)"]


def test_a_client_that_times_out_is_told_where_it_hangs(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        "import pathlib\n"
        "def test_it(flash_client):\n    flash_client.get('/double/1')\n"
        "    flash_client.get('/linger', timeout=2)\n"
        "def test_asleep(flash_client):\n    flash_client.get('/asleep', timeout=1.5)\n",
    )
    result = project.pytest()
    passes(result, failed=2)
    assert "httpx.ReadTimeout" in report(result)
    hang, asleep = re.findall(
        r"-{2,} flash: still under way -{2,}\n(.+?)\n[_=]{2,}", report(result), re.S
    )
    main = project.folder / "main.py"

    assert re.search(r"linger on live-gpu: job \S+ is IN_PROGRESS, [\d.]+ s old", hang)
    assert "endpoint live-gpu: jobs: 1 completed, 1 inProgress; workers: 1 running" in hang
    assert re.search(r"worker \w+: RUNNING, process \d+", hang)
    # The job's, as far as it was heard, and its worker's.
    assert hang.count("  its last line: lingering\n") == 2
    assert f'File "{main}", line {line("time.sleep")} in linger' in hang
    assert "bootstrap" not in hang
    assert re.search(r"GET /linger: for [\d.]+ s", hang)
    assert f"{main}:{line('await linger()')} in lingering: return await linger()" in hang
    # The handler of the first test has ended, with its job.
    assert "linger" not in asleep
    assert f"{main}:{line('await asyncio.sleep')} in asleep" in asleep


def test_output_of_a_job_that_was_ended_is_told(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        "import asyncio\nimport main\n"
        "def test_it(flash_endpoints):\n    asyncio.run(main.linger())\n",
    )
    result = project.pytest()
    passes(result, failed=1)
    (output,) = (body for title, body in sections(result).items() if "output of linger" in title)
    assert output == "lingering"


def test_output_is_read_as_it_comes_by_those_who_capture_none(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        "import asyncio\nimport main\nimport pathlib\n"
        "def test_first(flash_endpoints):\n    asyncio.run(main.says('a'))\n"
        "def test_second(flash_endpoints):\n"
        "    asyncio.run(main.says('b'))\n    assert 0\n",
    )
    project.write(
        "main.py",
        APP + "@remote(quick)\ndef says(text):\n    import time\n    print(text)\n"
        "    time.sleep(2)\n    print('then', text)\n",
    )
    result = project.pytest("-s", "-v")
    passes(result, passed=1, failed=1)
    text = report(result)
    first, second = text.split("test_app.py::test_second", 1)
    assert re.findall(r"says #1 \| (.*)", first) == ["a", "then a"]
    assert "says #1" not in second
    assert re.findall(r"says #2 \| (.*)", second) == ["b", "then b"]
    assert "flash: output of" not in text


def test_an_event_loop_that_is_blocked_is_told(project: Any, passes: Passes) -> None:
    project.write(
        "main.py",
        APP + "\n@app.get('/block')\nasync def block():\n    import time\n    time.sleep(600)\n",
    )
    project.write(
        "test_app.py",
        "import httpx, pytest\n"
        "def test_blocks(flash_client):\n"
        "    with pytest.raises(httpx.ReadTimeout):\n"
        "        flash_client.get('/block', timeout=0.5)\n"
        "def test_next(flash_client):\n    flash_client.get('/double/1', timeout=0.5)\n",
    )
    result = project.pytest()
    passes(result, passed=1, failed=1, errors=1)
    main = project.folder / "main.py"
    number = len(main.read_text().splitlines())
    where = f"the app's event loop is blocked: {main}:{number} in block: time.sleep(600)"
    assert where in sections(result)["flash: still under way"]
    assert "the app's server did not stop within 10 s" in report(result)
    assert report(result).count(where) >= 2


def test_a_call_without_an_end_is_cut_and_told(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        "import asyncio\nimport main\n"
        "def test_it(flash_endpoints, flash_emulator):\n"
        "    flash_emulator.no_capacity()\n"
        "    asyncio.run(main.double(1))\n",
    )
    result = project.pytest("--flash-startup-timeout=3")
    passes(result, failed=1)
    text = report(result)
    assert "no result within 8 s, which is the function's limit of 5 s and 3 s to start" in text
    assert re.search(r"double on live-gpu: job \S+ is IN_QUEUE", text)
    assert "1 throttled" in text


def test_an_error_at_setup_explains_itself_too(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        "import pytest\n@pytest.fixture\ndef broken(flash_client):\n"
        "    flash_client.get('/broken').raise_for_status()\n"
        "def test_it(broken):\n    pass\n",
    )
    result = project.pytest()
    passes(result, errors=1)
    assert "flash: the app raised (GET /broken)" in sections(result)


def test_the_summary_tells_what_was_provisioned_and_run(project: Any) -> None:
    project.write(
        "test_app.py",
        "def test_it(flash_client):\n"
        "    for x in range(3):\n        flash_client.get(f'/double/{x}')\n"
        "    flash_client.get('/divide/1/0')\n",
    )
    text = report(project.pytest())
    assert re.search(r"={2,} flash ={2,}\nlive-cpu: created in [\d.]+ s\nlive-gpu: created", text)
    assert re.search(r"4 jobs, 1 failed, 2 cold starts; slowest: (double|divide), [\d.]+ s", text)
    assert "compute" not in text


def test_the_summary_tells_what_it_cost_live(project: Any, variables: dict[str, str]) -> None:
    project.write(
        "test_app.py",
        "def test_it(flash_client):\n    flash_client.get('/double/1')\n",
    )
    text = report(project.pytest("--flash-live", "--flash-keep", **variables))
    assert re.search(r"live-gpu: created in [\d.]+ s, kept", text)
    assert re.search(r"[\d.]+ s of compute on any GPU \(live-gpu\), (about|less than) \$\d", text)
    text = report(project.pytest("--flash-live", **variables))
    assert re.search(r"live-gpu: reused in [\d.]+ s, deleted", text)


def test_there_is_no_summary_where_nothing_was_provisioned(project: Any) -> None:
    project.write("test_app.py", "def test_it(flash_config):\n    pass\n")
    assert " flash " not in report(project.pytest())
