"""Projects of any names on one account: none has another's mark, or deletes what another made."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from pytest_flash import LiveServerless
from pytest_flash.errors import ConfigurationError, ProvisioningError, SettingsError
from pytest_flash.events import ignore
from pytest_flash.project import Project, find_project
from pytest_flash.provisioner.account_volumes import AccountVolumes
from pytest_flash.provisioner.endpoint_specification import EndpointSpecification
from pytest_flash.provisioner.owner import Owner
from pytest_flash.provisioner.provisioner import Provisioner
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.provisioner.undeploy import Undeploy
from pytest_flash.runpod import Endpoint, ManagementClient
from pytest_flash.session import Identity, ledger_of
from pytest_flash.settings import Environment
from pytest_flash.target import Target
from tests.support.environment import LIVE_IMAGES

FILE = "/app/main.py"

# Equal after cleaning, empty after it, and what looks like a cleaned one.
ALIKE = st.sampled_from(
    [
        "app",
        "项目一",
        "プロジェクト",
        "my app",
        "my-app",
        "my--app",
        "-my-app",
        "my_app",
        "My-app",
        "~",
    ]
)
CHARACTERS = st.characters(exclude_categories=["Cs"])
PROJECTS = ALIKE | st.text(CHARACTERS, min_size=1, max_size=191) | st.text("a-~ é", min_size=191)


def _fits(name: str) -> bool:
    return not set(name) & {"/", "\0"} and name not in (".", "..") and len(name.encode()) <= 200


FOLDERS = (ALIKE | st.text(CHARACTERS, min_size=1, max_size=60)).filter(_fits)
NAMESPACES = st.just("default") | st.sampled_from(["a", "a1", "app", "ci0", "0"])
RESOURCES = st.sampled_from(["a", "gpu", "a-gpu", "a1-gpu", "live-gpu", "ünï", "模型", "x" * 150])


@dataclass(frozen=True)
class Named:
    """What names a project: its folder, or the file in it."""

    folder: str
    declared: str | None

    @property
    def name(self) -> tuple[str, str]:
        """Two that are equal here are one project by name."""
        return ("declared", self.declared) if self.declared else ("folder", self.folder)

    def made_in(self, home: Path) -> Project:
        folder = home / self.folder
        folder.mkdir()
        if self.declared is not None:
            escaped = "".join(f"\\U{ord(each):08x}" for each in self.declared)
            (folder / "pyproject.toml").write_text(f'[project]\nname = "{escaped}"\n')
        return find_project(folder)


NAMED = st.builds(Named, FOLDERS, st.none() | PROJECTS)


@contextlib.contextmanager
def a_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as home:
        for number in range(3):
            (Path(home) / str(number)).mkdir()
        yield Path(home)


@given(NAMED, NAMED, NAMESPACES, NAMESPACES)
@settings(deadline=None)
@example(Named("项目一", None), Named("プロジェクト", None), "default", "default")
@example(Named("my app", None), Named("my-app", None), "default", "default")
@example(Named("x", "my app"), Named("y", "my-app"), "default", "default")
@example(Named("x", "a" * 192), Named("y", "a" * 191 + "b"), "default", "default")
def test_two_projects_of_different_names_share_no_mark(
    one: Named, other: Named, first: str, second: str
) -> None:
    with a_home() as home:
        projects = one.made_in(home / "1"), other.made_in(home / "2")
    # Some file systems write a name in another way.
    assume({project.root.name for project in projects} <= {one.folder, other.folder})
    marks = [
        Owner(project.name, namespace).marker
        for project, namespace in zip(projects, (first, second), strict=True)
    ]
    text = [named.declared or named.folder for named in (one, other)]
    assert (marks[0] == marks[1]) == ((text[0], first) == (text[1], second))
    for project, mark in zip(projects, marks, strict=True):
        assert mark.rpartition("/")[0] == project.name
        assert mark.isascii()


@dataclass
class Neighbour:
    """A project on the account, and what it has made there."""

    project: Project
    namespace: str
    account: Target
    client: ManagementClient
    made: dict[str, Endpoint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._identity = Identity(self.project, self.namespace, "test", User.current())
        self.session_records = ledger_of(self.account, self._identity, ignore)

    def provisioner(self, *, adopt: bool = False) -> Provisioner:
        volumes = AccountVolumes(self.client, create=False)
        return Provisioner(
            self.client,
            EndpointSpecification(
                self._identity.owner, Environment(LIVE_IMAGES), volumes, live=True
            ),
            session_records=self.session_records,
            adopt=adopt,
            on_event=ignore,
        )

    def ensure(self, names: list[str], workers: int, adopt: bool) -> None:
        """Make and change endpoints; a name may be another's, or that of one before."""
        provisioner = self.provisioner(adopt=adopt)
        for name in names:
            with contextlib.suppress(ProvisioningError, ConfigurationError):
                made = provisioner.ensure(LiveServerless(name=name, workersMax=workers), FILE)
                self.made[made.id] = made

    def delete_everything(self, all_namespaces: bool) -> None:
        """By every command that deletes."""
        provisioner = self.provisioner()
        work = Undeploy(self.client, provisioner, self.session_records, self.project.declared)
        provisioner.retry_deletions()
        provisioner.release(keep=False)
        work.delete(self.session_records.records())
        with contextlib.suppress(SettingsError):  # Of a name that is the folder's alone.
            work.delete_unrecorded(work.unrecorded(all_namespaces=all_namespaces))


@given(
    named=st.lists(NAMED, min_size=2, max_size=3, unique_by=lambda each: each.name[1]),
    namespaces=st.lists(NAMESPACES, min_size=3, max_size=3),
    resources=st.lists(RESOURCES, min_size=1, max_size=3, unique=True),
    data=st.data(),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_command_deletes_or_changes_what_another_project_owns(
    account: Target,
    client: ManagementClient,
    named: list[Named],
    namespaces: list[str],
    resources: list[str],
    data: st.DataObject,
) -> None:
    with a_home() as home, emptied(client):
        neighbours = [
            Neighbour(each.made_in(home / str(number)), namespace, account, client)
            for number, (each, namespace) in enumerate(zip(named, namespaces, strict=False))
        ]
        for each in neighbours:
            each.ensure(resources, data.draw(st.integers(1, 2)), adopt=False)
        for each in neighbours:
            each.ensure(resources, data.draw(st.integers(1, 2)), adopt=data.draw(st.booleans()))
        owned: dict[str, int] = {
            id: number for number, each in enumerate(neighbours) for id in each.made
        }
        # Nobody was given what is another's.
        assert len(owned) == sum(len(each.made) for each in neighbours)

        number = data.draw(st.integers(0, len(neighbours) - 1))
        before = documents(client)
        if data.draw(st.booleans()):
            (neighbours[number].session_records.state.path).unlink(missing_ok=True)
        neighbours[number].delete_everything(data.draw(st.booleans()))
        after = documents(client)

        for id, owner in owned.items():
            if owner != number:
                assert after[id] == before[id]


@contextlib.contextmanager
def emptied(client: ManagementClient) -> Iterator[None]:
    """Leave nothing for the next example, which would be another then."""
    try:
        yield
    finally:
        for endpoint in client.endpoints():
            client.delete(endpoint.id)


def documents(client: ManagementClient) -> dict[str, dict[str, Any]]:
    return {endpoint.id: endpoint.document() for endpoint in client.endpoints()}


@pytest.mark.parametrize("namespace", ["a", "ci0"])
def test_namespaces_of_one_project_delete_nothing_of_each_other(
    account: Target, client: ManagementClient, namespace: str, tmp_path: Path
) -> None:
    """On two machines: neither has the other's records."""
    project = Named("shop", "shop").made_in(tmp_path)
    (tmp_path / "other").mkdir()
    other = Named("shop", "shop").made_in(tmp_path / "other")
    mine = Neighbour(project, namespace, account, client)
    theirs = Neighbour(other, "default", account, client)
    for each in (mine, theirs):
        each.ensure(["gpu"], 1, adopt=False)
    mine.session_records.state.path.unlink()
    mine.delete_everything(all_namespaces=False)
    assert [endpoint.id for endpoint in client.endpoints()] == [*theirs.made]
