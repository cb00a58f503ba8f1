"""Signing in and out, and replacing a password."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from app.blueprints.deps import services
from app.blueprints.gate import PUBLIC, SIGNED_IN, access, actor
from app.blueprints.limits import RateLimit
from app.blueprints.login import account, proof, setup, signed_in, single_sign_on
from app.blueprints.login.cookies import caller
from app.blueprints.login.destinations import console_path
from app.blueprints.login.forms import CodeForm, PasswordForm, SignInForm
from app.blueprints.login.half_way import half_way_in, note_half_way_in
from app.blueprints.login.refusals import refusal
from app.blueprints.login.signed_in import begin_session, end_session
from app.console.operators import Operator
from app.console.sessions import Proof
from app.trust.errors import TooManyRequestsError, UnauthenticatedError


def blueprint(sign_ins: RateLimit) -> Blueprint:
    """The routes; attempts to sign in are limited by address."""
    bp = Blueprint("login", __name__, url_prefix="/console")
    _add_signing_in(bp, sign_ins)
    _add_password(bp)
    proof.add_to(bp, sign_ins)
    account.add_to(bp, sign_ins)
    setup.add_to(bp, sign_ins)
    single_sign_on.add_to(bp, sign_ins)
    return bp


def register(app: Flask) -> None:
    """Teach the application who is signed in, and how to ask again."""
    signed_in.register(app)
    proof.register(app)


def _add_signing_in(bp: Blueprint, sign_ins: RateLimit) -> None:
    @bp.route("/sign-in", methods=["GET", "POST"])
    @sign_ins
    @access(PUBLIC)
    def sign_in() -> ResponseReturnValue:
        form = SignInForm()
        if not form.is_submitted():
            return _sign_in_page(form)
        try:
            operator = _operator_of(form)
        except (UnauthenticatedError, TooManyRequestsError) as error:
            wrong = _("The name or the password is wrong.")
            return refusal(
                partial(_sign_in_page, form),
                form,
                error,
                wrong,
            )
        wanted = console_path(request.args.get("next", ""))
        if services().sign_ins.second_factors.is_on(operator.name):
            note_half_way_in(operator)
            return redirect(url_for(".sign_in_code", next=wanted), 303)
        begin_session(operator, Proof.PASSWORD)
        return redirect(wanted, 303)

    @bp.route("/sign-in/code", methods=["GET", "POST"])
    @sign_ins
    @access(PUBLIC)
    def sign_in_code() -> ResponseReturnValue:
        operator = half_way_in()
        if operator is None:
            return redirect(url_for(".sign_in"), 303)
        form = CodeForm()
        if not form.validate_on_submit():
            return render_template("login/code.html", form=form)
        try:
            services().sign_ins.check_code(operator, form.code.data or "", caller())
        except (UnauthenticatedError, TooManyRequestsError) as error:
            wrong = _("The code is wrong, or was used before.")
            return refusal(
                partial(render_template, "login/code.html", form=form), form, error, wrong
            )
        begin_session(operator, Proof.PASSWORD)
        return redirect(console_path(request.args.get("next", "")), 303)

    @bp.post("/sign-out")
    @access(SIGNED_IN)
    def sign_out() -> ResponseReturnValue:
        end_session(current_user.session)
        return redirect(url_for(".sign_in"), 303)


def _add_password(bp: Blueprint) -> None:
    @bp.route("/password", methods=["GET", "POST"])
    @access(SIGNED_IN)
    def password() -> ResponseReturnValue:
        form = PasswordForm()
        operator: Operator = current_user.operator
        if operator.is_external:
            return redirect(url_for(".account"), 303)
        if not form.validate_on_submit():
            return render_template("login/password.html", form=form, one_time=operator.one_time)
        changed = services().operators.change_password(operator, form.password.data or "", actor())
        begin_session(changed, Proof.PASSWORD)
        return redirect(url_for("console.overview"), 303)


def _operator_of(form: SignInForm) -> Operator:
    if not form.validate():
        raise UnauthenticatedError("the name or the password is missing or too long")
    name, password = form.name.data or "", form.password.data or ""
    return services().sign_ins.check_password(name, password, caller())


def _sign_in_page(form: SignInForm) -> str:
    return render_template(
        "login/sign_in.html",
        form=form,
        wanted=console_path(request.args.get("next", "")),
        provider=services().single_sign_on,
        lacks_owner=services().first_run.is_open(),
    )
