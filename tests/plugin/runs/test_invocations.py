"""However pytest is invoked: with its own options, without discovery, twice in one process."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tests.support.pytest_runs.downstream import APP, Project
from tests.support.pytest_runs.inner_run import InnerRun

Passes = Callable[..., None]
USES_IT = """
def test_it(flash_client):
    assert flash_client.get("/double/1").json()["value"] == 2
"""


@pytest.mark.parametrize(
    "options",
    [
        ("-p", "no:logging", "--capture=no"),
        ("--capture=sys", "--import-mode=importlib"),
        ("--capture=tee-sys", "-W", "error"),
    ],
    ids=" ".join,
)
def test_a_test_passes_whatever_is_said(
    project: Project, passes: Passes, options: tuple[str, ...]
) -> None:
    project.write("test_app.py", USES_IT)
    # What is imported warns of nothing either.
    fresh = {"PYTHONWARNINGS": "error"} if "-W" in options else {}
    passes(project.pytest(*options, env=fresh, fresh=bool(fresh)), passed=1)


def test_without_a_terminal_reporter(project: Project) -> None:
    project.write("test_app.py", USES_IT)
    result = project.pytest("-p", "no:terminal", env={"PYTEST_FLASH_APP": "main:app"})
    assert (result.ret, result.outlines, result.errlines) == (0, [], [])


def test_the_plugin_can_be_named_where_none_is_found(project: Project, passes: Passes) -> None:
    project.write("test_app.py", USES_IT)
    none = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    passes(project.pytest("-p", "pytest_flash.plugin", env=none), passed=1)
    unnamed = project.pytest(env=none)
    assert "fixture 'flash_client' not found" in "\n".join(unnamed.outlines)


def test_setup_only_sets_up_and_takes_down(project: Project) -> None:
    project.write("test_app.py", USES_IT + "    assert False, 'a test ran'\n")
    result = project.pytest("--setup-only")
    assert result.ret == 0
    text = "\n".join(result.outlines)
    assert "SETUP    S flash_server" in text
    assert "TEARDOWN S flash_session" in text
    assert "live-gpu: created" in text
    assert "1 jobs" not in text


def test_the_first_failure_ends_the_run_and_is_the_next_ones_only_test(project: Project) -> None:
    project.write(
        "test_app.py",
        """
        def test_passes(flash_client):
            pass

        def test_fails(flash_client):
            assert flash_client.get("/double/x").status_code == 200

        def test_never(flash_client):
            pass
        """,
    )
    # The cache is kept out of projects; a later -p brings it back, and pytest complains of that.
    cached = ("-pcacheprovider", "-Wignore:Module already imported", "--junitxml=report.xml")
    project.pytest("-x", *cached).assert_outcomes(passed=1, failed=1)
    project.pytest("--lf", *cached).assert_outcomes(failed=1)
    (suite,) = ElementTree.parse(project.folder / "report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")


def test_a_run_in_the_process_of_another(project: Project, passes: Passes) -> None:
    project.write("inner/test_app.py", USES_IT)
    project.write(
        "test_twice.py",
        """
        import pytest

        @pytest.mark.parametrize("n", range(2))
        def test_it(n):
            assert pytest.main(["-p", "no:asyncio", "-p", "no:cacheprovider", "inner"]) == 0
        """,
    )
    passes(project.pytest("test_twice.py", "--capture=no"), passed=2)


ASKS_FOR_ENDPOINTS = """
def test_it(flash_endpoints):
    assert list(flash_endpoints) == ["gpu"]
"""
DOCUMENTED = '''
def one():
    """
    >>> one()
    1
    """
    return 1
'''
OTHERS_FUNCTION = """\
from pytest_flash import LiveServerless, remote

@remote(LiveServerless(name="of-a-test"))
def function():
    pass

def test_other():
    pass
"""


@pytest.fixture(scope="module")
def selected(shared_project: Project) -> InnerRun:
    """A run of one test and one doctest; a test with a function of its own is deselected."""
    shared_project.write("main.py", APP + DOCUMENTED)
    shared_project.write("test_app.py", ASKS_FOR_ENDPOINTS)
    shared_project.write("test_other.py", OTHERS_FUNCTION)
    return shared_project.report("--doctest-modules", "-k", "test_it or main")


def test_functions_of_tests_that_do_not_run_get_no_endpoint(selected: InnerRun) -> None:
    selected.check("test_app", passed=1)
    assert selected.result.parseoutcomes()["deselected"] == 1


def test_functions_of_an_app_with_doctests_do(selected: InnerRun) -> None:
    selected.check("test_app", "main", passed=2)
