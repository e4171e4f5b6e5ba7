"""Environment variables of workers: what a name may be, and which are not the user's to set.

Nothing here puts a variable's value into a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

OWNER_VARIABLE = "PYTEST_FLASH_OWNER"
"""Marks an endpoint as created by pytest-flash, and says for which project."""

_KEY = "RUNPOD_API_KEY"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# runpod worker SDK 1.12.0, and Runpod docs, environment-variables.
_SET_BY_PLATFORM = re.compile(
    r"RUNPOD_(WEBHOOK_\w+|REALTIME_\w+|TCP_PORT_\w+|PING_INTERVAL|AI_API_KEY|POD_ID|POD_HOSTNAME"
    r"|ENDPOINT_ID|DC_ID|GPU_COUNT|CPU_COUNT|PUBLIC_IP|VOLUME_ID)"
)


def set_by_platform(name: str) -> bool:
    """Whether Runpod gives workers this variable, so that no resource may."""
    return _SET_BY_PLATFORM.fullmatch(name) is not None


def environment(value: object) -> dict[str, str]:
    """A checked copy of a mapping of names to strings; ValueError lists all that is wrong."""
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a dict of strings, not {_kind(value)}")
    problems = [problem for item in value.items() if (problem := _problem(*item))]
    if problems:
        raise ValueError("; ".join(problems))
    return dict(value)


def leave_out_key(said: dict[str, Any]) -> Iterator[str]:
    """Take the variable that holds the user's own key out of the ``env`` of ``said``, in whatever
    form; says so."""
    env = said.get("env")
    if isinstance(env, Mapping) and _KEY in env:
        said["env"] = {name: value for name, value in env.items() if name != _KEY}
    elif isinstance(env, Sequence) and any(_key_of(item) == _KEY for item in env):
        said["env"] = [item for item in env if _key_of(item) != _KEY]
    else:
        return
    yield (
        f"{_KEY} is left out of env: it stays on this machine; if a function needs a key, pass "
        "one made for it under another name"
    )


def _key_of(item: object) -> object:
    return item.get("key") if isinstance(item, Mapping) else getattr(item, "key", None)


def secret(value: object) -> str:
    """A string that may be a secret: whatever else it is, it is not shown."""
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {_kind(value)}")
    return value


def pairs(value: object) -> object:
    """Turn the official SDK's list of ``{"key": …, "value": …}`` into a dict.

    Anything that is not a list or tuple is returned as it is. Raises ValueError for items of
    another form and for a key that is given twice.
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    found: dict[object, object] = {}
    for index, item in enumerate(value):
        fields = item if isinstance(item, Mapping) else getattr(item, "__dict__", {})
        if set(fields) != {"key", "value"}:
            raise ValueError(f"item {index} must have a key and a value, and nothing else")
        if fields["key"] in found:
            raise ValueError(f"item {index} repeats the key {_shown(fields['key'])}")
        found[fields["key"]] = fields["value"]
    return found


def _problem(name: object, value: object) -> str | None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return (
            f"{_shown(name)} is not a variable name (letters, digits and '_', "
            "not starting with a digit)"
        )
    if name == OWNER_VARIABLE:
        return f"{name} marks whose endpoint it is and is set by pytest-flash; leave it out"
    if set_by_platform(name):
        return f"{name} is set by Runpod in every worker; leave it out, or choose another name"
    if not isinstance(value, str):
        return f"{name} must be a string, not {_kind(value)}"
    return f"{name} contains a NUL character" if "\0" in value else None


def _shown(name: object) -> str:
    # "TOKEN=secret" is a likely slip: what follows the sign may be a value.
    return repr(name.split("=")[0]) if isinstance(name, str) else _kind(name)


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
