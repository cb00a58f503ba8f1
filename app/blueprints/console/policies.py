"""Pages of policies: list, text, versions side by side, roll back, take away, ready ones."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access, actor, recently_authenticated
from app.blueprints.parsing import whole_number
from app.console.changes import PolicyChange
from app.console.permissions import Permission
from app.console.policy_shelf import PolicyHistory
from app.console.policy_templates import policy_templates
from app.console.policy_texts import compare
from app.console.proposals import ProposalQuery, ProposalState
from app.console.rego_highlighting import code_lines
from app.trust.policies import PolicyKind, PolicyVersion

ONE = "/policies/<any(attestation,resource):kind>/<policy_id>"


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_lists(bp)
    _add_one(bp)
    _add_writing(bp)


def _add_lists(bp: Blueprint) -> None:
    @bp.get("/policies")
    @access(Permission.POLICY_READ)
    def policies() -> ResponseReturnValue:
        found = services().policy_shelf.all()
        return render_template(
            "console/policies/list.html",
            attestation=[each for each in found if each.kind is PolicyKind.ATTESTATION],
            resource=[
                services().policy_shelf.history(each.kind, each.policy_id)
                for each in found
                if each.kind is PolicyKind.RESOURCE
            ],
            waiting=services().proposals.page(ProposalQuery(state=ProposalState.OPEN, limit=6)),
            **rights(),
        )

    @bp.get("/policies/templates")
    @access(Permission.POLICY_READ)
    def policy_templates_page() -> ResponseReturnValue:
        shown = [(each, code_lines(each.text)) for each in policy_templates()]
        return render_template("console/policies/templates.html", templates=shown, **rights())


def _add_one(bp: Blueprint) -> None:
    @bp.get(ONE)
    @access(Permission.POLICY_READ)
    def policy(kind: str, policy_id: str) -> ResponseReturnValue:
        history = history_of(kind, policy_id)
        version = _version(history, "version", history.newest.version)
        shelf = services().policy_shelf
        return render_template(
            "console/policies/show.html",
            history=history,
            version=version,
            lines=code_lines(version.text),
            review=shelf.review(history.kind, policy_id, version.text),
            **rights(),
        )

    @bp.get(f"{ONE}/versions")
    @access(Permission.POLICY_READ)
    def policy_versions(kind: str, policy_id: str) -> ResponseReturnValue:
        history = history_of(kind, policy_id)
        return render_template("console/policies/versions.html", history=history, **rights())

    @bp.get(f"{ONE}/compare")
    @access(Permission.POLICY_READ)
    def compare_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        history = history_of(kind, policy_id)
        new = _version(history, "new", history.newest.version)
        old = _version(history, "old", max(1, new.version - 1))
        return render_template(
            "console/policies/compare.html",
            history=history,
            old=old,
            new=new,
            rows=compare(old.text, new.text),
            **rights(),
        )


def _add_writing(bp: Blueprint) -> None:
    @bp.post(f"{ONE}/roll-back")
    @access(Permission.POLICY_WRITE)
    @recently_authenticated
    def roll_back_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        number = whole_number(request.form, "version")
        saved = services().policy_shelf.roll_back(
            PolicyKind(kind),
            policy_id,
            number,
            actor(),
            based_on=whole_number(request.form, "based_on"),
        )
        flash(
            _(
                "Version %(new)s decides from now on; its text is that of %(old)s.",
                new=saved.version,
                old=number,
            )
        )
        return redirect(url_for(".policy", kind=kind, policy_id=policy_id), 303)

    @bp.get(f"{ONE}/remove")
    @access(Permission.POLICY_WRITE)
    @recently_authenticated
    def confirm_policy_removal(kind: str, policy_id: str) -> ResponseReturnValue:
        history = history_of(kind, policy_id)
        return render_template("console/policies/remove.html", history=history, **rights())

    @bp.post(f"{ONE}/remove")
    @access(Permission.POLICY_WRITE)
    @recently_authenticated
    def remove_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        seen = whole_number(request.form, "based_on")
        if services().proposals.rule.two_persons or request.form.get("as") == "draft":
            return _propose_removal(PolicyChange(PolicyKind(kind), policy_id, None, seen))
        services().policy_shelf.take_away(PolicyKind(kind), policy_id, actor(), based_on=seen)
        flash(_("%(policy)s is taken away; its versions stay to be read.", policy=policy_id))
        return redirect(url_for(".policies"), 303)


def _propose_removal(change: PolicyChange) -> ResponseReturnValue:
    comment = request.form.get("comment", "")
    proposal = services().proposals.propose(change, actor(), comment=comment)
    flash(_("The change waits as a proposal; nothing decides otherwise yet."))
    return redirect(url_for(".proposal", proposal_id=proposal.proposal_id), 303)


def history_of(kind: str, policy_id: str) -> PolicyHistory:
    """The policy of an address.

    Raises:
        PolicyNotFoundError: there never was one.
    """
    return services().policy_shelf.history(PolicyKind(kind), policy_id)


def rights() -> dict[str, bool]:
    """What pages offer: the gate decides again when it is asked for."""
    two_persons = services().proposals.rule.two_persons
    return {
        "two_persons": two_persons,
        "may_write": may(g.caller, Permission.POLICY_WRITE) and not two_persons,
        "may_keep": may(g.caller, Permission.POLICY_WRITE),
        "may_propose": may(g.caller, Permission.PROPOSAL_WRITE),
        "may_approve": may(g.caller, Permission.PROPOSAL_APPROVE),
        "may_replay": may(g.caller, Permission.DECISION_REPLAY),
    }


def _version(history: PolicyHistory, parameter: str, default: int) -> PolicyVersion:
    return history.version(whole_number(request.args, parameter, default))
