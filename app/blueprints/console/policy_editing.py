"""The editor of policies: check, propose, save; what was typed is never lost.

One form for a new policy, an edit and a revised proposal. Two buttons of it lead to the address it
came from, *Check* and *Save as draft*; *Save and activate* leads to one of its own, which needs the
permission to change policies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.console.forms import PolicyForm
from app.blueprints.console.policies import ONE, history_of, rights
from app.blueprints.deps import services
from app.blueprints.gate import access, actor, recently_authenticated
from app.blueprints.parsing import whole_number
from app.broker.scopes import Scope
from app.console.changes import PolicyChange
from app.console.permissions import Permission
from app.console.policy_shelf import PolicyHistory
from app.console.policy_templates import policy_template
from app.console.policy_texts import DiffRow, compare
from app.console.proposals import Proposal
from app.console.rego_highlighting import code_lines
from app.trust.errors import (
    BrokenExamplesError,
    ConflictError,
    MalformedPolicyError,
    MalformedRequestError,
)
from app.trust.policies import PolicyKind

_NEW = "/policies/new/<any(attestation,resource):kind>"
_BEGINNINGS = {PolicyKind.ATTESTATION: "snp", PolicyKind.RESOURCE: "affirming"}


@dataclass(frozen=True, slots=True)
class Editing:
    """What is edited.

    Attributes:
        history: of the policy; ``None`` of a new one.
        proposal: that is revised, if one is.
    """

    kind: PolicyKind
    history: PolicyHistory | None = None
    proposal: Proposal | None = None


_Step: TypeAlias = Callable[[PolicyForm, Editing, str], ResponseReturnValue]


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_new(bp)
    _add_edit(bp)
    _add_revise(bp)


def _add_new(bp: Blueprint) -> None:
    @bp.route(_NEW, methods=["GET", "POST"])
    @access(Permission.PROPOSAL_WRITE)
    def new_policy(kind: str) -> ResponseReturnValue:
        return _check_or_propose(_new_form(PolicyKind(kind)), Editing(PolicyKind(kind)))

    @bp.post(f"{_NEW}/save")
    @access(Permission.POLICY_WRITE)
    @recently_authenticated
    def save_new_policy(kind: str) -> ResponseReturnValue:
        return _save(_new_form(PolicyKind(kind)), Editing(PolicyKind(kind)))


def _add_edit(bp: Blueprint) -> None:
    @bp.route(f"{ONE}/edit", methods=["GET", "POST"])
    @access(Permission.PROPOSAL_WRITE)
    def edit_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        history = history_of(kind, policy_id)
        return _check_or_propose(_edit_form(history), Editing(history.kind, history))

    @bp.post(f"{ONE}/save")
    @access(Permission.POLICY_WRITE)
    @recently_authenticated
    def save_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        history = history_of(kind, policy_id)
        return _save(_edit_form(history), Editing(history.kind, history))


def _add_revise(bp: Blueprint) -> None:
    @bp.route("/proposals/<proposal_id>/revise", methods=["GET", "POST"])
    @access(Permission.PROPOSAL_WRITE)
    def revise_proposal(proposal_id: str) -> ResponseReturnValue:
        proposal = services().proposals.get(proposal_id)
        change = proposal.change
        if not isinstance(change, PolicyChange) or change.text is None:
            raise MalformedRequestError("this proposal has no text to revise")
        newest = services().policy_shelf.newest_number(change.policy_kind, change.policy_id)
        history = None
        if newest:
            history = services().policy_shelf.history(change.policy_kind, change.policy_id)
        form = PolicyForm(
            data={
                "policy_id": change.policy_id,
                "text": change.text,
                "based_on": newest,
                "comment": proposal.comment,
                "revision": proposal.revision,
            }
        )
        editing = Editing(change.policy_kind, history, proposal)
        if request.method == "GET" and history is not None and newest != change.based_on:
            return _page(form, editing, theirs=compare(history.newest.text, change.text))
        return _check_or_propose(form, editing)


def _new_form(kind: PolicyKind) -> PolicyForm:
    template = request.args.get("template") or _BEGINNINGS[kind]
    text = policy_template(kind, template).text
    scope = request.args.get("scope", "")
    return PolicyForm(data={"text": text, "based_on": 0, "scope": scope})


def _edit_form(history: PolicyHistory) -> PolicyForm:
    number = whole_number(request.args, "version", history.newest.version)
    begin = history.version(number)
    return PolicyForm(data={"text": begin.text, "based_on": history.newest.version})


def _check_or_propose(form: PolicyForm, editing: Editing) -> ResponseReturnValue:
    if not form.validate_on_submit():
        return _page(form, editing)
    if request.form.get("action") == "check":
        return _checked(form, editing)
    return _attempt(form, editing, _propose)


def _save(form: PolicyForm, editing: Editing) -> ResponseReturnValue:
    if not form.validate_on_submit():
        return _page(form, editing), 400
    return _attempt(form, editing, _activate)


def _checked(form: PolicyForm, editing: Editing) -> ResponseReturnValue:
    try:
        policy_id = _policy_id(form, editing)
        review = services().policy_shelf.review(editing.kind, policy_id, _text(form))
    except (MalformedPolicyError, MalformedRequestError) as error:
        return _refused(form, editing, error)
    return _page(form, editing, review=review)


def _attempt(form: PolicyForm, editing: Editing, step: _Step) -> ResponseReturnValue:
    """Take a step, or show the form again with what stands in its way."""
    try:
        return step(form, editing, _policy_id(form, editing))
    except (MalformedPolicyError, MalformedRequestError, BrokenExamplesError) as error:
        return _refused(form, editing, error)
    except ConflictError as error:
        return _conflict(form, editing, error)


def _activate(form: PolicyForm, editing: Editing, policy_id: str) -> ResponseReturnValue:
    saved = services().policy_shelf.save(
        editing.kind, policy_id, _text(form), actor(), based_on=form.based_on.data or 0
    )
    flash(
        _(
            "Version %(version)s of %(policy)s is saved and decides from now on.",
            version=saved.version,
            policy=policy_id,
        )
    )
    return redirect(url_for(".policy", kind=editing.kind, policy_id=policy_id), 303)


def _propose(form: PolicyForm, editing: Editing, policy_id: str) -> ResponseReturnValue:
    change = PolicyChange(editing.kind, policy_id, _text(form), form.based_on.data or 0)
    comment = form.comment.data or ""
    if editing.proposal is None:
        proposal = services().proposals.propose(change, actor(), comment=comment)
    else:
        proposal = services().proposals.revise(
            editing.proposal.proposal_id,
            change,
            actor(),
            revision=form.revision.data or 0,
            comment=comment,
        )
    flash(_("The change waits as a proposal; nothing decides otherwise yet."))
    return redirect(url_for(".proposal", proposal_id=proposal.proposal_id), 303)


def _refused(
    form: PolicyForm,
    editing: Editing,
    error: MalformedPolicyError | MalformedRequestError | BrokenExamplesError,
) -> ResponseReturnValue:
    line = column = None
    if isinstance(error, MalformedRequestError):
        field = form.policy_id if editing.kind is PolicyKind.ATTESTATION else form.scope
        field.errors = [error.message]
    else:
        form.text.errors = [error.message]
    if isinstance(error, MalformedPolicyError):
        line, column = error.line, error.column
    shown = code_lines(_text(form), fault=line, around=2) if line else ()
    return _page(form, editing, fault=shown, fault_line=line, fault_column=column), 400


def _conflict(form: PolicyForm, editing: Editing, error: ConflictError) -> ResponseReturnValue:
    """Someone was faster: show what saving once more would change of theirs."""
    policy_id = _policy_id(form, editing)
    if not services().policy_shelf.newest_number(editing.kind, policy_id):
        raise error
    history = services().policy_shelf.history(editing.kind, policy_id)
    form.based_on.raw_data = None
    form.based_on.data = history.newest.version
    editing = Editing(editing.kind, history, editing.proposal)
    return _page(form, editing, theirs=compare(history.newest.text, _text(form))), 409


def _page(
    form: PolicyForm,
    editing: Editing,
    *,
    theirs: tuple[DiffRow, ...] | None = None,
    **shown: object,
) -> str:
    return render_template(
        "console/policies/edit.html",
        form=form,
        kind=editing.kind,
        history=editing.history,
        proposal=editing.proposal,
        theirs=theirs,
        **shown,
        **rights(),
    )


def _policy_id(form: PolicyForm, editing: Editing) -> str:
    if editing.history is not None:
        return editing.history.policy_id
    if editing.proposal is not None and isinstance(editing.proposal.change, PolicyChange):
        return editing.proposal.change.policy_id
    if editing.kind is PolicyKind.ATTESTATION:
        return (form.policy_id.data or "").strip()
    return Scope.parse((form.scope.data or "").strip().strip("/")).policy_id


def _text(form: PolicyForm) -> str:
    # Browsers end the lines of a form with CR LF (HTML, 4.10.21.4); a policy's end with LF.
    return (form.text.data or "").replace("\r\n", "\n")
