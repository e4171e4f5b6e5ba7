"""Whether packages can be installed here."""

from __future__ import annotations

import subprocess
import sys
import tempfile

import pytest

# What every environment of the tests needs, and small.
_PROBE = "cloudpickle"


def need_package_index() -> None:
    """Skip the test where pip gets no packages: it is offline, or told to use no index."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
        options = ("--no-cache-dir", "--retries", "0", "--dest", folder, _PROBE)
        done = subprocess.run(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
    if done.returncode:
        pytest.skip("no package index: pip cannot download packages")
