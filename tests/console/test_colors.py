"""The bars of the console can be told from what is behind them, in both schemes."""

from __future__ import annotations

import re

import pytest

from tests.support.environment import ROOT

CSS = (ROOT / "pytest_flash" / "console" / "static" / "console.css").read_text()
LIGHT, DARK = CSS.split("@media (prefers-color-scheme: dark)", 1)


def color(scheme: str, name: str) -> str:
    """A color of six hexadecimal digits."""
    (found,) = re.findall(rf"--{name}: #([0-9a-f]+);", scheme)
    return found if len(found) == 6 else "".join(2 * each for each in found)


def luminance(color: str) -> float:
    """As WCAG 2 has it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("behind", ["card", "sunk"])
@pytest.mark.parametrize("bar", ["queue", "cold", "run"])
@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(scheme: str, bar: str, behind: str) -> None:
    dark, light = sorted(luminance(color(scheme, name)) for name in (bar, behind))
    assert (light + 0.05) / (dark + 0.05) >= 3
