"""Recorded decisions, from the terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from app.blueprints.services import Services
from app.cli.opening import CONFIG, opened
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionRecord, Outcome
from app.trust.errors import DecisionNotFoundError


@click.group()
def decisions() -> None:
    """Appraisals and releases, allowed or denied."""


@decisions.command("list")
@click.option("--kind", type=click.Choice([kind.value for kind in DecisionKind]))
@click.option("--outcome", type=click.Choice([outcome.value for outcome in Outcome]))
@click.option("--reason", help="A reason code, such as policy-denied.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@CONFIG
def list_decisions(config_path: Path | None, *, as_json: bool, **filters: Any) -> None:  # noqa: ANN401
    """List decisions, newest first."""
    kind, outcome = filters.pop("kind"), filters.pop("outcome")
    query = DecisionQuery(
        kind=DecisionKind(kind) if kind else None,
        outcome=Outcome(outcome) if outcome else None,
        **filters,
    )
    with opened(config_path) as services:
        for record in services.decisions.page(query):
            click.echo(json.dumps(_summary(record)) if as_json else _line(record))


@decisions.command("show")
@click.argument("decision_id")
@CONFIG
def show_decision(decision_id: str, config_path: Path | None) -> None:
    """Print one decision with everything it was decided on."""
    with opened(config_path) as services:
        record = _decision(services, decision_id)
        full = {**_summary(record), "inputs": record.inputs, "result": record.result}
        click.echo(json.dumps(full, indent=2, ensure_ascii=False))


@decisions.command("replay")
@click.argument("decision_id")
@CONFIG
@click.pass_context
def replay_decision(ctx: click.Context, decision_id: str, config_path: Path | None) -> None:
    """Decide again from the record; exit status 1 when the outcome differs."""
    with opened(config_path) as services:
        replayed = services.replay(_decision(services, decision_id))
        click.echo(json.dumps(asdict(replayed), indent=2, ensure_ascii=False))
        if not replayed.same:
            ctx.exit(1)


def _decision(services: Services, decision_id: str) -> DecisionRecord:
    record = services.decisions.find(decision_id)
    if record is None:
        raise DecisionNotFoundError("no decision of this id is recorded")
    return record


def _summary(record: DecisionRecord) -> dict[str, Any]:
    summary = asdict(record)
    del summary["inputs"], summary["result"]
    return {**summary, "at": record.at.isoformat()}


def _line(record: DecisionRecord) -> str:
    return "\t".join(
        (
            record.at.strftime("%Y-%m-%d %H:%M:%S"),
            record.kind,
            record.outcome,
            record.reason,
            record.tee or "-",
            record.subject,
            record.decision_id,
        )
    )
