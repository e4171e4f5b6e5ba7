"""One HTTP client for each event loop, closed when its loop ends."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What holds connections of one event loop."""

    async def aclose(self) -> None:
        """Close them."""


C = TypeVar("C", bound=Closable)


class PerLoop(Generic[C]):
    """Hands out the client of the running event loop; opens it on first use.

    A client cannot be closed from outside its loop, and nobody tells us when a loop ends. An
    asynchronous generator that is left suspended is closed by ``loop.shutdown_asyncgens``, which
    ``asyncio.run`` and every runner call last; it holds the client.
    """

    def __init__(self, open_client: Callable[[], C]) -> None:
        self._open = open_client
        self._clients: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[C, AsyncGenerator[None, None]]
        ] = weakref.WeakKeyDictionary()

    async def get(self) -> C:
        """The client of the running loop."""
        loop = asyncio.get_running_loop()
        held = self._clients.get(loop)
        if held is not None:
            return held[0]
        client = self._open()
        keeper = self._keep(loop, client)
        self._clients[loop] = (client, keeper)
        await keeper.__anext__()
        return client

    async def aclose(self) -> None:
        """Close the client of the running loop, if there is one."""
        held = self._clients.get(asyncio.get_running_loop())
        if held is not None:
            await held[1].aclose()

    async def _keep(self, loop: asyncio.AbstractEventLoop, client: C) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            # The generator refers to its loop, so the weak key alone would never let go. Where all
            # this is garbage, the collector has emptied the dictionary already.
            self._clients.pop(loop, None)
            await client.aclose()
