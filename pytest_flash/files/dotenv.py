"""Reading a ``.env`` file, which anyone may have written: it may not pick up what is set here.

Syntax and expansion are python-dotenv's. It expands ``${NAME}`` from the process environment, so
that a file could send any secret of the shell to a host that it names. The names that we act on
are therefore expanded from the file alone.
"""

from __future__ import annotations

import codecs
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..network.proxies import is_network_name
from .opening import read_limited

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dotenv.parser import Binding

_OURS = ("RUNPOD_", "FLASH_", "PYTEST_FLASH_")
# Beyond any honest file.
_SIZE_LIMIT = 1 << 20
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def is_acted_on(name: str) -> bool:
    """Whether a variable of this name changes what we do, or where our requests go."""
    return name.startswith(_OURS) or is_network_name(name)


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of the file at ``path``, expanded.

    Raises SettingsError, with file and line, for a file that is not UTF-8 text, a line that is no
    assignment, and a variable that we act on whose value the file does not state itself.
    """
    # Imported here: a pytest run that uses none of the fixtures pays nothing for it.
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    text = _text(path)
    bindings = list(parse_stream(StringIO(text)))
    for binding in bindings:
        if binding.error or "=" in (binding.key or ""):
            raise SettingsError(
                f"{path}:{binding.original.line}: not a NAME=value line "
                "(quote values that hold spaces or '#')"
            )
    _refuse_borrowed(path, bindings)
    values = dotenv_values(stream=StringIO(text))
    return {name: value for name, value in values.items() if value is not None}


def _text(path: Path) -> str:
    try:
        data = read_limited(path, _SIZE_LIMIT)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from error
    if data.startswith(_WIDE) or b"\0" in data:
        raise SettingsError(f"{path} cannot be read: it is not UTF-8 text; save it as UTF-8")
    try:
        # Some editors begin a file with byte order marks, which would become part of a name.
        return data.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{path}:{line} cannot be read: it is not UTF-8 text; save it as UTF-8"
        ) from error


def _refuse_borrowed(path: Path, bindings: Iterable[Binding]) -> None:
    """Raise SettingsError where a variable that we act on takes something from the environment.

    Through other variables of the file too. One that is set to itself (``A=${A}``) says what holds
    without that line.
    """
    from dotenv.variables import Variable, parse_variables

    stated: set[str] = set()
    for binding in bindings:
        if binding.key is None or binding.value is None:
            continue
        used = [each.name for each in parse_variables(binding.value) if isinstance(each, Variable)]
        borrowed = [name for name in used if name not in stated]
        foreign = [name for name in borrowed if name != binding.key]
        if foreign and is_acted_on(binding.key):
            raise SettingsError(
                f"{path}:{binding.original.line}: {binding.key} takes ${{{foreign[0]}}}, which "
                "this file does not define by itself: what is set in your shell does not go into "
                f"settings. Write the value, or export {binding.key} instead"
            )
        if borrowed:
            stated.discard(binding.key)
        else:
            stated.add(binding.key)
