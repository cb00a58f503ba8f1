"""Recorded decisions, from the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from app.blueprints.services import Services
from app.cli.opening import CONFIG, actor, opened
from app.console.decision_export import FORMATS
from app.console.decision_filters import DecisionFilters
from app.console.drafts import change_of
from app.console.explanation_json import explanation_as_json
from app.console.remedy_texts import risk_told, told
from app.trust.decisions import DecisionKind, DecisionRecord, Outcome
from app.trust.errors import ConflictError, DecisionNotFoundError

Command = TypeVar("Command", bound=Callable[..., object])

_OPTIONS = (
    click.option("--id", help="A decision id, or how it begins."),
    click.option("--kind", type=click.Choice([kind.value for kind in DecisionKind])),
    click.option("--outcome", type=click.Choice([outcome.value for outcome in Outcome])),
    click.option("--reason", help="A reason code, such as policy-denied."),
    click.option("--tee", help="The wire name of a TEE, such as snp."),
    click.option("--policy", help="A policy id, or the digest of one version."),
    click.option("--secret", help="repository/type/tag."),
    click.option("--subject", help="A policy id, or the path of a resource with its plugin."),
    click.option("--measurement", help="The launch measurement of the guest."),
    click.option("--token-id", help="The jti of a token."),
    click.option("--since", help="Made then or later, like 2026-03-04T05:06; UTC."),
    click.option("--until", help="Made before then."),
)


def filtered(command: Command) -> Command:
    """Give a command the options that choose decisions."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group()
def decisions() -> None:
    """Appraisals and releases, allowed or denied."""


@decisions.command("list")
@filtered
@click.option("--before", help="Only decisions older than this id; for the next page.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@CONFIG
def list_decisions(
    config_path: Path | None,
    *,
    limit: int,
    as_json: bool,
    **filters: str | None,
) -> None:
    """List decisions, newest first."""
    query = _filters(filters).checked(limit)
    with opened(config_path) as services:
        for record in services.decisions.page(query):
            click.echo(json.dumps(_summary(record)) if as_json else _line(record))


@decisions.command("export")
@filtered
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="csv")
@CONFIG
def export_decisions(config_path: Path | None, form: str, **filters: str | None) -> None:
    """Write every decision that the filters leave, newest first, to the standard output."""
    query = _filters(filters).checked(1)
    with opened(config_path) as services:
        for line in FORMATS[form](services.decisions, query):
            click.echo(line, nl=False)


@decisions.command("show")
@click.argument("decision_id")
@CONFIG
def show_decision(decision_id: str, config_path: Path | None) -> None:
    """Print one decision with everything it was decided on."""
    with opened(config_path) as services:
        record = _decision(services, decision_id)
        full = {**_summary(record), "inputs": record.inputs, "result": record.result}
        click.echo(json.dumps(full, indent=2, ensure_ascii=False))


@decisions.command("why")
@click.argument("decision_id")
@click.option("--json", "as_json", is_flag=True, help="The whole explanation as JSON.")
@CONFIG
def explain_decision(decision_id: str, config_path: Path | None, *, as_json: bool) -> None:
    """Tell why a decision came out so, and what would have changed it."""
    with opened(config_path) as services:
        why = services.explain(_decision(services, decision_id))
        if as_json:
            told_in_full = explanation_as_json(why, services.policies)
            click.echo(json.dumps(told_in_full, indent=2, ensure_ascii=False))
            return
        click.echo(f"{why.reason.sentence} {why.reason.change}")
        for number, way in enumerate(why.ways, 1):
            click.echo(f"\n{number}. risk: {way.risk}")
            for remedy in way.remedies:
                click.echo(f"   {told(remedy)}")
                place = getattr(remedy, "place", None)
                if place is not None:
                    click.echo(f"   {place.policy_id}, line {place.line}: {place.text}")
                click.echo(f"   The risk: {risk_told(remedy)}")
        if why.today is not None and why.today.reached:
            click.echo("\nBy what is set now it would come out as wanted.")


@decisions.command("draft")
@click.argument("decision_id")
@click.argument("way", type=click.IntRange(1))
@CONFIG
def draft_of_decision(decision_id: str, way: int, config_path: Path | None) -> None:
    """Propose the WAY that "why" lists under this number, and print the proposal's id."""
    with opened(config_path) as services:
        ways = services.explain(_decision(services, decision_id)).ways
        change = change_of(ways[way - 1], services.policies) if way <= len(ways) else None
        if change is None:
            raise ConflictError("there is no such way, or it is no change that can be proposed")
        made = services.proposals.propose(change, actor(), origin=decision_id)
        click.echo(made.proposal_id)


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


def _filters(options: dict[str, str | None]) -> DecisionFilters:
    return DecisionFilters({name: value for name, value in options.items() if value is not None})


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
