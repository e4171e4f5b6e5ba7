"""Scenes that mostly wait, played a few at a time: each test asks how its own ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

import pytest

S = TypeVar("S")
R = TypeVar("R")

_AT_ONCE = 6
_LIMIT = 300.0


class Scenes(Generic[S]):
    """What has been begun, by the function that plays it."""

    def __init__(self, begun: dict[Callable[[S], object], Future[object]]) -> None:
        self._begun = begun

    def outcome(self, scene: Callable[[S], R]) -> R:
        """What ``scene`` returned, once it has ended; raises what it raised."""
        # The future is that of this very function.
        return self._begun[scene].result(_LIMIT)  # type: ignore[return-value]


@contextmanager
def playing(
    scenes: Iterable[Callable[[S], object]], stage: Callable[[str], S], session: pytest.Session
) -> Iterator[Scenes[S]]:
    """Play ``scenes``, each on a stage of its own, in threads.

    Only those that a test of the session is called after: ``scene`` is for ``test_scene``.
    """
    wanted = {
        item.originalname.removeprefix("test_")
        for item in session.items
        if isinstance(item, pytest.Function)
    }
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        begun = {
            scene: pool.submit(lambda play: play(stage(play.__name__)), scene)
            for scene in scenes
            if scene.__name__ in wanted
        }
        try:
            yield Scenes(begun)
        finally:
            pool.shutdown(cancel_futures=True)
