"""Pages of proposals: what waits, what it would change, and who carries it out.

A decision that comes too late, because someone else decided or what it was about has changed, is
answered with the proposal as it is now and what to do about it.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.console.api_proposals import proposal_query
from app.blueprints.console.forms import VerdictForm
from app.blueprints.console.policies import rights
from app.blueprints.deps import services
from app.blueprints.errors import REASON_HEADER
from app.blueprints.gate import access, actor, recently_authenticated
from app.blueprints.parsing import whole_number
from app.console.changes import Change, PolicyChange, ReferenceValuesChange
from app.console.permissions import Permission
from app.console.policy_texts import DiffRow, compare
from app.console.proposals import Proposal, ProposalState
from app.trust.errors import (
    BrokenExamplesError,
    ConflictError,
    DomainError,
    MalformedPolicyError,
    MalformedReferenceValueError,
    MalformedRequestError,
    SignerOutOfScopeError,
    UntrustedSignerError,
)
from app.trust.json_types import JSONValue

_ONE = "/proposals/<proposal_id>"


# What may have become of a change since somebody proposed it.
_NO_LONGER = (
    BrokenExamplesError,
    MalformedPolicyError,
    MalformedReferenceValueError,
    SignerOutOfScopeError,
    UntrustedSignerError,
)


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_reading(bp)
    _add_deciding(bp)
    _add_dry_runs(bp)


def _add_reading(bp: Blueprint) -> None:
    @bp.get("/proposals")
    @access(Permission.PROPOSAL_READ)
    def proposals() -> ResponseReturnValue:
        query = proposal_query(request.args)
        page = services().proposals.page(query)
        return render_template(
            "console/proposals/list.html",
            proposals=page,
            state=query.state,
            before=query.before,
            older=page[-1].proposal_id if len(page) == query.limit else None,
            views=_views(query.state),
            **rights(),
        )

    @bp.get(_ONE)
    @access(Permission.PROPOSAL_READ)
    def proposal(proposal_id: str) -> ResponseReturnValue:
        return _page(services().proposals.get(proposal_id))


def _add_deciding(bp: Blueprint) -> None:
    @bp.post(f"{_ONE}/approve")
    @access(Permission.PROPOSAL_APPROVE)
    @recently_authenticated
    def approve_proposal(proposal_id: str) -> ResponseReturnValue:
        revision, comment = _seen(), request.form.get("comment", "")
        return _decide(
            proposal_id,
            lambda: services().proposals.approve(
                proposal_id, actor(), revision=revision, comment=comment
            ),
            _("The change is carried out and counts from now on."),
        )

    @bp.post(f"{_ONE}/reject")
    @access(Permission.PROPOSAL_APPROVE)
    def reject_proposal(proposal_id: str) -> ResponseReturnValue:
        revision, comment = _seen(), request.form.get("comment", "")
        return _decide(
            proposal_id,
            lambda: services().proposals.reject(
                proposal_id, actor(), revision=revision, comment=comment
            ),
            _("The proposal is rejected; nothing was changed."),
        )

    @bp.post(f"{_ONE}/withdraw")
    @access(Permission.PROPOSAL_WRITE)
    def withdraw_proposal(proposal_id: str) -> ResponseReturnValue:
        revision = _seen()
        return _decide(
            proposal_id,
            lambda: services().proposals.withdraw(proposal_id, actor(), revision=revision),
            _("The proposal is withdrawn; nothing was changed."),
        )


def _add_dry_runs(bp: Blueprint) -> None:
    @bp.post(f"{_ONE}/dry-run")
    @access(Permission.DECISION_REPLAY)
    def start_dry_run(proposal_id: str) -> ResponseReturnValue:
        services().dry_runs.start(proposal_id, actor(), last=whole_number(request.form, "last"))
        return redirect(url_for(".proposal", proposal_id=proposal_id), 303)

    @bp.post(f"{_ONE}/dry-run/cancel")
    @access(Permission.DECISION_REPLAY)
    def cancel_dry_run(proposal_id: str) -> ResponseReturnValue:
        services().dry_runs.cancel(proposal_id)
        return redirect(url_for(".proposal", proposal_id=proposal_id), 303)


def _decide(proposal_id: str, step: Callable[[], object], done: str) -> ResponseReturnValue:
    """Take a step, or show the proposal as it is now with what stands in the way."""
    try:
        step()
    except ConflictError as error:
        return _too_late(proposal_id, error), 409, {REASON_HEADER: error.code}
    except _NO_LONGER as error:
        # It could be carried out when it was proposed; what it is measured by has changed since.
        return _too_late(proposal_id, error), 400, {REASON_HEADER: error.code}
    flash(done)
    return redirect(url_for(".proposal", proposal_id=proposal_id), 303)


def _too_late(proposal_id: str, error: DomainError) -> str:
    found = services().proposals.get(proposal_id)
    return _page(found, refusal=error.message, is_revised=found.revision != _seen())


def _page(found: Proposal, **shown: object) -> str:
    run, change = services().dry_runs.go_on(found.proposal_id), found.change
    return render_template(
        "console/proposals/show.html",
        proposal=found,
        form=VerdictForm(None, data={"revision": found.revision}),
        rows=_difference(found),
        sources=_sources(change),
        run=run,
        is_current=run is not None and services().dry_runs.is_current(run),
        is_author=found.created_by == g.caller.name,
        is_text=isinstance(change, PolicyChange) and change.text is not None,
        removal=isinstance(change, PolicyChange) and change.text is None,
        overtaken=found.is_open and services().proposals.changes.is_overtaken(change),
        **_review(found),
        **rights(),
        **shown,
    )


def _views(state: ProposalState | None) -> list[tuple[str, str, bool]]:
    states = (
        (ProposalState.OPEN, _("Open")),
        (ProposalState.APPLIED, _("Carried out")),
        (ProposalState.REJECTED, _("Rejected")),
        (ProposalState.WITHDRAWN, _("Withdrawn")),
    )
    views = [(title, url_for(".proposals", state=each), each is state) for each, title in states]
    return [*views, (_("All"), url_for(".proposals"), state is None)]


def _sources(change: Change) -> list[str]:
    """How reference values came, each way once."""
    if isinstance(change, PolicyChange):
        return []
    return list(dict.fromkeys(str(each.provenance or change.source) for each in change.register))


def _difference(proposal: Proposal) -> tuple[DiffRow, ...]:
    """What stands now beside what would; of a closed proposal, what it was about."""
    change = proposal.change
    if isinstance(change, ReferenceValuesChange):
        before = {name: value for name, value in change.before.items() if value is not None}
        after = {draft.name: draft.value for draft in change.register}
        return compare(_listed(before), _listed(after))
    if proposal.is_open:
        return compare(services().proposals.changes.active_text(change), change.text or "")
    versions = services().policy_shelf.versions(change.policy_kind, change.policy_id)
    old = next((each.text for each in versions if each.version == change.based_on), "")
    return compare(old, change.text or "")


def _listed(values: dict[str, JSONValue]) -> str:
    return "\n".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in sorted(values.items())
    )


def _review(proposal: Proposal) -> dict[str, object]:
    """What to know about the text of an open proposal."""
    change = proposal.change
    if not proposal.is_open or not isinstance(change, PolicyChange) or change.text is None:
        return {"review": None, "fault": None}
    shelf = services().policy_shelf
    try:
        review = shelf.review(change.policy_kind, change.policy_id, change.text)
    except (MalformedPolicyError, MalformedRequestError) as error:
        return {"review": None, "fault": error.message}
    return {"review": review, "fault": None}


def _seen() -> int:
    return whole_number(request.form, "revision")
