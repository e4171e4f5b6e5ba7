"""One session's view of the state file: the records of its scope, with the session among users."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..errors import StateFileError
from ..runpod import Endpoint
from .plan import Wanted
from .state.records import CreatedEndpoint, Creator, Scope, VolumeRecord
from .state.session_processes import User
from .state.store import State


@dataclass(frozen=True)
class SessionRecords:
    """Reads and writes records for one session.

    ``creator`` says whether the session is a ``flash run`` or a test run. Every method raises
    ProvisioningError where the state file cannot be used, a StateFileError where the disk refuses.
    """

    state: State
    scope: Scope
    user: User
    creator: Creator

    def record(self, resource: str) -> CreatedEndpoint | None:
        """The record of a resource."""
        return self.state.read().record(self.scope, resource)

    def records(self) -> tuple[CreatedEndpoint, ...]:
        """Every record of the scope."""
        return self.state.read().records(self.scope)

    @contextlib.contextmanager
    def alone(self, resource: str, *, at_least: bool = True) -> Iterator[None]:
        """Be the only session on this machine that creates or deletes this endpoint.

        Without ``at_least`` go on alone or not where the disk refuses the lock: whoever would
        create something meanwhile could not write that down either.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.state.creating(self.scope, resource))
            except StateFileError:
                if at_least:
                    raise
            yield

    def living(self, record: CreatedEndpoint) -> tuple[User, ...]:
        """The sessions that use the endpoint of ``record`` and have not ended."""
        return tuple(each for each in record.users if self.state.lives(each))

    def others(self, record: CreatedEndpoint) -> tuple[User, ...]:
        """As ``living``, without this session."""
        return tuple(each for each in self.living(record) if each != self.user)

    def intend(self, wanted: Wanted, *, in_place: bool = False) -> None:
        """Write down that an endpoint is about to be created.

        ``in_place`` of the recorded one, whose creator it keeps: what ``flash run`` made is not a
        test session's to delete because that had to make it anew.
        """
        known = self.record(wanted.recorded_as) if in_place else None
        self._put(wanted, None, known.created_by if known else self.creator)

    def settle(self, wanted: Wanted, endpoint: Endpoint, *, adopted: bool = False) -> None:
        """Write down that ``endpoint`` is that of ``wanted``, and that this session uses it.

        ``adopted``: no record named it. Where there is an intent to create it, whoever wrote that
        did so.
        """
        known = self.record(wanted.recorded_as)
        creator: Creator = "adopted" if adopted else self.creator
        if known is not None and (not adopted or known.endpoint_id is None):
            creator = known.created_by
        self._put(wanted, endpoint.id, creator)

    def forget(self, resource: str) -> None:
        """Remove a record: its endpoint does not exist."""
        with self.state.change() as draft:
            draft.remove(self.scope, resource)

    def condemn(self, resource: str) -> None:
        """Write down that an endpoint is about to be deleted."""
        with self.state.change() as draft:
            record = draft.record(self.scope, resource)
            if record is not None:
                draft.put(self.scope, replace(record, deleting=True))

    def put_volume(self, volume: VolumeRecord) -> None:
        """Write down a network volume that was or will be created. Nothing here deletes one."""
        with self.state.change() as draft:
            draft.put_volume(self.scope, volume)

    def forget_volume(self, volume: VolumeRecord) -> None:
        """Remove the record of a volume: it was not created."""
        with self.state.change() as draft:
            draft.remove_volume(self.scope, volume)

    def volumes(self) -> tuple[VolumeRecord, ...]:
        """The network volumes that were created in this scope."""
        return self.state.read().volumes(self.scope)

    def leave(self, *, keep: bool) -> tuple[CreatedEndpoint, ...]:
        """End this session's use. Returns what is to be deleted, marked so.

        That is what test sessions created and nobody living uses; nothing with ``keep``. Where
        the disk refuses, nothing is marked: this session's end shows by itself.
        """
        try:
            return self._leave(keep)
        except StateFileError:
            unused = self.state.read().unused(self.scope, self.user)
            return () if keep else tuple(each for each in unused if each.created_by == "test")

    def _leave(self, keep: bool) -> tuple[CreatedEndpoint, ...]:
        with self.state.change() as draft:
            unused = draft.leave(self.scope, self.user)
            if keep:
                return ()
            doomed = [record for record in unused if record.created_by == "test"]
            return tuple(draft.put(self.scope, replace(record, deleting=True)) for record in doomed)

    def _put(self, wanted: Wanted, endpoint_id: str | None, creator: Creator) -> None:
        with self.state.change() as draft:
            known = draft.record(self.scope, wanted.recorded_as)
            record = CreatedEndpoint(
                resource=wanted.recorded_as,
                endpoint_name=wanted.endpoint_name,
                endpoint_id=endpoint_id,
                configuration=draft.configuration(wanted.request),
                source_file=wanted.source_file,
                created_by=creator,
                users=known.users if known else (),
            )
            if known is not None and known.endpoint_id == endpoint_id:
                record = replace(record, created_at=known.created_at)
            draft.join(self.scope, record, self.user)
