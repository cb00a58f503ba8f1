"""Pages of policies: list, show, compare, edit, roll back."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.blueprints.console.forms import PolicyForm
from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import whole_number
from app.console.permissions import Permission
from app.console.policy_shelf import PolicyHistory, PolicyShelf
from app.console.policy_texts import around, compare, numbered
from app.trust.errors import ConflictError, MalformedPolicyError, MalformedRequestError
from app.trust.policies import PolicyKind, PolicyVersion

_ONE = "/policies/<any(attestation,resource):kind>/<policy_id>"

_NEW_POLICY = """\
package policy

import rego.v1

default hardware := 97

trust_claims := {"hardware": hardware}
"""


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_reading(bp)
    _add_writing(bp)


def _add_reading(bp: Blueprint) -> None:
    @bp.get("/policies")
    @access(Permission.POLICY_READ)
    def policies() -> ResponseReturnValue:
        return render_template(
            "console/policies/list.html",
            policies=_shelf().all(),
            may_write=may(g.caller, Permission.POLICY_WRITE),
        )

    @bp.get(_ONE)
    @access(Permission.POLICY_READ)
    def policy(kind: str, policy_id: str) -> ResponseReturnValue:
        history = _history(kind, policy_id)
        version = _version(history, "version", history.newest.version)
        return render_template(
            "console/policies/show.html",
            history=history,
            version=version,
            lines=numbered(version.text),
            may_write=may(g.caller, Permission.POLICY_WRITE),
        )

    @bp.get(f"{_ONE}/compare")
    @access(Permission.POLICY_READ)
    def compare_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        history = _history(kind, policy_id)
        new = _version(history, "new", history.newest.version)
        old = _version(history, "old", max(1, new.version - 1))
        return render_template(
            "console/policies/compare.html",
            history=history,
            old=old,
            new=new,
            rows=compare(old.text, new.text),
            may_write=may(g.caller, Permission.POLICY_WRITE),
        )


def _add_writing(bp: Blueprint) -> None:
    @bp.route("/policies/new", methods=["GET", "POST"])
    @access(Permission.POLICY_WRITE)
    def new_policy() -> ResponseReturnValue:
        form = PolicyForm(data={"text": _NEW_POLICY, "based_on": 0})
        return _edit(form, PolicyKind.ATTESTATION, (form.policy_id.data or "").strip(), None)

    @bp.route(f"{_ONE}/edit", methods=["GET", "POST"])
    @access(Permission.POLICY_WRITE)
    def edit_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        history = _history(kind, policy_id)
        begin = _version(history, "version", history.newest.version)
        form = PolicyForm(data={"text": begin.text, "based_on": history.newest.version})
        return _edit(form, history.kind, policy_id, history)

    @bp.post(f"{_ONE}/roll-back")
    @access(Permission.POLICY_WRITE)
    def roll_back_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        history = _history(kind, policy_id)
        old = history.version(whole_number(request.form, "version"))
        based_on = whole_number(request.form, "based_on")
        saved = _shelf().save(history.kind, policy_id, old.text, actor(), based_on=based_on)
        flash(f"Version {saved.version} decides from now on; its text is that of {old.version}.")
        return redirect(url_for(".policy", kind=kind, policy_id=policy_id), 303)


def _edit(
    form: PolicyForm, kind: PolicyKind, policy_id: str, history: PolicyHistory | None
) -> ResponseReturnValue:
    """Show the form, or save what came with it; what was typed is never lost."""
    if not form.validate_on_submit():
        return _edit_page(form, kind, history)
    # Browsers end the lines of a form with CR LF (HTML, 4.10.21.4); a policy's end with LF.
    text = (form.text.data or "").replace("\r\n", "\n")
    try:
        saved = _shelf().save(kind, policy_id, text, actor(), based_on=form.based_on.data or 0)
    except MalformedPolicyError as error:
        form.text.errors = [error.message]
        fault = around(text, error.line) if error.line else ()
        return _edit_page(form, kind, history, fault=fault), 400
    except MalformedRequestError as error:
        form.policy_id.errors = [error.message]
        return _edit_page(form, kind, history), 400
    except ConflictError:
        return _conflict(form, kind, policy_id, text)
    flash(f"Version {saved.version} of {policy_id} is saved and decides from now on.")
    return redirect(url_for(".policy", kind=kind, policy_id=policy_id), 303)


def _conflict(form: PolicyForm, kind: PolicyKind, policy_id: str, text: str) -> ResponseReturnValue:
    """Someone was faster: show what saving once more would change of theirs."""
    history = _shelf().history(kind, policy_id)
    form.based_on.raw_data = None
    form.based_on.data = history.newest.version
    return _edit_page(form, kind, history, theirs=compare(history.newest.text, text)), 409


def _edit_page(
    form: PolicyForm, kind: PolicyKind, history: PolicyHistory | None, **shown: object
) -> str:
    return render_template(
        "console/policies/edit.html", form=form, kind=kind, history=history, **shown
    )


def _shelf() -> PolicyShelf:
    return services().policy_shelf


def _history(kind: str, policy_id: str) -> PolicyHistory:
    return _shelf().history(PolicyKind(kind), policy_id)


def _version(history: PolicyHistory, parameter: str, default: int) -> PolicyVersion:
    return history.version(whole_number(request.args, parameter, default))
