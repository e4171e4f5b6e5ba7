"""The official Flash client of load-balancing endpoints, unmodified, against the emulator."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.conformance.conftest import HERE
from tests.emulator.harness import KEY, Emulator
from tests.support.environment import clean_environment


def test_functions_run_behind_the_load_balancer(official: Path, emulator: Emulator) -> None:
    endpoint = emulator.create(
        type="LOAD_BALANCER",
        image="runpod/flash-lb-cpu:latest",
        scaling={"type": "REQUEST_COUNT", "requestCount": 4},
    )
    document = emulator.management.get(f"/v2/serverless/{endpoint}").json()
    answers, write = os.pipe()
    with os.fdopen(answers) as read:
        subprocess.run(
            [
                str(official),
                str(HERE / "official_balanced.py"),
                document["requestUrls"]["base"],
                str(write),
            ],
            env=clean_environment(RUNPOD_API_KEY=KEY),
            stdout=subprocess.DEVNULL,
            pass_fds=(write,),
            timeout=60,
            check=True,
        )
        os.close(write)
        added, refused, ended = json.loads(read.read())
    assert added == {"sum": 5}
    assert refused[0] == "Exception"
    assert "ValueError: not that" in refused[1]
    assert ended[0] == "RuntimeError"
    assert "502" in ended[1]
    assert "exited with code 9" in ended[1]
