"""Deleting endpoints on purpose: those recorded, and those of this project that nothing records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from ..errors import FlashError, ProvisioningError, SettingsError
from ..resources.fields import bare_name
from ..runpod import Endpoint, ManagementClient
from .ledger import Ledger
from .owner import Owner
from .provisioner import Provisioner
from .records import Record
from .spec import OWNER_VARIABLE

_AT_ONCE = 3
_AGE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Deployed:
    """A record and what became of it: ``exists`` on the account, ``users`` living sessions."""

    record: Record
    exists: bool
    users: int


@dataclass(frozen=True)
class Undeploy:
    """What can be deleted on one account, for one project and namespace."""

    client: ManagementClient
    provisioner: Provisioner
    ledger: Ledger

    def listing(self) -> tuple[Deployed, ...]:
        """Every record of the namespace, checked with one list call."""
        records = self.ledger.records()
        existing = self.client.endpoints() if records else []
        ids = {endpoint.id for endpoint in existing}
        # An intent has no id: its endpoint is known by name and mark.
        marker = Owner(self.ledger.scope.project, self.ledger.scope.namespace).marker
        ours = {each.name for each in existing if each.env.get(OWNER_VARIABLE) == marker}
        return tuple(
            Deployed(
                each,
                each.endpoint_id in ids if each.endpoint_id else each.endpoint_name in ours,
                len(self.ledger.living(each)),
            )
            for each in records
        )

    def elsewhere(self) -> tuple[str, ...]:
        """How many endpoints this state file has for others, and whose they are, in words."""
        mine, contents = self.ledger.scope, self.ledger.state.read()
        told = []
        for scope in contents.scopes() - {mine}:
            whose = f"of namespace {scope.namespace} (--namespace {scope.namespace})"
            if scope.account != mine.account:
                whose = "made with another API key, or at another URL"
            elif scope.project != mine.project:
                whose = f"of project {scope.project}"
            told.append(f"{len(contents.records(scope))} {whose}")
        return tuple(sorted(told))

    def named(self, names: Sequence[str]) -> tuple[Record, ...]:
        """The records of resources or endpoints called ``names``.

        Raises ProvisioningError for a name that has none.
        """
        records = self.ledger.records()
        found = {}
        for name in names:
            known_as = {name, bare_name(name)}
            matches = [each for each in records if known_as & {each.resource, each.endpoint_name}]
            if not matches:
                known = ", ".join(each.resource for each in records) or "nothing"
                raise ProvisioningError(
                    f"no endpoint {name!r} is recorded in {self.ledger.state.path}; it has {known}"
                )
            found.update({each.resource: each for each in matches})
        return tuple(found.values())

    def unrecorded(self, older_than: timedelta = timedelta()) -> tuple[Endpoint, ...]:
        """Endpoints with this project's marker, of any namespace, that no record explains.

        Such as those of a machine that is gone. ``older_than`` counts from their creation.
        """
        latest = datetime.now(timezone.utc) - older_than
        return tuple(
            endpoint
            for endpoint in self.client.endpoints()
            if self._is_unrecorded(endpoint) and _created(endpoint) <= latest
        )

    def delete(self, records: Iterable[Record]) -> dict[str, FlashError]:
        """Delete recorded endpoints; what is left, and why."""
        return self.provisioner.remove(records)

    def delete_unrecorded(self, endpoints: Sequence[Endpoint]) -> dict[str, FlashError]:
        """Delete endpoints that ``unrecorded`` gave; what is left, and why."""
        failed: dict[str, FlashError] = {}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            futures = [(each, pool.submit(self.client.delete, each.id)) for each in endpoints]
            for endpoint, future in futures:
                try:
                    future.result()
                except FlashError as error:
                    failed[endpoint.name] = error
        return failed

    def _is_unrecorded(self, endpoint: Endpoint) -> bool:
        project, separator, namespace = endpoint.env.get(OWNER_VARIABLE, "").rpartition("/")
        if not separator or project != self.ledger.scope.project:
            return False
        scope = replace(self.ledger.scope, namespace=namespace)
        records = self.ledger.state.read().records(scope)
        return all(
            each.endpoint_id != endpoint.id
            and not (each.endpoint_id is None and each.endpoint_name == endpoint.name)
            for each in records
        )


def parse_age(text: str) -> timedelta:
    """A time such as ``90s``, ``30m``, ``2h`` or ``7d``; SettingsError for anything else."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise SettingsError(f"--older-than {text!r} is no time; write 90s, 30m, 2h or 7d")
    try:
        return timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
    except OverflowError as error:
        raise SettingsError(f"--older-than {text!r} is too long ago") from error


def _created(endpoint: Endpoint) -> datetime:
    text = str((endpoint.model_extra or {}).get("createdAt", ""))
    try:
        # Python 3.10 reads neither the Z nor fractions of any length.
        return datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))
    except ValueError:
        # Of unknown age: young, so that nothing is deleted by mistake.
        return datetime.max.replace(tzinfo=timezone.utc)
