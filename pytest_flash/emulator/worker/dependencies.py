"""Makes importable what a function declares, by asking the emulator for it."""

from __future__ import annotations

from typing import Any

from .function_protocol import FunctionRequest
from .http.http_text import decode_json
from .platform_client import PlaneError, WorkerPlane
from .process.search_path import SearchPath


class DependencyRefusedError(Exception):
    """The declared packages cannot be had; the text is for the caller of the function."""


class Dependencies:
    """Remembers what it made importable: a warm call asks nothing."""

    def __init__(self, plane: WorkerPlane, search_path: SearchPath) -> None:
        self._plane = plane
        self._search_path = search_path
        self._provided: dict[tuple[str, ...], list[str]] = {}
        self._noted: set[tuple[str, ...]] = set()

    def at_hand(self, request: FunctionRequest) -> bool:
        """Whether ``ensure`` needs to ask nobody."""
        wanted = tuple(request.dependencies or ())
        return not wanted or wanted in self._provided

    def ensure(self, request: FunctionRequest) -> str:
        """Make ``request.dependencies`` importable; lines for the job's stdout, or nothing.

        Blocks while packages are installed, unless they are ``at_hand``.
        Raises DependencyError with the installer's words.
        """
        notes = self._note_system(tuple(request.system_dependencies or ()))
        wanted = tuple(request.dependencies or ())
        if not wanted:
            return notes
        if wanted not in self._provided:
            paths, installed = self._provide(request)
            self._provided[wanted] = paths
            notes += installed
        self._search_path.declare(self._provided[wanted])
        return notes

    def _note_system(self, names: tuple[str, ...]) -> str:
        if not names or names in self._noted:
            return ""
        self._noted.add(names)
        return f"system_dependencies {list(names)} are not installed by the emulator\n"

    def _provide(self, request: FunctionRequest) -> tuple[list[str], str]:
        wanted = request.dependencies or []
        try:
            reply = self._plane.provide(wanted, request.system_dependencies or [])
        except PlaneError as error:
            raise _failure(wanted, str(error)) from error
        try:
            answer: dict[str, Any] = decode_json(reply.body.decode())
            if reply.status == 200:
                return list(answer["paths"]), _lines(str(answer.get("notes") or ""))
            reason = str(answer["error"])
        except (ValueError, KeyError, TypeError):
            reason = f"the emulator answered {reply.status}: {reply.body[:500]!r}"
        raise _failure(wanted, reason)


def _failure(wanted: list[str], reason: str) -> DependencyRefusedError:
    return DependencyRefusedError(f"dependencies {wanted} could not be installed\n{reason}")


def _lines(notes: str) -> str:
    return notes if not notes or notes.endswith("\n") else f"{notes}\n"
