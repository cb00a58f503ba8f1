"""Signing in and out, and replacing a password."""

from __future__ import annotations

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app.blueprints.deps import services
from app.blueprints.gate import PUBLIC, SIGNED_IN, access, actor
from app.blueprints.limits import RateLimit
from app.blueprints.login import proof, signed_in
from app.blueprints.login.destinations import console_path
from app.blueprints.login.forms import PasswordForm, SignInForm
from app.blueprints.login.signed_in import begin_session, end_session
from app.console.operators import Operator
from app.console.sessions import Proof
from app.trust.errors import UnauthenticatedError


def blueprint(sign_ins: RateLimit) -> Blueprint:
    """The routes; attempts to sign in are limited by address."""
    bp = Blueprint("login", __name__, url_prefix="/console")

    @bp.route("/sign-in", methods=["GET", "POST"])
    @sign_ins
    @access(PUBLIC)
    def sign_in() -> ResponseReturnValue:
        form = SignInForm()
        if not form.validate_on_submit():
            return render_template("login/sign_in.html", form=form, failed=form.is_submitted())
        try:
            operator = services().operators.sign_in(form.name.data or "", form.password.data or "")
        except UnauthenticatedError:
            return render_template("login/sign_in.html", form=form, failed=True), 401
        begin_session(operator, Proof.PASSWORD)
        return redirect(console_path(request.args.get("next", "")), 303)

    @bp.route("/password", methods=["GET", "POST"])
    @access(SIGNED_IN)
    def password() -> ResponseReturnValue:
        form = PasswordForm()
        operator: Operator = current_user.operator
        if not form.validate_on_submit():
            return render_template("login/password.html", form=form, one_time=operator.one_time)
        changed = services().operators.change_password(operator, form.password.data or "", actor())
        begin_session(changed, Proof.PASSWORD)
        return redirect(url_for("console.overview"), 303)

    @bp.post("/sign-out")
    @access(SIGNED_IN)
    def sign_out() -> ResponseReturnValue:
        end_session(current_user.session)
        return redirect(url_for("login.sign_in"), 303)

    proof.add_to(bp, sign_ins)
    return bp


def register(app: Flask) -> None:
    """Teach the application who is signed in, and how to ask again."""
    signed_in.register(app)
    proof.register(app)
