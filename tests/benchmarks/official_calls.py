"""Calls of a function through the official SDK. Runs in the environment of its packages.

The argument is JSON: ``lengths`` of the job in seconds, and how many ``times`` each. Prints JSON:
for each length the overheads of the calls in seconds, and the CPU seconds of this process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from runpod_flash import CpuLiveServerless, remote
from sleeping import sleep  # type: ignore[import-not-found]  # beside this file


async def measure(lengths: list[float], times: int) -> list[dict[str, Any]]:
    """The calls, one after another; the first of all is not counted."""
    resource = CpuLiveServerless(name="official", workersMin=1, workersMax=1)
    function = remote(resource)(sleep)
    await function(0)
    measured = []
    for length in lengths:
        overheads, cpu = [], time.process_time()
        for _ in range(times):
            began = time.perf_counter()
            slept = await function(length)
            overheads.append(time.perf_counter() - began - slept)
        used = (time.process_time() - cpu) / times
        measured.append({"overheads": overheads, "cpu": used})
    return measured


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(**json.loads(sys.argv[1])))))
