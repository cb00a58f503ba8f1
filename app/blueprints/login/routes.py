"""Signing in and out, and replacing a password."""

from __future__ import annotations

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from app.blueprints.deps import services
from app.blueprints.gate import PUBLIC, SIGNED_IN, access, actor
from app.blueprints.limits import RateLimit
from app.blueprints.login.forms import PasswordForm, SignInForm
from app.console.operators import Operator
from app.trust.errors import UnauthenticatedError


class SignedIn(UserMixin):  # type: ignore[misc]  # Flask-Login ships no types
    """The operator of a browser session, as Flask-Login wants to see one."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator

    def get_id(self) -> str:
        """Name and epoch: a changed password ends every older session."""
        return f"{self.operator.epoch}:{self.operator.name}"


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
        login_user(SignedIn(operator))
        return redirect(_destination(), 303)

    @bp.route("/password", methods=["GET", "POST"])
    @access(SIGNED_IN)
    def password() -> ResponseReturnValue:
        form = PasswordForm()
        operator: Operator = current_user.operator
        if not form.validate_on_submit():
            return render_template("login/password.html", form=form, one_time=operator.one_time)
        changed = services().operators.change_password(operator, form.password.data or "", actor())
        login_user(SignedIn(changed))
        return redirect(url_for("console.overview"), 303)

    @bp.post("/sign-out")
    @access(SIGNED_IN)
    def sign_out() -> ResponseReturnValue:
        logout_user()
        return redirect(url_for("login.sign_in"), 303)

    return bp


def register(app: Flask) -> None:
    """Teach Flask-Login who the operator of a browser session is."""
    manager = LoginManager(app)
    manager.session_protection = "strong"

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> SignedIn | None:
        epoch, _, name = user_id.partition(":")
        operator = services().operators.find(name)
        return SignedIn(operator) if operator and str(operator.epoch) == epoch else None


def _destination() -> str:
    # Only a path of this console: an open redirect would lend our name to any page.
    wanted = request.args.get("next", "")
    return wanted if wanted.startswith("/console/") else url_for("console.overview")
