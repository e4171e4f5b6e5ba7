"""Overrides of ``flash_app`` and ``flash_config`` that differ from folder to folder.

pytest keeps what a session fixture has made although another override of what it was made from
applies to the next test, which would so be given another folder's app.
"""

from __future__ import annotations

from typing import Any

import pytest

_OVERRIDDEN = ("flash_config", "flash_app")


class Overrides:
    """Remembers which overrides are in use; ends them, and what depends on them, for others."""

    def __init__(self) -> None:
        self._used: dict[str, pytest.FixtureDef[Any]] = {}

    def note(self, item: pytest.Item) -> None:
        """What ``item`` was given is in use now."""
        self._used.update(_applying(item))

    def prepare(self, item: pytest.Item) -> None:
        """End what is in use and does not apply to ``item``; its fixtures are made anew."""
        __tracebackhide__ = True
        for name, applies in _applying(item).items():
            used = self._used.pop(name, applies)
            if used is not applies:
                # As pytest does where a session fixture gets another parameter.
                used.finish(item._request)  # type: ignore[attr-defined]


def _applying(item: pytest.Item) -> dict[str, pytest.FixtureDef[Any]]:
    """The overrides that apply to ``item``, of the fixtures that it uses."""
    names = [name for name in _OVERRIDDEN if name in getattr(item, "fixturenames", ())]
    manager: Any = item.session._fixturemanager
    return {name: found[-1] for name in names if (found := manager.getfixturedefs(name, item))}
