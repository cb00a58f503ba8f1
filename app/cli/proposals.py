"""Proposals, from the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.blueprints.console.api_proposals import proposal_as_json
from app.cli.opening import CONFIG, actor, opened
from app.console.changes import KINDS, change_of_json
from app.console.proposals import Proposal, ProposalQuery, ProposalState
from app.trust.errors import MalformedRequestError
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
    try:
        change = change_of_json(parse_json_object(file.read()))
    except WireError as error:
        raise MalformedRequestError(f"the change does not parse: {error}") from error
    with opened(config_path) as services:
        _print(services.proposals.propose(change, actor(), comment=comment))


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
