"""``flash undeploy``: what it prints and asks. The work is in ``provisioner.undeploy``."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from pytest_flash.errors import FlashError
from pytest_flash.functions.registry import registry
from pytest_flash.project import find_project, named_by_folder
from pytest_flash.provisioner.discover import discover
from pytest_flash.provisioner.owner import Owner, choose_namespace
from pytest_flash.provisioner.provisioning_run import orphans
from pytest_flash.provisioner.state.records import CreatedEndpoint
from pytest_flash.provisioner.state.session_processes import User
from pytest_flash.provisioner.undeploy import Undeploy, owner_of, parse_age
from pytest_flash.runner.app.import_from_source import import_from_source
from pytest_flash.runner.app.load import load
from pytest_flash.runner.app.locate import locate
from pytest_flash.runpod import Endpoint
from pytest_flash.session import Identity, Session
from pytest_flash.settings import read_environment
from pytest_flash.target import open_live

from .event_printer import Terminal
from .output import Output


@dataclass(frozen=True)
class Request:
    """The command's arguments."""

    names: tuple[str, ...]
    everything: bool
    orphans: bool
    unrecorded: bool
    all_namespaces: bool
    older_than: str | None
    app: str | None
    namespace: str | None
    env_file: Path | None
    yes: bool
    as_json: bool = False


def undeploy(request: Request) -> int:
    """Carry out ``request``; 0 when nothing that was to go is left."""
    folder = Path.cwd()
    environment = read_environment(folder, request.env_file)
    namespace = choose_namespace(request.namespace, environment, live=True)
    project = find_project(folder)
    identity = Identity(project, namespace, "run", User.current())
    target = open_live(environment, reason="flash undeploy", granted=False)
    terminal = Terminal(Output(sys.stderr) if request.as_json else None)
    session = Session.open(target, identity, environment, on_event=terminal.show)
    with contextlib.closing(session):
        assert session.session_records is not None
        work = Undeploy(
            session.management, session.provisioner, session.session_records, project.declared
        )
        if not project.declared:
            click.echo(named_by_folder(project), err=request.as_json)
        if request.as_json:
            return _list_as_json(work)
        if request.names == ("list",):
            return _list(work)
        return _delete(work, request, environment.key)


def _list(work: Undeploy) -> int:
    listing, volumes = work.listing(), work.session_records.volumes()
    if not listing and not volumes:
        namespace = work.session_records.scope.namespace
        click.echo(
            f"Nothing is recorded in {work.session_records.state.path} for namespace {namespace}."
        )
    for deployed in listing:
        record = deployed.record
        state = "exists" if deployed.exists else "gone"
        use = _use(deployed.users)
        click.echo(
            f"{record.endpoint_name}  {record.endpoint_id or 'unknown id'}  {state}, created by "
            f"{record.created_by} {record.created_at}{use}  {record.source_file}"
        )
    for volume in volumes:
        click.echo(
            f"network volume {volume.name}  {volume.id or 'unknown id'}  {volume.data_center}; "
            "flash never deletes volumes"
        )
    if elsewhere := work.elsewhere():
        click.echo(f"Not shown: endpoints recorded here, {', '.join(elsewhere)}.")
    return 0


def _list_as_json(work: Undeploy) -> int:
    endpoints = [
        {
            "resource": each.record.resource,
            "name": each.record.endpoint_name,
            "id": each.record.endpoint_id,
            "exists": each.exists,
            "users": each.users,
            "created_by": each.record.created_by,
            "created_at": each.record.created_at,
            "source_file": each.record.source_file,
        }
        for each in work.listing()
    ]
    volumes = [
        {"name": each.name, "id": each.id, "data_center": each.data_center}
        for each in work.session_records.volumes()
    ]
    click.echo(json.dumps({"endpoints": endpoints, "network_volumes": volumes}, indent=2))
    return 0


def _use(users: int) -> str:
    return f", used by {users} session(s)" if users else ""


def _delete(work: Undeploy, request: Request, key: str | None) -> int:
    records = _records(work, request, key)
    loose = _loose(work, request) if request.unrecorded else ()
    lines = [
        f"  {each.endpoint_name} ({each.endpoint_id}){_use(len(work.session_records.living(each)))}"
        for each in records
    ]
    lines += [f"  {each.name} ({each.id}) of {owner_of(each)}, not recorded" for each in loose]
    if not lines:
        click.echo("There is nothing to delete.")
        return 0
    # Also where nobody is asked: it is gone afterwards.
    click.echo("\n".join(["This deletes on Runpod:", *lines]))
    if not request.yes and not Output().ask("Delete them?"):
        click.echo("Nothing was deleted. Pass --yes to agree without a question")
        return 1
    left = {**work.delete(records), **work.delete_unrecorded(loose)}
    for name, error in left.items():
        click.secho(f"{name} is left: {error}", fg="red", err=True)
    return 1 if left else 0


def _loose(work: Undeploy, request: Request) -> tuple[Endpoint, ...]:
    older_than = None if request.older_than is None else parse_age(request.older_than)
    return work.unrecorded(older_than, all_namespaces=request.all_namespaces)


def _records(work: Undeploy, request: Request, key: str | None) -> tuple[CreatedEndpoint, ...]:
    if request.everything:
        return work.session_records.records()
    found = list(work.named(request.names))
    if request.orphans:
        found += [each for each in _orphans(work, request.app, key) if each not in found]
    return tuple(found)


def _orphans(work: Undeploy, app: str | None, key: str | None) -> tuple[CreatedEndpoint, ...]:
    location = locate(app, Path.cwd())
    imports = import_from_source(location.root)
    load(location)
    if imports.failed:
        raise FlashError(
            f"orphans cannot be told: {', '.join(sorted(imports.failed))} could not be imported, "
            "and may define what seems to be gone"
        )
    scope = work.session_records.scope
    owner = Owner(scope.project, scope.namespace)
    uses = discover(registry.functions(), key=key)
    names = {owner.endpoint_name(use.resource.name) for use in uses}
    gone = tuple(each for each in work.session_records.records() if each.endpoint_name not in names)
    return orphans(gone, imports.files, work.session_records)
