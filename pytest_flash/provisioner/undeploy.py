"""Deleting endpoints on purpose: those recorded, and those of this project that nothing records."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..clock import utc_now
from ..errors import FlashError, NotFoundError, ProvisioningError, SettingsError
from ..resources.fields import bare_name
from ..runpod import Endpoint, ManagementClient
from .owner import Owner
from .provisioner import Provisioner
from .request_and_drift import OWNER_VARIABLE
from .session_records import SessionRecords
from .state.records import CreatedEndpoint

_AT_ONCE = 3
_AGE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Deployed:
    """A record and what became of it: ``exists`` on the account, ``users`` living sessions."""

    record: CreatedEndpoint
    exists: bool
    users: int


@dataclass(frozen=True)
class Undeploy:
    """What can be deleted on one account, for one project and namespace.

    ``declared``: the project's name is not its folder's alone.
    """

    client: ManagementClient
    provisioner: Provisioner
    session_records: SessionRecords
    declared: bool = True

    def listing(self) -> tuple[Deployed, ...]:
        """Every record of the namespace, checked with one list call."""
        records = self.session_records.records()
        existing = self.client.endpoints() if records else []
        ids = {endpoint.id for endpoint in existing}
        # An intent has no id: its endpoint is known by name and mark.
        marker = Owner(
            self.session_records.scope.project, self.session_records.scope.namespace
        ).marker
        ours = {each.name for each in existing if each.env.get(OWNER_VARIABLE) == marker}
        return tuple(
            Deployed(
                each,
                each.endpoint_id in ids if each.endpoint_id else each.endpoint_name in ours,
                len(self.session_records.living(each)),
            )
            for each in records
        )

    def elsewhere(self) -> tuple[str, ...]:
        """How many endpoints this state file has for others, and whose they are, in words."""
        mine, contents = self.session_records.scope, self.session_records.state.read()
        told = []
        for scope in contents.scopes() - {mine}:
            whose = f"of namespace {scope.namespace} (--namespace {scope.namespace})"
            if scope.account != mine.account:
                whose = "made with another API key, or at another URL"
            elif scope.project != mine.project:
                whose = f"of project {scope.project}"
            told.append(f"{len(contents.records(scope))} {whose}")
        return tuple(sorted(told))

    def named(self, names: Sequence[str]) -> tuple[CreatedEndpoint, ...]:
        """The records of resources or endpoints called ``names``.

        Raises ProvisioningError for a name that has none.
        """
        records = self.session_records.records()
        found = {}
        for name in names:
            known_as = {name, bare_name(name)}
            matches = [each for each in records if known_as & {each.resource, each.endpoint_name}]
            if not matches:
                raise ProvisioningError(
                    f"no endpoint {name!r} is recorded in {self.session_records.state.path}; "
                    f"{_nearest(name, records)}"
                )
            found.update({each.resource: each for each in matches})
        return tuple(found.values())

    def unrecorded(
        self, older_than: timedelta | None = None, *, all_namespaces: bool = False
    ) -> tuple[Endpoint, ...]:
        """Endpoints with this project's marker that no record explains, of its own namespace.

        Such as those of a machine that is gone. With ``all_namespaces`` of any, whoever uses them.
        With ``older_than`` only those that were created so long ago; one that does not say when it
        was counts as young. Raises SettingsError for a project that is named by its folder alone.
        """
        if not self.declared:
            raise SettingsError(
                f"--unrecorded deletes whatever carries the mark of project "
                f"{self.session_records.scope.project!r}, and no pyproject.toml of yours declares "
                "that name: any folder that is called so may have made it. Give the project a name "
                'of its own in [tool.flash] of pyproject.toml, such as project = "my-project"'
            )
        return tuple(
            endpoint
            for endpoint in self.client.endpoints()
            if self._is_unrecorded(endpoint, all_namespaces) and _is_old(endpoint, older_than)
        )

    def delete(self, records: Iterable[CreatedEndpoint]) -> dict[str, FlashError]:
        """Delete recorded endpoints; what is left, and why."""
        return self.provisioner.remove(records)

    def delete_unrecorded(self, endpoints: Sequence[Endpoint]) -> dict[str, FlashError]:
        """Delete endpoints that ``unrecorded`` gave; what is left, and why."""
        failed: dict[str, FlashError] = {}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            futures = [(each, pool.submit(self._delete_unrecorded, each)) for each in endpoints]
            for endpoint, future in futures:
                try:
                    future.result()
                except FlashError as error:
                    failed[f"{endpoint.name} ({endpoint.id})"] = error
        return failed

    def _delete_unrecorded(self, endpoint: Endpoint) -> None:
        try:
            now = self.client.endpoint(endpoint.id)
        except NotFoundError:
            return
        # Somebody was asked meanwhile, and may have taken their time.
        same = now.env.get(OWNER_VARIABLE) == endpoint.env.get(OWNER_VARIABLE)
        if not same or not self._is_unrecorded(now, all_namespaces=True):
            raise ProvisioningError(
                f"endpoint {now.name!r} ({now.id}) was taken over meanwhile, so it is left alone"
            )
        self.client.delete(now.id)

    def _is_unrecorded(self, endpoint: Endpoint, all_namespaces: bool) -> bool:
        mine = self.session_records.scope
        project, separator, namespace = endpoint.env.get(OWNER_VARIABLE, "").rpartition("/")
        if not separator or project != mine.project:
            return False
        if namespace != mine.namespace and not all_namespaces:
            return False
        records = self.session_records.state.read().records(replace(mine, namespace=namespace))
        return all(
            each.endpoint_id != endpoint.id
            and not (each.endpoint_id is None and each.endpoint_name == endpoint.name)
            for each in records
        )


def _nearest(name: str, records: Iterable[CreatedEndpoint]) -> str:
    known = {each.resource: each.resource for each in records}
    by_any_name = known | {each.endpoint_name: each.resource for each in records}
    near = difflib.get_close_matches(name, by_any_name, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"it has {', '.join(known) or 'nothing'}"


def owner_of(endpoint: Endpoint) -> str:
    """Whose it is, by its marker: ``<project>/<namespace>``; empty without one."""
    return endpoint.env.get(OWNER_VARIABLE, "")


def parse_age(text: str) -> timedelta:
    """A time such as ``90s``, ``30m``, ``2h`` or ``7d``; SettingsError for anything else."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise SettingsError(f"--older-than {text!r} is not an age; write 90s, 30m, 2h or 7d")
    try:
        return timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
    except OverflowError as error:
        raise SettingsError(f"--older-than {text!r} is too long ago") from error


def _is_old(endpoint: Endpoint, older_than: timedelta | None) -> bool:
    if older_than is None:
        return True
    created = _created(endpoint)
    return created is not None and created <= utc_now() - older_than


def _created(endpoint: Endpoint) -> datetime | None:
    """When it was created; None where it does not say, as RFC 3339 does, in which zone too."""
    text = str((endpoint.model_extra or {}).get("createdAt", ""))
    try:
        # Python 3.10 reads neither the Z nor fractions of any length.
        created = datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return None if created.tzinfo is None else created
