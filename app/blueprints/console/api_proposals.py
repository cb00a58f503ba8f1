"""Proposals, for programs: what the pages do, as REST."""

from __future__ import annotations

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import json_object, page_limit
from app.console.changes import KINDS, change_of_caller
from app.console.dry_runs import DEFAULT_DECISIONS, DryRun, dry_run_as_json
from app.console.permissions import Permission
from app.console.proposals import Proposal, ProposalQuery, ProposalState
from app.trust.errors import MalformedRequestError, ProposalNotFoundError
from app.trust.json_types import JSONObject

_DRY_RUN = "/proposals/<proposal_id>/dry-run"


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_reading(bp)
    _add_writing(bp)
    _add_dry_runs(bp)


def _add_reading(bp: Blueprint) -> None:
    @bp.get("/proposals")
    @access(Permission.PROPOSAL_READ)
    def proposals() -> ResponseReturnValue:
        page = services().proposals.page(proposal_query(request.args))
        return jsonify([proposal_as_json(each) for each in page])

    @bp.get("/proposals/<proposal_id>")
    @access(Permission.PROPOSAL_READ)
    def proposal(proposal_id: str) -> ResponseReturnValue:
        return jsonify(proposal_as_json(services().proposals.get(proposal_id)))


def _add_writing(bp: Blueprint) -> None:
    @bp.post("/proposals")
    @access(Permission.PROPOSAL_WRITE)
    def propose() -> ResponseReturnValue:
        body = json_object()
        proposal = services().proposals.propose(
            change_of_caller(body.get("change")),
            actor(),
            comment=optional_text(body, "comment") or "",
            origin=optional_text(body, "origin"),
        )
        return jsonify(proposal_as_json(proposal))

    @bp.put("/proposals/<proposal_id>")
    @access(Permission.PROPOSAL_WRITE)
    def revise_proposal(proposal_id: str) -> ResponseReturnValue:
        body = json_object()
        proposal = services().proposals.revise(
            proposal_id,
            change_of_caller(body.get("change")),
            actor(),
            revision=_revision(body),
            comment=optional_text(body, "comment") or "",
        )
        return jsonify(proposal_as_json(proposal))

    @bp.post("/proposals/<proposal_id>/approve")
    @access(Permission.PROPOSAL_APPROVE)
    def approve_proposal(proposal_id: str) -> ResponseReturnValue:
        body = json_object()
        comment = optional_text(body, "comment") or ""
        approved = services().proposals.approve(
            proposal_id, actor(), revision=_revision(body), comment=comment
        )
        return jsonify(proposal_as_json(approved))

    @bp.post("/proposals/<proposal_id>/reject")
    @access(Permission.PROPOSAL_APPROVE)
    def reject_proposal(proposal_id: str) -> ResponseReturnValue:
        body = json_object()
        comment = optional_text(body, "comment") or ""
        rejected = services().proposals.reject(
            proposal_id, actor(), revision=_revision(body), comment=comment
        )
        return jsonify(proposal_as_json(rejected))

    @bp.post("/proposals/<proposal_id>/withdraw")
    @access(Permission.PROPOSAL_WRITE)
    def withdraw_proposal(proposal_id: str) -> ResponseReturnValue:
        revision = _revision(json_object())
        withdrawn = services().proposals.withdraw(proposal_id, actor(), revision=revision)
        return jsonify(proposal_as_json(withdrawn))


def _add_dry_runs(bp: Blueprint) -> None:
    @bp.post(_DRY_RUN)
    @access(Permission.DECISION_REPLAY)
    def start_dry_run(proposal_id: str) -> ResponseReturnValue:
        last = json_object().get("last", DEFAULT_DECISIONS)
        if type(last) is not int:
            raise MalformedRequestError("last is a whole number")
        run = services().dry_runs.start(proposal_id, actor(), last=last)
        return jsonify(dry_run_as_json(run))

    @bp.get(_DRY_RUN)
    @access(Permission.PROPOSAL_READ)
    def dry_run(proposal_id: str) -> ResponseReturnValue:
        return jsonify(dry_run_as_json(_found(services().dry_runs.go_on(proposal_id))))

    @bp.delete(_DRY_RUN)
    @access(Permission.DECISION_REPLAY)
    def cancel_dry_run(proposal_id: str) -> ResponseReturnValue:
        return jsonify(dry_run_as_json(_found(services().dry_runs.cancel(proposal_id))))


def _found(run: DryRun | None) -> DryRun:
    if run is None:
        raise ProposalNotFoundError("this proposal has no dry run")
    return run


def proposal_query(parameters: MultiDict[str, str]) -> ProposalQuery:
    """What the parameters ask for.

    Raises:
        MalformedRequestError: a state or kind that there is not, or a limit out of range.
    """
    state, kind = parameters.get("state") or None, parameters.get("kind") or None
    if state is not None and state not in set(ProposalState):
        raise MalformedRequestError(f"state is one of: {', '.join(ProposalState)}")
    if kind is not None and kind not in KINDS:
        raise MalformedRequestError(f"kind is one of: {', '.join(KINDS)}")
    return ProposalQuery(
        state=ProposalState(state) if state else None,
        kind=kind,
        subject=parameters.get("subject") or None,
        before=parameters.get("before") or None,
        limit=page_limit(),
    )


def proposal_as_json(proposal: Proposal) -> JSONObject:
    """A proposal with its change, times in ISO 8601."""
    decided_at = proposal.decided_at
    return {
        "proposal_id": proposal.proposal_id,
        "kind": proposal.change.kind,
        "subject": proposal.change.subject,
        "state": proposal.state,
        "revision": proposal.revision,
        "created_at": proposal.created_at.isoformat(),
        "created_by": proposal.created_by,
        "comment": proposal.comment,
        "origin": proposal.origin,
        "decided_at": decided_at.isoformat() if decided_at else None,
        "decided_by": proposal.decided_by,
        "verdict": proposal.verdict,
        "change": proposal.change.as_json(),
    }


def optional_text(body: JSONObject, name: str) -> str | None:
    """A member that is text, or missing.

    Raises:
        MalformedRequestError: it is something else.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise MalformedRequestError(f"the member {name} is text")
    return value


def _revision(body: JSONObject) -> int:
    """The revision that the caller saw, so that nobody decides about what they have not read."""
    revision = body.get("revision")
    if type(revision) is not int or not 1 <= revision < 10**9:
        raise MalformedRequestError("revision is the number of the revision that you have read")
    return revision
