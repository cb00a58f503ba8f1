"""The audit log, from the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.opening import CONFIG, opened
from app.trust.audit import first_broken_link


@click.group()
def audit() -> None:
    """What operators did."""


@audit.command("verify")
@CONFIG
@click.pass_context
def verify_audit(ctx: click.Context, config_path: Path | None) -> None:
    """Check that the audit records chain; exit status 1 when one does not."""
    with opened(config_path) as services:
        records, before = [], None
        while page := services.audit.page(before=before, limit=500):
            records += page
            before = page[-1].sequence
    broken = first_broken_link(records[::-1])
    if broken is not None:
        click.echo(f"record {broken} does not chain to the one before it", err=True)
        ctx.exit(1)
    click.echo(f"{len(records)} records, the chain holds")
