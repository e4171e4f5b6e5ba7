"""What the report of a failed test says, and the summary of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.plugin import failing
from tests.support.downstream import NewProject, Project
from tests.support.innerrun import InnerRun, text

# Of a run that goes on beside others.
Result = Callable[[], InnerRun]


@pytest.fixture(scope="module")
def app(shared_project: Project) -> Path:
    """The file of an app that can fail in several ways."""
    return failing.write_app(shared_project).folder / "main.py"


@pytest.fixture(scope="module")
def alone(shared_project: Project, app: Path) -> InnerRun:
    """A run of tests that fail in several ways."""
    shared_project.write("framed.py", failing.FRAMED_APP)
    sources = {
        "test_divides": failing.DIVIDES,  # First, since it tells a cold start.
        "test_lingers": failing.HANGS,
        "test_broken": failing.BROKEN,
        "test_silent": failing.SILENT,
        "test_gives_up": failing.GIVES_UP,
        "test_loud": failing.LOUD,
        "test_later": failing.LATER,
        "test_setup": failing.SETUP,
        "test_framed": failing.FRAMED,
    }
    for name, source in sources.items():
        shared_project.write(f"{name}.py", source)
    return shared_project.report(*(f"{name}.py" for name in sources))


@pytest.fixture(scope="module")
def xdist(shared_project: Project, app: Path) -> InnerRun:
    """A run in a worker of pytest-xdist."""
    shared_project.write("test_divides.py", failing.DIVIDES)
    return shared_project.report("-n1", "test_divides.py")


@pytest.fixture(scope="module")
def shown(shared_project: Project, app: Path) -> InnerRun:
    """A run that shows what functions print as it comes."""
    shared_project.write("test_output.py", failing.OUTPUT)
    shared_project.write("test_summed_up.py", failing.SUMMED_UP)
    return shared_project.report("-s", "-v", "test_output.py", "test_summed_up.py")


@pytest.fixture(scope="module", autouse=True)
def limited(new_project: NewProject) -> Iterator[Result]:
    """A run of calls that take too long, beside the others."""
    project = failing.write_app(new_project())
    project.write("test_times_out.py", failing.TIMES_OUT)
    project.write("test_cut.py", failing.CUT)
    with project.reporting("test_times_out.py", "test_cut.py") as result:
        yield result


@pytest.fixture(scope="module", autouse=True)
def blocked(blocked_project: Project) -> Iterator[Result]:
    """A run of a handler that blocks the app's event loop, for which the server waits 10 s."""
    blocked_project.write("test_blocks.py", failing.BLOCKS)
    with blocked_project.reporting() as result:
        yield result


@pytest.fixture(scope="module")
def blocked_project(new_project: NewProject) -> Project:
    return failing.write_app(new_project())


@pytest.mark.parametrize("name", ["alone", "xdist"])
def test_a_500_shows_the_apps_traceback_and_the_workers(
    request: pytest.FixtureRequest, app: Path, name: str
) -> None:
    run: InnerRun = request.getfixturevalue(name)
    run.check("test_divides", failed=1)
    found = run.sections("test_divides")
    names = list(found)

    assert names[0] == "flash: the app raised (GET /divide/1/0)"
    assert f'File "{app}", line {failing.line("await divide(a, b)")}, in divided' in found[names[0]]
    assert "site-packages" not in found[names[0]]
    assert "pytest_flash/" not in found[names[0]]
    assert names[1] == "flash: jobs of this test"
    assert re.search(r"divide +live-cpu +FAILED +\d+ ms +\d+ ms +\w+ +cold", found[names[1]])
    assert re.fullmatch(r"flash: divide \(job \S+\) failed", names[2])
    assert f'File "{app}", line {failing.line("return a / b")}, in divide' in found[names[2]]
    assert "return a / b" in found[names[2]]
    assert "ZeroDivisionError" in found[names[2]]
    assert re.fullmatch(r"flash: output of divide \(job \S+\)", names[3])
    # No encoding has that character, and xdist ends a run whose reports hold it.
    assert found[names[3]] == r"about to divide \ud800"


def test_an_exception_of_the_app_alone(alone: InnerRun) -> None:
    found = alone.sections("test_broken")
    assert list(found) == ["flash: the app raised (GET /broken)"]
    assert "KeyError: 'nothing'" in found["flash: the app raised (GET /broken)"]


def test_tests_that_pass_or_fail_by_themselves_show_nothing(alone: InnerRun) -> None:
    alone.check("test_silent", passed=1, failed=1)
    assert alone.sections("test_fails") == {}


def test_what_a_handler_raises_later_is_in_no_other_report(alone: InnerRun) -> None:
    alone.check("test_gives_up", passed=1, failed=1)
    assert list(alone.sections("test_next")) == ["flash: jobs of this test"]
    assert not re.search("Captured log (setup|call)", alone.failure("test_next"))


def test_what_is_too_much_is_left_out(alone: InnerRun) -> None:
    found = alone.sections("test_loud")
    assert len(found) == 4
    assert all(len(shown) < 21_000 for shown in found.values())
    raised = found["flash: the app raised (GET /much)"]
    assert "await loud()" in raised
    assert re.search(r"\n\.\.\. \d+,\d+ characters \.\.\.\n", raised)
    (output,) = (shown for title, shown in found.items() if "output of" in title)
    assert output.startswith("... ")
    assert output.endswith("last")


def test_frames_of_the_framework_are_left_out(alone: InnerRun, app: Path) -> None:
    alone.check("test_framed", failed=3)
    raised = alone.sections("test_framed")["flash: the app raised (GET /broken)"]
    assert "in around" in raised
    assert "in broken" in raised
    assert "site-packages" not in raised
    both = alone.sections("test_both")["flash: the app raised (GET /both)"]
    assert "return a / b" in both
    assert "pytest_flash" not in both
    where = f"{app}:{failing.line('await awake.wait')} in asleep"
    assert f"a task of the app: {where}" in alone.failure("test_hangs")


def test_a_background_task_that_fails_is_reported(alone: InnerRun) -> None:
    raised = alone.sections("test_later")["flash: the app raised (POST /later)"]
    assert "ZeroDivisionError" in raised


def test_a_client_that_times_out_is_shown_where_it_hangs(alone: InnerRun, app: Path) -> None:
    alone.check("test_lingers", failed=2)
    assert "httpx.ReadTimeout" in alone.failure("test_lingers")
    hang = alone.sections("test_lingers")["flash: still under way"]
    asleep = alone.sections("test_asleep")["flash: still under way"]

    assert re.search(r"linger on live-lingers: job \S+ is IN_PROGRESS, [\d.]+ s old", hang)
    assert "endpoint live-lingers: jobs: 1 inProgress; workers: 1 running" in hang
    assert re.search(r"worker \w+: RUNNING, process \d+", hang)
    # The job's, as far as it was read, and its worker's.
    assert hang.count("  its last line: lingering\n") == 2
    assert f'File "{app}", line {failing.line("time.sleep(600)  # Lingers.")} in linger' in hang
    assert "bootstrap" not in hang
    assert re.search(r"GET /linger/1: for [\d.]+ s", hang)
    assert f"{app}:{failing.line('await linger()')} in lingering: return await linger()" in hang
    # The handler of the first test has ended, with its job.
    assert "linger" not in asleep
    assert f"{app}:{failing.line('await awake.wait')} in asleep" in asleep


def test_an_error_at_setup_explains_itself_too(alone: InnerRun) -> None:
    alone.check("test_setup", errors=1)
    assert "flash: the app raised (GET /broken)" in alone.sections("ERROR at setup of test_setup")


def test_output_is_shown_as_it_comes_where_nothing_is_captured(shown: InnerRun) -> None:
    shown.check("test_output", passed=1, failed=1)
    first, second = shown.text.split("test_output.py::test_second", 1)
    assert re.findall(r"says #1 \| (.*)", first) == ["a", "then a"]
    assert "says #1" not in second
    assert re.findall(r"says #2 \| (.*)", second) == ["b", "then b"]
    assert "flash: output of" not in shown.text


def test_the_summary_says_what_was_provisioned_and_run(shown: InnerRun) -> None:
    found = re.search(r"={2,} flash ={2,}\n((?:live-\w+: created in [\d.]+ s\n)+)(.+)", shown.text)
    assert found
    names = re.findall(r"live-(\w+):", found[1])
    assert names == ["brief", "cpu", "gpu", "limited", "lingers"]
    # Two of says, three of double and one of divide.
    assert re.match(r"6 jobs, 1 failed, 2 cold starts; slowest: \w+, [\d.]+ s", found[2])
    assert "compute" not in shown.text


def test_there_is_no_summary_where_nothing_was_provisioned(
    project: Project, in_process: Callable[..., pytest.RunResult]
) -> None:
    project.write("test_app.py", "def test_it(flash_config):\n    pass\n")
    assert " flash " not in text(in_process())


def test_output_of_a_job_that_was_ended_is_reported(limited: Result) -> None:
    run = limited()
    run.check("test_times_out", failed=1)
    found = run.sections("test_times_out")
    (output,) = (shown for title, shown in found.items() if "output of times_out" in title)
    assert output == "until it is ended"


def test_a_call_without_an_end_is_cut_and_explained(limited: Result) -> None:
    run = limited()
    run.check("test_cut", failed=1)
    shown = run.failure("test_cut")
    assert "no result within 4 s, which is the function's limit of 1 s and 3 s to start" in shown
    assert re.search(r"brief on live-brief: job \S+ is IN_QUEUE", shown)
    assert "1 throttled" in shown


def test_an_event_loop_that_is_blocked_is_reported(
    blocked: Result, blocked_project: Project
) -> None:
    run = blocked()
    run.check("test_blocks", passed=1, failed=1, errors=1)
    code = "time.sleep(600)  # Blocks."
    place = f"{blocked_project.folder / 'main.py'}:{failing.line(code)} in block: {code}"
    where = f"the app's event loop is blocked: {place}"
    assert where in run.sections("test_blocked")["flash: still under way"]
    assert "the app's server did not stop within 10 s" in run.text
    assert run.text.count(where) >= 2
