"""Starting a worker on an endpoint by a job that does nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ...errors import FlashError
from ...resources import ServerlessResource
from ..declaration.specs import FunctionSpec
from .calls import RemoteCalls

_AT_ONCE = 3


def warm_up() -> bool:
    """What the worker runs: its answer says that there is one."""
    return True


# No name of ours means anything on a worker, where a stand-in has it: this one goes by its code.
warm_up.__module__ = "warm_up"


async def warm(
    calls: RemoteCalls, resources: Iterable[ServerlessResource]
) -> dict[str, FlashError]:
    """Have each resource's endpoint answer once, three at a time; the failures by name."""
    gate = asyncio.Semaphore(_AT_ONCE)
    failed: dict[str, FlashError] = {}

    async def one(resource: ServerlessResource) -> None:
        code = warm_up.__code__
        spec = FunctionSpec(warm_up, resource, (), (), True, code.co_filename, code.co_firstlineno)
        async with gate:
            try:
                await calls.call(spec, (), {})
            except FlashError as error:
                failed[resource.name] = error

    await asyncio.gather(*map(one, resources))
    return failed
