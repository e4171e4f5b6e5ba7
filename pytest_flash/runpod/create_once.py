"""Creating something once, although the answer to the request may be lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..backoff import Backoff
from ..errors import RunpodConnectionError, RunpodError
from ..http.messages import Response
from .management_requests import Api
from .retry import Failure, RetryPolicy, Tries

T = TypeVar("T")

_LOOK_AGAIN = Backoff(0.5)


@dataclass(frozen=True)
class Creation(Generic[T]):
    """What to create.

    ``what`` names it in messages. ``read`` takes it out of the answer. ``find`` looks for it among
    what exists; None means that it cannot be told from others, and then a create of unknown
    outcome is not repeated.
    """

    what: str
    path: str
    request: Mapping[str, Any]
    read: Callable[[Response], T]
    find: Callable[[], T | None] | None


@dataclass(frozen=True)
class Created(Generic[T]):
    """What was created; ``doubtful`` if an earlier attempt of unknown outcome was not found."""

    value: T
    doubtful: bool


def create(api: Api, creation: Creation[T]) -> Created[T]:
    """``POST`` the request until it has taken effect exactly once, as far as can be seen.

    A failure that says that nothing was created (429, no connection) is simply repeated. After
    one that leaves it open (connection lost, 5xx, half a body) the thing is looked for first, for
    the policy's ``settle`` seconds, with a deadline of its own. Raises what ended the last
    attempt, or RunpodConnectionError when the outcome stays unknown because looking failed too.
    """
    tries = Tries(api.policy)
    doubtful = False
    while True:
        outcome = api.attempt(
            "POST", creation.path, creation.request, read=creation.read, tries=tries
        )
        if not isinstance(outcome, Failure):
            return Created(outcome, doubtful)
        if outcome.reached:
            if creation.find is None:
                raise outcome.error
            doubtful = True
            found = _look(creation.find, creation.what, outcome.error, api.policy)
            if found is not None:
                return Created(found, doubtful=False)
        tries.pause(outcome)


def _look(
    find: Callable[[], T | None], what: str, error: RunpodError, policy: RetryPolicy
) -> T | None:
    """Look until it is there or had its time to appear; the server may still be at work."""
    settled = policy.clock() + policy.settle
    pauses = _LOOK_AGAIN.pauses()
    while True:
        try:
            found = find()
        except RunpodError as blind:
            raise RunpodConnectionError(
                f"{error}; whether {what} was created is not known, since looking for it failed "
                f"too: {blind}"
            ) from blind
        left = settled - policy.clock()
        if found is not None or left <= 0:
            return found
        policy.sleep(min(next(pauses), left))
