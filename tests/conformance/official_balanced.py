"""Calls functions through the official client of load-balancing endpoints; prints JSON.

Arguments: the endpoint's base URL and a descriptor to write to. The key is in RUNPOD_API_KEY.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from types import SimpleNamespace
from typing import Any

from runpod_flash.stubs.load_balancer_sls import LoadBalancerSlsStub


async def add(a: int, b: int = 1) -> dict[str, int]:
    return {"sum": a + b}


def refuse() -> None:
    raise ValueError("not that")


def end() -> None:
    import os

    os._exit(9)


async def main(base: str) -> list[Any]:
    stub = LoadBalancerSlsStub(SimpleNamespace(name="lb", endpoint_url=base))
    answers: list[Any] = [await stub(add, None, None, True, 2, b=3)]
    for function in (refuse, end):
        try:
            await stub(function, None, None, True)
        except Exception as error:  # noqa: BLE001 - whatever the official client raises
            answers.append([type(error).__name__, str(error)])
    return answers


os.write(int(sys.argv[2]), json.dumps(asyncio.run(main(sys.argv[1]))).encode())
