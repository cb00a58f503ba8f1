"""Proposals, from the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.blueprints.console.api_proposals import proposal_as_json
from app.cli.opening import CONFIG, actor, opened
from app.console.changes import KINDS, Change, change_of_caller
from app.console.dry_runs import DEFAULT_DECISIONS, MAX_DECISIONS, DryRun, DryRunState
from app.console.proposals import Proposal, ProposalQuery, ProposalState
from app.trust.errors import ConflictError, MalformedRequestError, ProposalNotFoundError
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

_REVISION = click.option(
    "--revision", type=click.IntRange(1), required=True, help="The revision that you have read."
)
_COMMENT = click.option("--comment", default="", help="Why, for whoever reads it later.")


@click.group()
def proposals() -> None:
    """Changes that wait for approval."""


@proposals.command("list")
@click.option("--state", type=click.Choice([state.value for state in ProposalState]))
@click.option("--kind", type=click.Choice(KINDS))
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@CONFIG
def list_proposals(
    state: str | None, kind: str | None, limit: int, config_path: Path | None
) -> None:
    """List proposals, newest first."""
    query = ProposalQuery(state=ProposalState(state) if state else None, kind=kind, limit=limit)
    with opened(config_path) as services:
        for proposal in services.proposals.page(query):
            click.echo(_line(proposal))


@proposals.command("show")
@click.argument("proposal_id")
@CONFIG
def show_proposal(proposal_id: str, config_path: Path | None) -> None:
    """Print a proposal with its change, as JSON."""
    with opened(config_path) as services:
        _print(services.proposals.get(proposal_id))


@proposals.command("new")
@click.argument("file", type=click.File("rb"))
@_COMMENT
@CONFIG
def new_proposal(file: Any, comment: str, config_path: Path | None) -> None:  # noqa: ANN401
    """Propose the change in FILE: JSON as the REST API takes it."""
    change = _change(file)
    with opened(config_path) as services:
        _print(services.proposals.propose(change, actor(), comment=comment))


@proposals.command("revise")
@click.argument("proposal_id")
@click.argument("file", type=click.File("rb"))
@_REVISION
@_COMMENT
@CONFIG
def revise_proposal(
    proposal_id: str,
    file: Any,  # noqa: ANN401
    revision: int,
    comment: str,
    config_path: Path | None,
) -> None:
    """Replace the change of your own open proposal by the one in FILE."""
    change = _change(file)
    with opened(config_path) as services:
        revised = services.proposals.revise(
            proposal_id, change, actor(), revision=revision, comment=comment
        )
        _print(revised)


@proposals.command("dry-run")
@click.argument("proposal_id")
@click.option(
    "--last",
    type=click.IntRange(1, MAX_DECISIONS),
    default=DEFAULT_DECISIONS,
    show_default=True,
    help="How many of the last decisions.",
)
@CONFIG
@click.pass_context
def dry_run(ctx: click.Context, proposal_id: str, last: int, config_path: Path | None) -> None:
    """List the decisions that a proposal would change; exit status 1 when there are any."""
    with opened(config_path) as services:
        run: DryRun | None = services.dry_runs.start(proposal_id, actor(), last=last)
        while run is not None and run.is_running:
            run = services.dry_runs.go_on(proposal_id)
            if run is not None:
                click.echo(f"{run.done} of {run.total} decisions", err=True)
    if run is None or run.state is not DryRunState.DONE:
        raise ConflictError("the dry run was cancelled, or policies changed meanwhile")
    for each in run.named:
        told = (each.at, each.kind, each.subject, each.before, each.after, each.decision_id)
        click.echo("\t".join(told))
    click.echo(f"{run.altered} of {run.total} decisions would come out otherwise", err=True)
    if run.altered:
        ctx.exit(1)


@proposals.command("cancel-dry-run")
@click.argument("proposal_id")
@CONFIG
def cancel_dry_run(proposal_id: str, config_path: Path | None) -> None:
    """Stop a dry run that somebody started and nobody waits for."""
    with opened(config_path) as services:
        if services.dry_runs.cancel(proposal_id) is None:
            raise ProposalNotFoundError("this proposal has no dry run")


@proposals.command("approve")
@click.argument("proposal_id")
@_REVISION
@_COMMENT
@CONFIG
def approve_proposal(
    proposal_id: str, revision: int, comment: str, config_path: Path | None
) -> None:
    """Carry an open proposal out."""
    with opened(config_path) as services:
        services.proposals.approve(proposal_id, actor(), revision=revision, comment=comment)


@proposals.command("reject")
@click.argument("proposal_id")
@_REVISION
@_COMMENT
@CONFIG
def reject_proposal(
    proposal_id: str, revision: int, comment: str, config_path: Path | None
) -> None:
    """Refuse an open proposal."""
    with opened(config_path) as services:
        services.proposals.reject(proposal_id, actor(), revision=revision, comment=comment)


@proposals.command("withdraw")
@click.argument("proposal_id")
@_REVISION
@CONFIG
def withdraw_proposal(proposal_id: str, revision: int, config_path: Path | None) -> None:
    """Take your own open proposal back."""
    with opened(config_path) as services:
        services.proposals.withdraw(proposal_id, actor(), revision=revision)


def _change(file: Any) -> Change:  # noqa: ANN401
    try:
        return change_of_caller(parse_json_object(file.read()))
    except WireError as error:
        raise MalformedRequestError(f"the change does not parse: {error}") from error


def _print(proposal: Proposal) -> None:
    click.echo(json.dumps(proposal_as_json(proposal), indent=2, ensure_ascii=False))


def _line(proposal: Proposal) -> str:
    return "\t".join(
        (
            proposal.created_at.strftime("%Y-%m-%d %H:%M:%S"),
            proposal.state,
            f"revision {proposal.revision}",
            proposal.change.kind,
            proposal.change.subject,
            proposal.created_by,
            proposal.proposal_id,
        )
    )
