"""The examples of the guides: what stands in their fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.environment import ROOT

PYTEST_GUIDE = ROOT / "docs" / "pytest.md"
FAULTS_GUIDE = ROOT / "docs" / "faults.md"
DEBUGGING_GUIDE = ROOT / "docs" / "debugging.md"
FUNCTIONS_GUIDE = ROOT / "docs" / "remote-functions.md"

_BLOCK = re.compile(
    r"^(?:`(?P<above>\S+)`\n\n)?```(?P<language>\w+)\n"
    r"(?:# (?P<first>\S+\.py)\n)?(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block; ``file`` is the name that stands above it or in its first line."""

    file: str | None
    language: str
    text: str

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each command with the output that is shown for it, as patterns."""
        for part in self.text.split("$ ")[1:]:
            command, *shown = part.strip().splitlines()
            yield command, shown


def blocks(guide: Path) -> list[Block]:
    """The blocks of a guide in their order."""
    found = _BLOCK.finditer(guide.read_text(encoding="utf-8"))
    return [Block(each["above"] or each["first"], each["language"], each["text"]) for each in found]


def files(guide: Path, language: str = "python") -> dict[str, str]:
    """The files that a guide shows, by name; of those that it shows twice the last."""
    return {
        each.file: each.text for each in blocks(guide) if each.file and each.language == language
    }
