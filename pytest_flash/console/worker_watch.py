"""The workers of the endpoints, looked up now and then while somebody looks at them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from anyio import to_thread

from ..clock import monotonic
from ..errors import RunpodError

if TYPE_CHECKING:
    from ..runpod.models import Workers


class WorkerWatch:
    """Asks for the workers of every endpoint, once in ``interval`` seconds and for new endpoints.

    ``look_up`` gives an endpoint's workers by its id, or raises RunpodError; it may block.
    """

    def __init__(self, look_up: Callable[[str], Workers], *, interval: float) -> None:
        self.interval = interval
        self.known: Mapping[str, Workers] = {}
        self._look_up = look_up
        self._asked = -interval
        self._asked_for: Mapping[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    def refresh(self, endpoint_ids: Mapping[str, str], on_change: Callable[[], None]) -> None:
        """Ask, unless that was done lately, and call ``on_change`` with the answers at hand."""
        lately = monotonic() - self._asked < self.interval
        if lately and endpoint_ids == self._asked_for:
            return
        if self._task is None or self._task.done():
            self._asked, self._asked_for = monotonic(), dict(endpoint_ids)
            self._task = asyncio.ensure_future(self._ask(dict(endpoint_ids), on_change))

    async def _ask(self, endpoint_ids: Mapping[str, str], on_change: Callable[[], None]) -> None:
        answers = await asyncio.gather(*map(self._answer, endpoint_ids.values()))
        known = zip(endpoint_ids, answers, strict=True)
        self.known = {name: workers for name, workers in known if workers is not None}
        on_change()

    async def _answer(self, endpoint_id: str) -> Workers | None:
        try:
            return await to_thread.run_sync(self._look_up, endpoint_id)
        except RunpodError:
            return None  # Deleted meanwhile, or Runpod is away: nothing is known of its workers.
