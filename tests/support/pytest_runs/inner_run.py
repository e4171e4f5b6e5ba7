"""What one pytest run of a project said about each of its tests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

_HEADING = re.compile(r"^_{2,} (.+?) _{2,}$")
_END = re.compile(r"^={2,} ")
# By what pytest's JUnit report calls them.
_OUTCOMES = {"failure": "failed", "error": "errors", "skipped": "skipped"}


@dataclass(frozen=True, repr=False)
class InnerRun:
    """A run that several of our tests look at, each at its own part.

    ``outcomes`` counts what became of the tests of each file: ``outcomes["test_app"]["passed"]``.
    ``failures`` is what the terminal showed for each test that failed, by the heading there:
    ``test_name``, or ``ERROR at setup of test_name``.
    """

    result: pytest.RunResult
    outcomes: Mapping[str, Mapping[str, int]]
    failures: Mapping[str, str]

    @classmethod
    def of(cls, result: pytest.RunResult, report: Path) -> InnerRun:
        """Read ``report``, the JUnit report of ``result``."""
        if not report.exists():
            pytest.fail(text(result))
        return cls(result, _outcomes(report), _failures(result.outlines))

    @property
    def text(self) -> str:
        """Everything that the run printed."""
        return text(self.result)

    def check(self, *files: str, **outcomes: int) -> None:
        """Assert what became of the tests in ``files``, named as modules are."""
        found: Counter[str] = Counter()
        for file in files:
            found.update(self.outcomes.get(file, {}))
        if found != outcomes:
            pytest.fail(f"expected {outcomes}, found {dict(found)}\n{self.text}")

    def failure(self, name: str) -> str:
        """What the terminal showed for a test that failed."""
        if name not in self.failures:
            pytest.fail(f"{name} did not fail\n{self.text}")
        return self.failures[name]

    def sections(self, name: str) -> dict[str, str]:
        """The sections of that failure which are ours, by title."""
        return sections(self.failure(name))


def text(result: pytest.RunResult) -> str:
    """Everything that a run printed."""
    return "\n".join([*result.outlines, *result.errlines])


def sections(shown: str) -> dict[str, str]:
    """The sections of a failure that are ours, by title."""
    parts = re.split(r"\n-+ (flash: .+?) -+\n", shown)
    bodies = (re.split(r"\n(?:-{2,} |={2,} |_{2,} )", body)[0] for body in parts[2::2])
    return dict(zip(parts[1::2], bodies, strict=True))


def _outcomes(report: Path) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = [_OUTCOMES[each.tag] for each in case if each.tag in _OUTCOMES] or ["passed"]
        # One that the end of the run interrupted has no name, and no outcome either.
        if (file := case.get("classname")) is not None:
            found.setdefault(file, Counter()).update(kinds)
    return found


def _failures(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        heading = _HEADING.match(line)
        if heading:
            current = found.setdefault(heading[1], [])
        elif _END.match(line):
            current = None
        elif current is not None:
            current.append(line)
    return {name: "\n".join(shown) for name, shown in found.items()}
