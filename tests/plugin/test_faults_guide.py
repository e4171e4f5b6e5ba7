"""What the guide to faults says, run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx

from pytest_flash.settings import API_KEY, MANAGEMENT_URL
from tests.support.environment import ROOT, clean_environment

GUIDE = ROOT / "docs" / "faults.md"
BLOCK = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_its_tests_pass(project: Any, passes: Callable[..., None]) -> None:
    files = dict(BLOCK.findall(GUIDE.read_text(encoding="utf-8")))
    assert set(files) == {"main.py", "test_main.py", "test_inside.py", "break_it.py"}
    for name in ("main.py", "test_main.py", "test_inside.py"):
        project.write(name, files[name])
    passes(project.pytest(), passed=3)


def test_its_script_breaks_a_running_emulator(variables: dict[str, str], tmp_path: Any) -> None:
    files = dict(BLOCK.findall(GUIDE.read_text(encoding="utf-8")))
    subprocess.run(
        [sys.executable, "-c", files["break_it.py"]],
        cwd=tmp_path,
        env=clean_environment(**variables),
        check=True,
        timeout=30,
    )
    url = f"{variables[MANAGEMENT_URL]}/v2/serverless"
    headers = {"Authorization": f"Bearer {variables[API_KEY]}"}
    with httpx.Client(headers=headers, trust_env=False) as client:
        assert [client.get(url).status_code for _ in range(3)] == [503, 503, 200]
