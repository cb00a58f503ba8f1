"""Asking an operator to show again who it is, without losing what it was about to do."""

from __future__ import annotations

import json
from functools import partial

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from app.blueprints.deps import services
from app.blueprints.errors import REASON_HEADER
from app.blueprints.gate import SIGNED_IN, access
from app.blueprints.limits import RateLimit
from app.blueprints.login.cookies import caller
from app.blueprints.login.destinations import console_path
from app.blueprints.login.forms import ProofForm
from app.blueprints.login.refusals import refusal
from app.blueprints.login.signed_in import renew_session
from app.console.sessions import Proof
from app.trust.errors import (
    MalformedRequestError,
    ProofNeededError,
    TooManyRequestsError,
    UnauthenticatedError,
)


def add_to(bp: Blueprint, attempts: RateLimit) -> None:
    """Add the route."""

    @bp.route("/prove", methods=["GET", "POST"])
    @attempts
    @access(SIGNED_IN)
    def prove() -> ResponseReturnValue:
        form = ProofForm(request.form, next=console_path(request.args.get("next", "")))
        if not form.validate_on_submit():
            return _page(form)
        try:
            services().sign_ins.prove(current_user.operator, form.shown.data or "", caller())
        except (UnauthenticatedError, TooManyRequestsError) as error:
            return refusal(partial(_page, form), form, error, _("This is wrong."))
        renew_session(current_user.session)
        return _resume(console_path(form.next.data or ""), form.carried.data or "")

    @bp.get("/prove/done")
    @access(SIGNED_IN)
    def proved() -> ResponseReturnValue:
        return render_template("login/proved.html")


def register(app: Flask) -> None:
    """Answer what needs a recent proof by asking for one."""
    app.register_error_handler(ProofNeededError, _ask)


def _ask(error: ProofNeededError) -> ResponseReturnValue:
    """The form again later: what was posted goes along, but for files, which a page cannot fill."""
    wanted = console_path(request.full_path.rstrip("?"))
    if request.method == "GET":
        return redirect(url_for("login.prove", next=wanted), 303)
    fields = [pair for pair in request.form.items(multi=True) if pair[0] != "csrf_token"]
    has_file = any(file.filename for file in request.files.values())
    form = ProofForm(None, next=wanted, carried="" if has_file else json.dumps(fields))
    return _page(form, has_file=has_file), 403, {REASON_HEADER: error.code}


def _page(form: ProofForm, *, has_file: bool = False) -> str:
    by_provider = current_user.session.proof is Proof.SINGLE_SIGN_ON
    with_code = services().sign_ins.second_factors.is_on(current_user.operator.name)
    if with_code:
        form.shown.label.text = _("Code")
    return render_template(
        "login/prove.html",
        form=form,
        has_file=has_file,
        with_code=with_code,
        by_provider=by_provider,
        fields=_fields(form.carried.data) if by_provider and form.carried.data else (),
    )


def _resume(wanted: str, carried: str) -> ResponseReturnValue:
    if not carried:
        return redirect(wanted, 303)
    return render_template("login/resume.html", action=wanted, fields=_fields(carried))


def _fields(carried: str) -> list[tuple[str, str]]:
    try:
        return [(str(name), str(value)) for name, value in json.loads(carried)]
    except (ValueError, TypeError) as error:
        raise MalformedRequestError("what was to be sent does not parse") from error
