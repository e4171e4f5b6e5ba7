"""However pytest is invoked: with its own options, without discovery, twice in one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

Passes = Callable[..., None]
USES_IT = (
    "def test_it(flash_client):\n    assert flash_client.get('/double/1').json()['value'] == 2\n"
)


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
    project: Any, passes: Passes, options: tuple[str, ...]
) -> None:
    project.write("test_app.py", USES_IT)
    passes(project.pytest(*options, PYTHONWARNINGS="error"), passed=1)


def test_without_a_terminal_reporter(project: Any) -> None:
    project.write("test_app.py", USES_IT)
    result = project.pytest("-p", "no:terminal", PYTEST_FLASH_APP="main:app")
    assert (result.ret, result.outlines, result.errlines) == (0, [], [])


def test_the_plugin_can_be_named_where_none_is_found(project: Any, passes: Passes) -> None:
    project.write("test_app.py", USES_IT)
    named = project.pytest("-p", "pytest_flash.plugin", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    passes(named, passed=1)
    unnamed = project.pytest(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "fixture 'flash_client' not found" in "\n".join(unnamed.outlines)


def test_setup_only_sets_up_and_takes_down(project: Any) -> None:
    project.write("test_app.py", USES_IT + "    assert False, 'a test ran'\n")
    result = project.pytest("--setup-only")
    assert result.ret == 0
    text = "\n".join(result.outlines)
    assert "SETUP    S flash_server" in text
    assert "TEARDOWN S flash_session" in text
    assert "live-gpu: created" in text
    assert "1 jobs" not in text


def test_the_first_failure_ends_the_run_and_is_the_next_ones_only_test(project: Any) -> None:
    project.write(
        "test_app.py",
        "def test_passes(flash_client):\n    pass\n"
        "def test_fails(flash_client):\n"
        "    assert flash_client.get('/double/x').status_code == 200\n"
        "def test_never(flash_client):\n    pass\n",
    )
    # The cache is kept out of projects; a later -p brings it back, and pytest complains of that.
    cached = ("-pcacheprovider", "-Wignore:Module already imported", "--junitxml=report.xml")
    project.pytest("-x", *cached).assert_outcomes(passed=1, failed=1)
    project.pytest("--lf", *cached).assert_outcomes(failed=1)
    (suite,) = ElementTree.parse(project.folder / "report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")


def test_a_run_in_the_process_of_another(project: Any, passes: Passes) -> None:
    project.write("inner/test_app.py", USES_IT)
    project.write(
        "test_twice.py",
        "import pytest\n"
        "@pytest.mark.parametrize('n', range(2))\n"
        "def test_it(n):\n"
        "    assert pytest.main(['-p', 'no:asyncio', '-p', 'no:cacheprovider', 'inner']) == 0\n",
    )
    passes(project.pytest("test_twice.py", "--capture=no"), passed=2)


OTHERS_FUNCTION = """\
from pytest_flash import LiveServerless, remote

@remote(LiveServerless(name="of-a-test"))
def function():
    pass

def test_other():
    pass
"""


def test_functions_of_tests_that_do_not_run_get_no_endpoint(project: Any, passes: Passes) -> None:
    project.write(
        "test_app.py",
        "def test_it(flash_endpoints):\n    assert list(flash_endpoints) == ['gpu']\n",
    )
    project.write("test_other.py", OTHERS_FUNCTION)
    passes(project.pytest("-k", "test_it"), passed=1, deselected=1)


def test_functions_of_an_app_with_doctests_do(project: Any, passes: Passes) -> None:
    main = project.folder / "main.py"
    main.write_text(main.read_text() + '\ndef one():\n    """\n    >>> one()\n    1\n    """\n')
    main.write_text(main.read_text() + "    return 1\n")
    project.write(
        "test_app.py",
        "def test_it(flash_endpoints):\n    assert list(flash_endpoints) == ['gpu']\n",
    )
    passes(project.pytest("--doctest-modules"), passed=2)
