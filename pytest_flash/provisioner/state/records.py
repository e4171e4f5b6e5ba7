"""What is remembered about endpoints and volumes that were made on an account."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ...clock import utc_now
from ...target import Target
from .session_processes import User

Creator = Literal["run", "test", "adopted"]

_KEY_DIGITS = 12
_DIGEST_PREFIX = "hmac-sha256:"
_DIGEST = re.compile(re.escape(_DIGEST_PREFIX) + "[0-9a-f]{64}")


def timestamp() -> str:
    """Now, in UTC, as RFC 3339 writes it: ``2026-09-01T12:00:00Z``."""
    return utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Account:
    """A Runpod account as this machine knows it: where it is reached, and by which key.

    ``key_digest`` is the first 12 hex digits of the key's SHA-256.
    """

    management_url: str
    key_digest: str

    @classmethod
    def of(cls, target: Target) -> Account:
        """The account that ``target`` works on."""
        digest = hashlib.sha256(target.api_key.encode()).hexdigest()
        return cls(target.management_url, digest[:_KEY_DIGITS])


@dataclass(frozen=True)
class Scope:
    """Whose records: of one account, one project and one namespace."""

    account: Account
    project: str
    namespace: str


@dataclass(frozen=True)
class Configuration:
    """A ``CreateEndpointRequest`` (REST v2 schema) whose ``env`` values are salted digests.

    ``hash`` is the hex SHA-256 of the request in canonical JSON. Two configurations compare
    equal when their requests do and they were made with one salt.
    """

    request: Mapping[str, Any] = field(hash=False)
    hash: str

    def __post_init__(self) -> None:
        env = self.request.get("env", {})
        if not isinstance(env, Mapping):
            raise ValueError("env is not a table")
        for name, value in env.items():
            if not isinstance(value, str) or not _DIGEST.fullmatch(value):
                raise ValueError(f"the value of env {name!r} is not a digest")
        if self.hash != _hash(self.request):
            raise ValueError("the hash is not that of the request")

    @classmethod
    def of(cls, request: Mapping[str, Any], salt: bytes) -> Configuration:
        """What ``request`` wants, fit to be written down.

        Raises TypeError or ValueError for what JSON cannot carry.
        """
        # Through JSON: no enum, tuple or other class reaches the file.
        plain: dict[str, Any] = json.loads(json.dumps(request, allow_nan=False))
        if env := plain.get("env"):
            plain["env"] = {name: _digest(value, salt) for name, value in env.items()}
        return cls(plain, _hash(plain))


@dataclass(frozen=True)
class CreatedEndpoint:
    """One endpoint of ours, found by its scope and ``resource``, the resource's name.

    ``endpoint_id`` is None for an intent: written before the request to create goes out, so that
    an endpoint whose creation was answered to nobody is known to be ours. ``source_file`` is the
    path of the file that defines the resource. ``created_by`` says whether ``flash run`` or a
    test session made it, or whether it was there already. ``users`` are the sessions that need
    it. ``deleting`` says that its deletion was asked for and is not known to be complete.
    Times are RFC 3339 in UTC.
    """

    resource: str
    endpoint_name: str
    endpoint_id: str | None
    configuration: Configuration
    source_file: str
    created_by: Creator
    users: tuple[User, ...] = ()
    deleting: bool = False
    created_at: str = field(default_factory=timestamp)
    updated_at: str = field(default_factory=timestamp)

    def joined(self, user: User) -> CreatedEndpoint:
        """With ``user`` among its users."""
        others = (each for each in self.users if each != user)
        return replace(self, users=(*others, user))


@dataclass(frozen=True)
class VolumeRecord:
    """A network volume that we created, found by scope, ``name`` and ``data_center``.

    We never delete one. ``id`` is None for an intent to create it.
    """

    name: str
    data_center: str
    id: str | None


def _digest(value: str, salt: bytes) -> str:
    digest = hmac.new(salt, value.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return _DIGEST_PREFIX + digest.hexdigest()


def _hash(request: Mapping[str, Any]) -> str:
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
