"""What a client submits: a job's input, its limits, and its webhook."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..server.http_errors import HttpError
from ..server.json_members import parse_members
from .jobs import Policy

if TYPE_CHECKING:
    from ..account.endpoint_records import EndpointRecord
    from .webhooks import WebhookRule

# Runpod docs, send-requests; in milliseconds.
_WEEK = 7 * 24 * 3_600_000
_EXECUTION_TIMEOUT = (5_000, _WEEK)
_TTL_DEFAULT = 24 * 3_600_000
TTL = (10_000, _WEEK)
_DIGITS = 20

_EMPTY_INPUT = (
    "'input' is empty: Runpod drops an empty object, and its workers can then not run the job; "
    'send something, such as {"__empty": true}'
)


@dataclass(frozen=True)
class Submission:
    """A job as submitted. ``input`` is its JSON, ``extra`` are further keys that its worker sees.

    ``problem`` is why it fails before any worker gets it, as the job's error.
    """

    input: bytes
    policy: Policy
    webhook: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None

    @classmethod
    def parse(cls, body: bytes, record: EndpointRecord, webhooks: WebhookRule) -> Submission:
        """Read the body of ``/run`` or ``/runsync``. Raises HttpError 400."""
        members = parse_members(body)
        document = {name: member.value for name, member in members.items()}
        content = document.get("input")
        if content is None:
            raise HttpError(400, "the request body has no 'input'")
        webhook = document.get("webhook")
        if webhook is not None:
            webhooks.check(webhook)
        kept: tuple[str, ...] = ("webhook", "s3Config")
        extra = {name: document[name] for name in kept if name in document}
        return cls(
            members["input"].text,
            _policy(record, document.get("policy")),
            webhook,
            extra,
            _EMPTY_INPUT if content == {} else None,
        )


def milliseconds(value: Any, name: str, limits: tuple[int, int]) -> int:
    """A number of milliseconds within ``limits``. Raises HttpError 400 for anything else."""
    low, high = limits
    if type(value) is int and low <= value <= high:  # a bool is an int, but no number
        return value
    shown = reprlib.repr(value)
    raise HttpError(400, f"{name} must be a whole number from {low} to {high} (ms), not {shown}")


def milliseconds_text(text: str, name: str, limits: tuple[int, int]) -> int:
    """``milliseconds`` for the text of a query parameter."""
    # Longer ones are out of range, and Python refuses to read very long ones.
    digits = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
    return milliseconds(int(text) if digits else text, name, limits)


def _policy(record: EndpointRecord, policy: Any) -> Policy:
    """The limits of a job: its own, else its endpoint's, else Runpod's defaults."""
    if policy is None:
        policy = {}
    if not isinstance(policy, Mapping):
        raise HttpError(400, "'policy' must be an object")
    # No job lives for longer than a week, whatever its endpoint would allow.
    timeout, ttl = min(record.timeout, _WEEK), _TTL_DEFAULT
    if policy.get("executionTimeout") is not None:
        timeout = milliseconds(
            policy["executionTimeout"], "policy.executionTimeout", _EXECUTION_TIMEOUT
        )
    if policy.get("ttl") is not None:
        ttl = milliseconds(policy["ttl"], "policy.ttl", TTL)
    return Policy(timeout / 1000, ttl / 1000, low_priority=policy.get("lowPriority") is True)
