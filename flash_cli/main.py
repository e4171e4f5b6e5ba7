"""The ``flash`` command. Each subcommand imports what it needs when it runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pytest_flash.errors import FlashError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pytest-flash", prog_name="flash")
def cli() -> None:
    """Serve FastAPI apps whose @remote functions run on Runpod, or on the embedded Runpod."""


@cli.command()
@click.argument("app", required=False)
@click.option("--host", help="Address to serve on.  [default: FLASH_HOST or localhost]")
@click.option("-p", "--port", type=int, help="Port to serve on.  [default: FLASH_PORT or 8888]")
@click.option("--reload/--no-reload", default=True, help="Serve anew when a file changes.")
@click.option("--auto-provision", is_flag=True, help="Create endpoints before serving.")
@click.option("--live/--emulator", default=None, help="Runpod, or the embedded Runpod.")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    help="Variables to load.  [default: .env beside the app]",
)
@click.option("--yes", is_flag=True, help="Create any number of endpoints without asking.")
def run(
    app: str | None,
    host: str | None,
    port: int | None,
    reload: bool,
    auto_provision: bool,
    live: bool | None,
    env_file: Path | None,
    yes: bool,
) -> None:
    """Serve APP with hot reload.

    APP is a directory, a file or module:attribute; by default main.py, app.py or server.py in
    the current folder. Remote functions run on Runpod where there is a RUNPOD_API_KEY, else on
    the embedded Runpod: worker processes on this machine, no account, no cost.
    """
    import asyncio

    from pytest_flash.runner.options import RunOptions
    from pytest_flash.runner.supervisor import supervise
    from pytest_flash.target import TargetKind

    from .render import ask, show

    target = None if live is None else TargetKind.LIVE if live else TargetKind.EMULATOR
    options = RunOptions(
        app=app,
        folder=Path.cwd(),
        host=host,
        port=port,
        reload=reload,
        auto_provision=auto_provision,
        target=target,
        env_file=env_file,
        yes=yes,
    )
    sys.exit(asyncio.run(supervise(options, show, ask)))


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=0, show_default=True, help="0 takes a free one.")
@click.option("--api-key", help="The key that clients must send.  [default: a random one]")
@click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Folder whose pyproject.toml configures the emulator.  [default: the current folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of exports.")
def emulator(host: str, port: int, api_key: str | None, project: Path, as_json: bool) -> None:
    """Serve the embedded Runpod until stopped.

    Prints the variables that point any Runpod client at it.
    """
    from pytest_flash.emulator.config import load_config
    from pytest_flash.emulator.console import serve

    serve(load_config(project, host=host, port=port, api_key=api_key), as_json=as_json)


def main() -> None:
    """Entry point: shows every FlashError as one message and exit code 1."""
    try:
        cli(standalone_mode=True)
    except FlashError as error:
        click.secho(f"flash: {error}", fg="red", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
