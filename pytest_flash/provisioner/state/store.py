"""What this machine made on Runpod: plain data on disk, safe under many processes and kill -9."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from ...errors import ProvisioningError
from . import file_format
from .disk import FOLDER, STATE_FILE, make_private_folder, read_file, replace_file, set_aside
from .file_format import DamagedError, Document, NewerError, RecordEntry, VolumeEntry
from .live_sessions import is_alive, sweep
from .locks import held
from .records import Configuration, CreatedEndpoint, Scope, VolumeRecord, timestamp
from .session_processes import User

__all__ = ["FOLDER", "Contents", "Draft", "State"]

_LOCK = "resources.lock"
_LOCK_NAME_DIGITS = 16
_SALT_BYTES = 16
_CHANGE_POLL_SECONDS = 0.005


class Contents:
    """What the state file said at one moment. Every question is about one scope.

    ``lives`` says of a session whether it has not ended.
    """

    def __init__(self, document: Document, lives: Callable[[User], bool]) -> None:
        self._salt = document.salt
        self._lives = lives
        self._records = {(each.scope, each.record.resource): each for each in document.records}
        self._volumes = {_volume_key(each.scope, each.volume): each for each in document.volumes}

    def record(self, scope: Scope, resource: str) -> CreatedEndpoint | None:
        """The record of the resource named ``resource``."""
        entry = self._records.get((scope, resource))
        return None if entry is None else entry.record

    def records(self, scope: Scope) -> tuple[CreatedEndpoint, ...]:
        """Every record, by resource name."""
        found = (each.record for each in self._records.values() if each.scope == scope)
        return tuple(sorted(found, key=lambda record: record.resource))

    def scopes(self) -> frozenset[Scope]:
        """Whose records there are."""
        return frozenset(each.scope for each in self._records.values())

    def projects(self) -> frozenset[str]:
        """The projects that anything is recorded for."""
        scopes = (*(key[0] for key in self._records), *(key[0] for key in self._volumes))
        return frozenset(scope.project for scope in scopes)

    def volumes(self, scope: Scope) -> tuple[VolumeRecord, ...]:
        """Every volume that we created, by name and data center."""
        found = (each.volume for each in self._volumes.values() if each.scope == scope)
        return tuple(sorted(found, key=lambda volume: (volume.name, volume.data_center)))

    def living(self, record: CreatedEndpoint) -> tuple[User, ...]:
        """The users of ``record`` that have not ended."""
        return tuple(user for user in record.users if self._lives(user))

    def unused(self, scope: Scope, user: User) -> tuple[CreatedEndpoint, ...]:
        """The records that no living session but ``user`` uses."""
        found = (each for each in self.records(scope) if not self._others(each, user))
        return tuple(found)

    def _others(self, record: CreatedEndpoint, user: User) -> tuple[User, ...]:
        return tuple(each for each in record.users if each != user and self._lives(each))

    def configuration(self, request: Mapping[str, Any]) -> Configuration:
        """``request`` (a ``CreateEndpointRequest``) as records of this file carry it.

        It equals that of a record when the requests are equal, ``env`` values included. One that
        goes into a record must come from the draft that the record is put in, since each file
        has its own salt. Raises TypeError or ValueError for what JSON cannot carry.
        """
        return Configuration.of(request, bytes.fromhex(self._salt))


class Draft(Contents):
    """Contents under change. Nothing is on disk before the block of ``State.change`` ends."""

    def put(self, scope: Scope, record: CreatedEndpoint) -> CreatedEndpoint:
        """Record ``record``, in place of the one of its name. Returns it as stored, dated now."""
        stored = replace(record, updated_at=timestamp())
        self._records[scope, record.resource] = RecordEntry(scope, stored)
        return stored

    def join(self, scope: Scope, record: CreatedEndpoint, user: User) -> CreatedEndpoint:
        """As ``put``, with ``user`` among its users, and without those that have ended."""
        return self.put(scope, replace(record, users=self.living(record)).joined(user))

    def remove(self, scope: Scope, resource: str) -> None:
        """Forget the resource named ``resource``, if it is known."""
        self._records.pop((scope, resource), None)

    def put_volume(self, scope: Scope, volume: VolumeRecord) -> None:
        """Record ``volume``, in place of the one of its name and data center."""
        self._volumes[_volume_key(scope, volume)] = VolumeEntry(scope, volume)

    def remove_volume(self, scope: Scope, volume: VolumeRecord) -> None:
        """Forget ``volume``, if it is known."""
        self._volumes.pop(_volume_key(scope, volume), None)

    def take_over(self, former: str, project: str) -> int:
        """Make what is recorded for the project ``former`` that of ``project``; returns how much.

        What ``project`` has a record of already stays where it is.
        """
        moved = 0
        for (scope, resource), entry in tuple(self._records.items()):
            ours = replace(scope, project=project)
            if scope.project == former and (ours, resource) not in self._records:
                del self._records[scope, resource]
                self._records[ours, resource] = RecordEntry(ours, entry.record)
                moved += 1
        for (scope, *place), volume in tuple(self._volumes.items()):
            ours = replace(scope, project=project)
            key = (ours, place[0], place[1])
            if scope.project == former and key not in self._volumes:
                del self._volumes[scope, place[0], place[1]]
                self._volumes[key] = VolumeEntry(ours, volume.volume)
                moved += 1
        return moved

    def leave(self, scope: Scope, user: User) -> tuple[CreatedEndpoint, ...]:
        """Take ``user``, and all that have ended, off every record.

        Returns the records that nobody uses now, whoever used them last. Mark as ``deleting``
        in the same draft those that are to go, so that no other session joins them meanwhile.
        """
        for record in self.records(scope):
            others = self._others(record, user)
            if others != record.users:
                self.put(scope, replace(record, users=others))
        return tuple(record for record in self.records(scope) if not record.users)

    def document(self) -> Document:
        """All of it, those of other scopes as they were."""
        return Document(self._salt, tuple(self._records.values()), tuple(self._volumes.values()))


class State:
    """The state in ``folder``, a project's ``.runpod``. Any number of threads may use it.

    Every method raises StateFileError, which names the path and the reason, where the disk
    refuses, and ProvisioningError where a lock is not had in time, or a newer version wrote the
    file. A file that is damaged or not ours is renamed, never overwritten; the state is empty
    then, and ``on_notice`` gets that in words. ``timeout`` is how long, in seconds, a change
    waits for others.
    """

    def __init__(
        self, folder: Path, *, on_notice: Callable[[str], None], timeout: float = 30.0
    ) -> None:
        self.folder = folder
        self.path = folder / STATE_FILE
        self._on_notice = on_notice
        self._timeout = timeout
        self._seen: tuple[tuple[int, int, int], Document] | None = None

    def read(self) -> Contents:
        """What the file says now. Waits for nobody, and makes no file."""
        try:
            return Contents(self._load(), self.lives)
        except DamagedError:
            with self._locked():
                return Contents(self._load_or_set_aside(), self.lives)

    def lives(self, user: User) -> bool:
        """Whether the session ``user`` has not ended, as far as is known."""
        return is_alive(user, self.folder)

    @contextlib.contextmanager
    def change(self) -> Iterator[Draft]:
        """A draft that no other process or thread changes meanwhile, saved when the block ends.

        Nothing is saved when the block raises. Keep the block short, and do not nest it.
        """
        with self._locked():
            before = self._load_or_set_aside()
            draft = Draft(before, self.lives)
            yield draft
            after = draft.document()
            if after != before:
                self._save(after)

    def take_over(self, former: str, project: str) -> int:
        """As ``Draft.take_over``; nothing is written where there is nothing to take over."""
        if former not in self.read().projects():
            return 0
        with self.change() as draft:
            return draft.take_over(former, project)

    @contextlib.contextmanager
    def creating(self, scope: Scope, resource: str, *, timeout: float = 300.0) -> Iterator[None]:
        """Be the only one, on this machine, who creates or deletes this resource's endpoint.

        Others wait, at most ``timeout`` seconds; look at the record again once inside. Other
        resources go on in parallel.
        """
        make_private_folder(self.folder)
        named = json.dumps([*astuple(scope), resource])
        name = hashlib.sha256(named.encode()).hexdigest()[:_LOCK_NAME_DIGITS]
        lock = self.folder / f"creating-{name}.lock"
        with held(lock, what=f"the endpoint of resource {resource!r}", timeout=timeout):
            yield

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        make_private_folder(self.folder)
        what = f"changing {self.path}"
        lock = self.folder / _LOCK
        with held(lock, what=what, timeout=self._timeout, poll=_CHANGE_POLL_SECONDS):
            yield

    def _load(self) -> Document:
        # Before reading: if the file is replaced meanwhile, it is read again the next time.
        version, seen = _version(self.path), self._seen
        if seen is not None and seen[0] == version:
            return seen[1]
        data = read_file(self.path, file_format.SIZE_LIMIT)
        if data is None:
            return Document(salt=secrets.token_hex(_SALT_BYTES))
        try:
            document = file_format.decode(data)
        except NewerError as error:
            raise ProvisioningError(
                f"{self.path} was written by a newer pytest-flash ({error}); upgrade with "
                "'pip install --upgrade pytest-flash'"
            ) from error
        if version is not None:
            self._seen = version, document
        return document

    def _load_or_set_aside(self) -> Document:
        try:
            return self._load()
        except DamagedError as error:
            kept = set_aside(self.path)
            self._on_notice(
                f"{self.path} cannot be used: {error}. It is kept as {kept.name}; endpoints that "
                "it recorded are found again by their name and owner"
            )
            return Document(salt=secrets.token_hex(_SALT_BYTES))

    def _save(self, document: Document) -> None:
        try:
            data = file_format.encode(document)
        except DamagedError as error:
            raise ProvisioningError(f"{self.path} would not be read again: {error}") from error
        replace_file(self.path, data)
        version = _version(self.path)
        self._seen = None if version is None else (version, document)
        sweep(self.folder, _session_locks(document))


def _version(path: Path) -> tuple[int, int, int] | None:
    """What tells one file at ``path`` from the next: each save is a new one."""
    try:
        found = os.lstat(path)
    except OSError:
        return None  # Reading it tells why.
    return found.st_ino, found.st_mtime_ns, found.st_size


def _session_locks(document: Document) -> frozenset[str]:
    return frozenset(user.lock for each in document.records for user in each.record.users)


def _volume_key(scope: Scope, volume: VolumeRecord) -> tuple[Scope, str, str]:
    return scope, volume.name, volume.data_center
