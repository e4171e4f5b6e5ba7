"""Options of ``flash run`` that do not go together."""

from __future__ import annotations

import click


def refuse_contradictions(
    auto_provision: bool,
    dry_run: bool,
    as_json: bool,
    warm: bool,
    live: bool | None,
    in_process: bool,
) -> None:
    """Raise click.UsageError for options without those that they go with, or beside others."""
    for option, given in (("--dry-run", dry_run), ("--warm", warm)):
        if given and not auto_provision:
            raise click.UsageError(f"{option} goes with --auto-provision; add it")
    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run; add it")
    if in_process and (live or auto_provision):
        other = "--live" if live else "--auto-provision"
        raise click.UsageError(f"--in-process runs nothing on endpoints; leave out {other}")
