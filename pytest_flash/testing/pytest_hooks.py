"""pytest hooks of runs and processes that use the fixtures; registered when they first do."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

from .fixture_overrides import Overrides
from .usage_errors import end_run, set_exit_status, take_over

if TYPE_CHECKING:
    from .session import FlashSession
    from .shared_runpod import LocalPlatform

_HOOKS = pytest.StashKey["TestHooks"]()


def _nothing() -> None:
    """Nothing comes before."""


def follow(session: FlashSession, config: pytest.Config) -> None:
    """From now on tell ``session`` of the tests that run."""
    hooks = config.stash.get(_HOOKS, None)
    if hooks is None:
        hooks = config.stash[_HOOKS] = TestHooks(session)
        config.pluginmanager.register(hooks, "flash-tests")
    hooks.session = session


class RunHooks:
    """Closes the platform at the end of the run, and says what it did."""

    def __init__(self, platform: LocalPlatform, before: Callable[[], None] = _nothing) -> None:
        self._platform = platform
        self._before = before
        self._told = False

    # The innermost wrapper: after fixtures and workers are gone, before the terminal's summary.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Close, whatever has happened: Ctrl-C ends here too."""
        try:
            return (yield)
        finally:
            self._before()
            left = self._platform.close()
            self._platform.totals.undeleted.update(left)
            set_exit_status(session)
            if left and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of pytest-xdist has ended."""
        take_over(node)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What was provisioned and run; what is left on Runpod, since it costs money."""
        totals = self._platform.totals
        again = any(map(terminalreporter.stats.get, ("failed", "error", "rerun")))
        lines = list(totals.lines(all_passed=not again))
        if lines:
            terminalreporter.write_sep("=", "flash")
            for line in lines:
                terminalreporter.write_line(line)
        self._tell_what_is_left(terminalreporter)

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """What is left on Runpod, where pytest gives no summary, as after an internal error."""
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            self._tell_what_is_left(reporter)

    def _tell_what_is_left(self, terminalreporter: Any) -> None:
        undeleted, self._told = {} if self._told else self._platform.totals.undeleted, True
        if undeleted:
            terminalreporter.write_sep(
                "=", "endpoints that could not be deleted on Runpod", red=True
            )
            for name, error in undeleted.items():
                terminalreporter.write_line(f"{name}: {error}")
            command = self._platform.undeploy_command(undeleted)
            terminalreporter.write_line(f"Run {command}; the next test run tries again first")


class TestHooks:
    """Tells the session which test runs, and adds what it knows to reports of failures."""

    __test__ = False

    def __init__(self, session: FlashSession) -> None:
        self.session = session
        self._overrides = Overrides()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """The run ends, in the midst of a test perhaps: by Ctrl-C, -x, pytest.exit or an error."""
        self.session.tests_over = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A test begins."""
        __tracebackhide__ = True
        self.session.begin_test()
        self._overrides.prepare(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """What a fixture does that outlives the test is not the test's own."""
        __tracebackhide__ = True
        if fixturedef.scope == "function":
            return (yield)
        with self.session.outliving(request.addfinalizer):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """A test ends, and with it what it left unfinished."""
        self._overrides.note(item)
        try:
            return (yield)
        finally:
            self.session.end_test()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let a failure explain itself; end the run where it may not go on."""
        report = yield
        # A call that passed all the same is reported; the run ends after its teardown.
        if self.session.over_limit and not (report.passed and report.when == "call"):
            end_run(item.session, str(self.session.over_limit))
        if report.failed:
            from .report_sections import sections

            report.sections.extend(sections(self.session, call.excinfo))
        return report
