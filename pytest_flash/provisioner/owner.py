"""Who endpoints belong to: a project, and a namespace that keeps runs on one account apart."""

from __future__ import annotations

import hashlib
import re
import secrets
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import SettingsError
from ..settings import Environment, Sourced

DEFAULT_NAMESPACE = "default"

# What a person may choose, and what a CI run is given.
_PATTERN = re.compile(r"[a-z0-9]{1,16}|ci-[0-9a-f]{8}")
_VARIABLE = "FLASH_NAMESPACE"
# What tells one run of a CI service from another, on the services that say.
_RUN_VARIABLES = (
    "GITHUB_RUN_ID",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_JOB",
    "CI_JOB_ID",
    "CIRCLE_WORKFLOW_JOB_ID",
    "BUILDKITE_JOB_ID",
    "BUILD_TAG",
    "BUILD_BUILDID",
)


@dataclass(frozen=True)
class Owner:
    """A project and a namespace. The default namespace leaves no trace in names.

    ``former_project`` is what older versions called the project, where that was another name;
    empty where it was not. Other projects may have been called so too.
    """

    project: str
    namespace: str = DEFAULT_NAMESPACE
    former_project: str = ""

    @property
    def marker(self) -> str:
        """The value of ``PYTEST_FLASH_OWNER`` in an endpoint's environment."""
        return f"{self.project}/{self.namespace}"

    @property
    def former_marker(self) -> str:
        """As ``marker``, of the former name; empty where there is none.

        It proves nothing by itself: only an endpoint whose id is recorded is ours by it.
        """
        return f"{self.former_project}/{self.namespace}" if self.former_project else ""

    def endpoint_name(self, resource: str) -> str:
        """``live-<name>``, or ``live-<namespace>-<name>``."""
        # Here, since that module brings all resources, and the namespace is known before them.
        from .request_and_drift import live_name

        return live_name(resource, None if self.namespace == DEFAULT_NAMESPACE else self.namespace)


def undeploy_command(namespace: str, names: Iterable[str]) -> str:
    """The command that deletes the recorded endpoints of these names, in the project's folder."""
    option = () if namespace == DEFAULT_NAMESPACE else ("--namespace", namespace)
    return shlex.join(["flash", "undeploy", *option, *names])


def check_namespace(given: Sourced[str]) -> None:
    """Raise SettingsError for anything but 1 to 16 lower-case letters and digits."""
    if not _PATTERN.fullmatch(given.value):
        raise SettingsError(
            f"namespace {given.value!r} ({given.source}) must be 1 to 16 lower-case letters "
            "and digits"
        )


def choose_namespace(
    option: str | None, environment: Environment, *, live: bool, named: str = "--namespace"
) -> str:
    """The namespace: ``option``, which is ``named`` so, else ``FLASH_NAMESPACE``, else a CI run's.

    Under ``CI`` the default for a ``live`` target is ``ci-`` and 8 hex digits, the same for every
    process of a run where the service tells runs apart. Else it is ``default``.
    Raises SettingsError for anything but 1 to 16 lower-case letters and digits.
    """
    given = Sourced(option, named) if option else environment.get(_VARIABLE)
    if given is not None:
        check_namespace(given)
        return given.value
    if not live or not environment.value("CI"):
        return DEFAULT_NAMESPACE
    run = [environment.value(name) or "" for name in _RUN_VARIABLES]
    seed = "/".join(run) if any(run) else secrets.token_hex(8)
    return f"ci-{hashlib.sha256(seed.encode()).hexdigest()[:8]}"
