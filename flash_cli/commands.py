"""The commands of ``flash``. Each imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_flash.errors import AppNotFoundError, FlashError

from .contradictions import refuse_contradictions
from .official_commands import COMMANDS, Commands

if TYPE_CHECKING:
    from pytest_flash.runner.app.options import RunTimings


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"{', '.join(COMMANDS)} are commands of runpod-flash, the official SDK, and are handed "
    "to it where it is installed.",
)
@click.version_option(package_name="pytest-flash", prog_name="flash")
def cli() -> None:
    """Serve FastAPI apps whose @remote functions run on Runpod, or on the embedded Runpod."""


def _patterns(_: click.Context, __: click.Parameter, patterns: tuple[str, ...]) -> tuple[str, ...]:
    for each in patterns:
        if not each.strip() or each.startswith(("./", "../", "~")) or "/../" in each:
            raise click.BadParameter(
                f"{each!r} matches no file: patterns are those of .gitignore, seen from the app's "
                "folder. Write 'templates/' or '*.html'; --reload-dir watches other folders"
            )
    return patterns


@cli.command()
@click.argument("app", required=False)
@click.option(
    "--app-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Directory to look for the app in.  [default: the current one]",
)
@click.option("--host", help="Address to listen on.  [default: FLASH_HOST or localhost]")
@click.option("-p", "--port", type=int, help="Port to listen on.  [default: FLASH_PORT or 8888]")
@click.option("--reload/--no-reload", default=True, help="Reload the app when a file changes.")
@click.option(
    "--reload-include",
    multiple=True,
    callback=_patterns,
    metavar="PATTERN",
    help="Also watch files that match, as in .gitignore.  [default: *.py and .env]",
)
@click.option(
    "--reload-exclude",
    multiple=True,
    callback=_patterns,
    metavar="PATTERN",
    help="Do not watch files that match.",
)
@click.option(
    "--reload-dir",
    "reload_dirs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    help="Watch this directory instead of the app's; may be repeated.",
)
@click.option(
    "--fork/--no-fork",
    default=True,
    help="Reload by forking a process that has the libraries imported.",
)
@click.option(
    "--auto-provision", is_flag=True, help="Create endpoints before serving, not on first call."
)
@click.option("--dry-run", is_flag=True, help="With --auto-provision: print the plan and exit.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print the plan as JSON.")
@click.option(
    "--warm", is_flag=True, help="With --auto-provision: wait until each endpoint has a worker."
)
@click.option(
    "--adopt",
    is_flag=True,
    help="Take over this project's endpoints that are not recorded here and differ from the code.",
)
@click.option(
    "--keep-orphans", is_flag=True, help="Keep endpoints that the code no longer defines."
)
@click.option(
    "--namespace",
    help="Namespace of the endpoints, which keeps developers apart.  [default: FLASH_NAMESPACE]",
)
@click.option(
    "--live/--emulator",
    default=None,
    help="Run remote functions on Runpod, or on the embedded Runpod.  "
    "[default: Runpod where there is a key]",
)
@click.option("--in-process", is_flag=True, help="Run remote functions beside the app, to debug.")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    help="File to load variables from.  [default: .env beside the app]",
)
@click.option("--yes", is_flag=True, help="Create any number of endpoints without asking.")
@click.option("--console/--no-console", default=True, help="Serve the console beside the app.")
@click.option(
    "--console-path", metavar="PATH", help="URL path of the console.  [default: /__flash__]"
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Lowest level that the server logs.  [default: info]",
)
@click.option("--access-log/--no-access-log", default=True, help="Log each request.")
@click.option(
    "--root-path",
    default="",
    metavar="PATH",
    help="Path below which a proxy serves the app, which is told of it as ASGI's root_path.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only addresses, notes and errors.")
@click.pass_obj
def run(
    timings: RunTimings | None,
    app: str | None,
    app_dir: Path | None,
    host: str | None,
    port: int | None,
    reload: bool,
    reload_include: tuple[str, ...],
    reload_exclude: tuple[str, ...],
    reload_dirs: tuple[Path, ...],
    fork: bool,
    auto_provision: bool,
    dry_run: bool,
    as_json: bool,
    warm: bool,
    adopt: bool,
    keep_orphans: bool,
    namespace: str | None,
    live: bool | None,
    in_process: bool,
    env_file: Path | None,
    yes: bool,
    console: bool,
    console_path: str | None,
    log_level: str | None,
    access_log: bool,
    root_path: str,
    quiet: bool,
) -> None:
    """Serve APP with hot reload.

    APP is a directory, a file or module:attribute; by default what fastapi dev would serve in
    the current folder, such as main.py or app/main.py, or else server.py. Remote functions run
    on Runpod where there is a RUNPOD_API_KEY, else on the embedded Runpod: worker processes on
    this machine, no account, no cost.
    """
    refuse_contradictions(auto_provision, dry_run, as_json, warm, live, in_process)
    from pytest_flash.process.debuggers import is_debugged
    from pytest_flash.runner.reload.fork_server_start import start_parent

    # Before anything else: what it imports is what makes a start slow.
    debugged = is_debugged(os.environ)
    parent = start_parent(fork=fork and not debugged)

    import asyncio

    from pytest_flash.console.token import DEFAULT_PATH
    from pytest_flash.process.nonblocking_output import unblock_standard_streams
    from pytest_flash.runner.app.options import ProvisionOptions, RunOptions, RunTimings
    from pytest_flash.runner.supervisor import supervise
    from pytest_flash.target import TargetKind

    from .event_printer import PlanAsJson, Terminal

    unblock_standard_streams()
    terminal = PlanAsJson() if as_json else Terminal(quiet=quiet)
    emulated = in_process or live is False
    target = TargetKind.LIVE if live else TargetKind.EMULATOR if emulated else None
    options = RunOptions(
        app=app,
        folder=app_dir.resolve() if app_dir is not None else _here(),
        host=host,
        port=port,
        reload=reload,
        reload_include=reload_include,
        reload_exclude=reload_exclude,
        reload_dirs=reload_dirs,
        fork=fork and not debugged,
        provision=ProvisionOptions(auto_provision, dry_run, warm, adopt, keep_orphans, yes),
        namespace=namespace,
        target=target,
        in_process=in_process,
        env_file=env_file,
        console=(console_path or DEFAULT_PATH) if console else None,
        log_level=log_level or ("warning" if quiet else "info"),
        access_log=access_log,
        root_path=root_path,
        timings=timings or RunTimings.suiting(debugged),
        debugged=debugged,
    )
    sys.exit(asyncio.run(supervise(options, terminal.show, terminal.ask, parent)))


@cli.command()
@click.argument("url", required=False)
@click.option(
    "-p",
    "--port",
    type=int,
    help="Port that flash run serves at, in place of a URL.  [default: FLASH_PORT or 8888]",
)
@click.option(
    "--generation", default=1, show_default=True, help="Wait for this generation or a later one."
)
@click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait.")
def wait(url: str | None, port: int | None, generation: int, timeout: float) -> None:
    """Wait until flash run serves the app at URL, by default on this machine.

    Prints the generation of the code that answered: it grows with each reload, and every response
    carries it as X-Flash-Generation.
    """
    if url is not None and port is not None:
        raise click.UsageError("URL and --port both say where; give one of them")

    from pytest_flash.runner.app.options import RunOptions, address
    from pytest_flash.runner.serving.generation_header import wait_for_generation
    from pytest_flash.settings import read_environment

    if url is None:
        url = address(RunOptions(port=port), read_environment(_here())).url
    click.echo(wait_for_generation(url, generation, timeout))


@cli.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on."
)
@click.option("--port", default=0, show_default=True, help="Port to listen on; 0 is any free one.")
@click.option(
    "--api-key",
    envvar="FLASH_EMULATOR_KEY",
    help="The key that clients must send; better given as FLASH_EMULATOR_KEY, which other users "
    "of the machine cannot see.  [default: a random one]",
)
@click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Folder whose pyproject.toml configures the emulator.  [default: the current folder]",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of export lines."
)
def emulator(host: str, port: int, api_key: str | None, project: Path, as_json: bool) -> None:
    """Serve the embedded Runpod until stopped.

    Prints the variables that point any Runpod client at it.
    """
    from pytest_flash.emulator.startup.config import load_config
    from pytest_flash.emulator.terminal import serve

    serve(load_config(project, host=host, port=port, api_key=api_key), as_json=as_json)


@cli.command()
@click.option(
    "--older-than",
    default="30d",
    show_default=True,
    help="Delete what nobody has asked for in this time, such as 12h.",
)
def prune(older_than: str) -> None:
    """Delete packages that were installed for workers of the embedded Runpod.

    They are in FLASH_CACHE_DIR, and are installed again when a function declares them.
    """
    from pytest_flash.emulator.packages.hermetic import default_cache
    from pytest_flash.emulator.packages.pruning import prune as prune_packages
    from pytest_flash.provisioner.undeploy import parse_age

    done = prune_packages(default_cache(), parse_age(older_than).total_seconds())
    sets = f"{done.sets} set{'' if done.sets == 1 else 's'} of packages"
    packages = f"{done.packages} package{'' if done.packages == 1 else 's'}"
    click.echo(f"{sets} and {packages} deleted, {done.size / 1e6:.0f} MB")


@cli.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Delete every endpoint recorded here.")
@click.option(
    "--orphans", is_flag=True, help="Delete endpoints that the code of the app no longer defines."
)
@click.option(
    "--unrecorded",
    is_flag=True,
    help="Delete endpoints of this project and namespace that are not recorded here.",
)
@click.option(
    "--all-namespaces",
    is_flag=True,
    help="With --unrecorded: in every namespace, also those in use. Consider --older-than.",
)
@click.option("--older-than", help="With --unrecorded: only endpoints older than this, such as 2h.")
@click.option("--app", help="With --orphans: the app, as for flash run.")
@click.option("--namespace", help="Namespace of the endpoints.  [default: FLASH_NAMESPACE]")
@click.option("--env-file", type=click.Path(path_type=Path), help="File to load variables from.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.option("--json", "as_json", is_flag=True, help="With list: print one JSON object.")
def undeploy(
    names: tuple[str, ...],
    everything: bool,
    orphans: bool,
    unrecorded: bool,
    all_namespaces: bool,
    older_than: str | None,
    app: str | None,
    namespace: str | None,
    env_file: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete endpoints on Runpod that this project created.

    NAMES are resources or endpoints; the single name 'list' shows what there is.
    """
    if not (names or everything or orphans or unrecorded):
        raise click.UsageError("say what: names, list, --all, --orphans or --unrecorded")
    # Each would delete more than was said.
    if everything and names and names != ("list",):
        raise click.UsageError(f"--all deletes more than {', '.join(names)}; give one of them")
    for option, given in (
        ("--older-than", older_than is not None),
        ("--all-namespaces", all_namespaces),
    ):
        if given and not unrecorded:
            raise click.UsageError(f"{option} goes with --unrecorded alone; add it")
    if as_json and names != ("list",):
        raise click.UsageError("--json goes with list: flash undeploy list --json")
    if namespace == "":  # Such as of a variable that is not set.
        raise click.UsageError("--namespace is empty; name one, or leave the option out")
    if all_namespaces and namespace is not None:
        raise click.UsageError(f"--all-namespaces deletes more than {namespace}; give one of them")

    from .undeploy import Request
    from .undeploy import undeploy as carry_out

    request = Request(
        names=names,
        everything=everything,
        orphans=orphans,
        unrecorded=unrecorded,
        all_namespaces=all_namespaces,
        older_than=older_than,
        app=app,
        namespace=namespace,
        env_file=env_file,
        yes=yes,
        as_json=as_json,
    )
    sys.exit(carry_out(request))


def run_command_line(
    arguments: Sequence[str] | None = None, timings: RunTimings | None = None
) -> None:
    """Run the command that ``arguments`` name, by default those of the process, and exit.

    ``timings`` are those of ``flash run``, where they are not the usual ones.
    """
    try:
        cli(arguments, prog_name=_program_name(), obj=timings)
    except FlashError as error:
        from .output import colored

        click.secho(f"flash: {error}", fg="red", err=True, color=colored())
        sys.exit(1)


def _program_name() -> str:
    """What the user types: another program may be called ``flash``."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"python -m {called.parent.name}"
    return "pytest-flash" if called.stem == "pytest-flash" else "flash"


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise AppNotFoundError("the current folder does not exist any more; go to one") from error
