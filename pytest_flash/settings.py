"""Settings, each with where its value came from.

The order is: option, environment, ``.env``, configuration file, default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Generic, TypeVar

from .errors import SettingsError
from .files import read_text_limited

T = TypeVar("T")

API_KEY = "RUNPOD_API_KEY"
MANAGEMENT_URL = "RUNPOD_API_BASE_URL"
QUEUE_URL = "RUNPOD_ENDPOINT_BASE_URL"

# Of a .env file: beyond any honest one.
_SIZE_LIMIT = 1 << 20


@dataclass(frozen=True)
class Sourced(Generic[T]):
    """A value and, in words fit for a message, where it came from."""

    value: T
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
        """The value of ``name``; an empty one counts as absent."""
        if value := self.process.get(name):
            return Sourced(value, "environment")
        if value := self.dotenv.get(name):
            return Sourced(value, str(self.dotenv_path))
        return None

    def value(self, name: str) -> str | None:
        """As ``get``, without the source."""
        found = self.get(name)
        return found.value if found else None

    def missing(self) -> dict[str, str]:
        """What ``.env`` adds to the process environment; what is set there stays as it is."""
        return {name: value for name, value in self.dotenv.items() if name not in self.process}


def read_environment(folder: Path, env_file: Path | None = None) -> Environment:
    """The environment of this process and of ``env_file``, by default ``.env`` in ``folder``.

    Raises SettingsError when a file that was named is missing or any is unreadable.
    """
    path = env_file if env_file is not None else folder / ".env"
    process = dict(os.environ)
    if not path.is_file():
        if env_file is not None:
            what = "it is not a regular file" if path.exists() else "no such file"
            raise SettingsError(f"{env_file}: {what} (named with --env-file)")
        return Environment(process=process, dotenv_path=path)
    return Environment(process=process, dotenv=_read_dotenv(path), dotenv_path=path)


def read_process_environment() -> Environment:
    """The environment of this process alone."""
    return Environment(process=dict(os.environ))


def _read_dotenv(path: Path) -> dict[str, str]:
    # Imported here: a pytest run that uses none of the fixtures pays nothing for it.
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        text = read_text_limited(path, _SIZE_LIMIT)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SettingsError(f"{path} cannot be read: {reason}") from error
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise SettingsError(
                f"{path}:{binding.original.line}: not a NAME=value line "
                "(quote values that hold spaces or '#')"
            )
    values = dotenv_values(stream=StringIO(text))
    return {name: value for name, value in values.items() if value is not None}
