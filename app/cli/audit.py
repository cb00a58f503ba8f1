"""The audit log, from the terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from app.cli.opening import CONFIG, actor, opened
from app.console.audit_exports import audit_line, audit_page, csv_lines, json_lines
from app.trust.audit import AuditQuery, AuditRecord


@click.group()
def audit() -> None:
    """What operators did."""


def _filters(command: Any) -> Any:  # noqa: ANN401  (click's decorators)
    moments = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
    for option in (
        click.option("--until", type=moments, help="Only records before this time, UTC."),
        click.option("--since", type=moments, help="Only records from this time on, UTC."),
        click.option("--subject", help="Only records about this."),
        click.option("--action", help="Only records of this action, such as key:token:rotate."),
        click.option("--actor", "who", help="Only records of who has this name."),
    ):
        command = option(command)
    return command


@audit.command("list")
@_filters
@click.option("--before", type=click.IntRange(1), help="Only records before this number.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@CONFIG
def list_audit(config_path: Path | None, *, as_json: bool, **filters: Any) -> None:  # noqa: ANN401
    """List audit records, newest first."""
    with opened(config_path) as services:
        for record in audit_page(services.audit, _query(**filters)):
            click.echo(json.dumps(audit_line(record)) if as_json else _line(record))


@audit.command("export")
@_filters
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl")
@CONFIG
def export_audit(config_path: Path | None, kind: str, **filters: Any) -> None:  # noqa: ANN401
    """Print every audit record, newest first; CSV has no cell that is a formula."""
    lines = csv_lines if kind == "csv" else json_lines
    with opened(config_path) as services:
        for line in lines(services.audit, _query(**filters)):
            click.echo(line, nl=False)


@audit.command("verify")
@CONFIG
@click.pass_context
def verify_audit(ctx: click.Context, config_path: Path | None) -> None:
    """Check that the audit records chain; exit status 1 when one does not."""
    with opened(config_path) as services:
        count, found = 0, services.audit_keeping.verify(0)
        while not found.is_end and found.broken is None:
            count += found.checked
            found = services.audit_keeping.verify(found.reached.sequence)
    if found.broken is not None:
        click.echo(f"record {found.broken.sequence} does not chain: {found.broken.why}", err=True)
        ctx.exit(1)
    click.echo(f"{count + found.checked} records, the chain holds")


@audit.command("prune")
@click.option("--older-than-days", "days", type=click.IntRange(1, 36_500))
@CONFIG
def prune_audit(config_path: Path | None, days: int | None) -> None:
    """Remove records that are older than the retention; the chain stays verifiable."""
    older_than = None if days is None else timedelta(days=days)
    count = 0
    with opened(config_path) as services:
        while pruned := services.audit_keeping.prune(actor(), older_than=older_than):
            count += pruned
    click.echo(f"{count} records pruned")


def _query(
    *,
    who: str | None,
    since: datetime | None,
    until: datetime | None,
    **others: Any,  # noqa: ANN401
) -> AuditQuery:
    return AuditQuery(actor=who, since=_in_utc(since), until=_in_utc(until), **others)


def _in_utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)


def _line(record: AuditRecord) -> str:
    entry = record.entry
    who = f"{entry.actor.title} ({entry.actor.role}, {entry.actor.source})"
    return f"{record.sequence}\t{entry.at.isoformat()}\t{who}\t{entry.action}\t{entry.subject}"
