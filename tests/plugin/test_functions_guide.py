"""What the guide to remote functions says, run as it stands there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.support.environment import ROOT

GUIDE = ROOT / "docs" / "remote-functions.md"
BLOCK = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_its_examples_run(project: Any, passes: Callable[..., None]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    files = dict(BLOCK.findall(text))
    assert len(files) == text.count("```python")
    for name, source in files.items():
        project.write(name, source)
    (config,) = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    project.write("config.json", config)
    tests = sum(source.count("\ndef test_") for source in files.values())
    assert tests == 8
    passes(project.pytest(), passed=tests)
