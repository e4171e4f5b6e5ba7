"""Settings, each with where its value came from.

The order is: option, environment, ``.env``, configuration file, default.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from .errors import SettingsError
from .files.dotenv import is_acted_on, read_dotenv
from .network.proxies import Network
from .security.api_key import Secret, holds

T = TypeVar("T")

API_KEY = "RUNPOD_API_KEY"
MANAGEMENT_URL = "RUNPOD_API_BASE_URL"
QUEUE_URL = "RUNPOD_ENDPOINT_BASE_URL"

NO_KEY = "pytest-flash-is-not-live"
"""What stands in place of the key where official SDKs may not reach Runpod; it counts as none."""

GUEST_KEY = "PYTEST_FLASH_GUEST_KEY"
"""Says which key is the embedded Runpod's, set for an official SDK: to us it counts as none."""

LOADED = "PYTEST_FLASH_DOTENV"
"""Says which of a process's variables came from a ``.env`` file: those that we act on."""


@dataclass(frozen=True)
class Sourced(Generic[T]):
    """A value and, in words fit for a message, where it came from."""

    value: T = field(repr=False)
    source: str


@dataclass(frozen=True)
class Environment:
    """The process environment over a ``.env`` file. Values stay out of the repr.

    ``dotenv_path`` is where the file was looked for, None where it was not.
    """

    process: Mapping[str, str] = field(repr=False)
    dotenv: Mapping[str, str] = field(repr=False, default_factory=dict)
    dotenv_path: Path | None = None

    def get(self, name: str) -> Sourced[str] | None:
        """The value of ``name``; an empty one counts as absent.

        Raises SettingsError where the value of the API key stands in another variable: it would be
        shown, looked up as a host, or sent with a configuration.
        """
        found = self._get(name)
        if found is not None and name != API_KEY:
            key = self._get(API_KEY)
            if key is not None and holds(found.value, key.value):
                raise SettingsError(
                    f"{name} ({found.source}) holds the value of {API_KEY}, which goes into no "
                    "other setting; take it out there"
                )
        return found

    def value(self, name: str) -> str | None:
        """As ``get``, without the source."""
        found = self.get(name)
        return found.value if found else None

    @property
    def key(self) -> str | None:
        """The API key."""
        return self.value(API_KEY)

    @property
    def network(self) -> Network:
        """How requests that carry the key go out.

        As the process was told, and ``.env`` besides only if the key comes from there too.
        """
        ours = dict(self.process)
        if not _key_of(self.process) and self.dotenv.get(API_KEY):
            ours.update((name, value) for name, value in self.dotenv.items() if name not in ours)
        return Network.of(ours)

    def missing(self) -> dict[str, str]:
        """What ``.env`` adds to the process environment; what is set there stays as it is.

        With a variable that says which of ours came so, for processes that inherit them.
        """
        added = {name: value for name, value in self.dotenv.items() if name not in self.process}
        names = sorted(filter(is_acted_on, added))
        if names:
            # Last, whatever the file itself says there.
            added[LOADED] = json.dumps([str(self.dotenv_path), *names])
        return added

    def _get(self, name: str) -> Sourced[str] | None:
        value, source = self.process.get(name), "environment"
        if name == API_KEY:
            value = _key_of(self.process)
        if not value:
            value, source = self.dotenv.get(name), str(self.dotenv_path)
        if not value:
            return None
        return Sourced(Secret(value) if name == API_KEY else value, source)


def read_environment(folder: Path, env_file: Path | None = None) -> Environment:
    """The environment of this process and of ``env_file``, by default ``.env`` in ``folder``.

    Raises SettingsError when a file that was named is missing or any is unreadable.
    """
    # Absolute: a file called "environment" would pass for the environment.
    path = env_file.absolute() if env_file is not None else folder / ".env"
    inherited = read_process_environment()
    if not path.is_file():
        if env_file is not None:
            what = "it is not a regular file" if path.exists() else "no such file"
            raise SettingsError(f"{env_file}: {what} (named with --env-file)")
        return replace(inherited, dotenv_path=inherited.dotenv_path or path)
    return Environment(inherited.process, read_dotenv(path), path)


def read_process_environment() -> Environment:
    """The environment of this process alone, and of the ``.env`` that it was loaded from."""
    process = dict(os.environ)
    path, names = _loaded(process.pop(LOADED, ""))
    dotenv = {name: process.pop(name) for name in names if name in process}
    return Environment(process, dotenv, path)


def _key_of(process: Mapping[str, str]) -> str | None:
    key = process.get(API_KEY)
    return None if key in (NO_KEY, process.get(GUEST_KEY)) else key


def _loaded(text: str) -> tuple[Path | None, list[str]]:
    try:
        path, *names = json.loads(text)
        return Path(path), [name for name in names if isinstance(name, str)]
    except (ValueError, TypeError):
        return None, []  # It is not set, or somebody else's.
