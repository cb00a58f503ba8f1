"""The page on which the first operator of an installation makes its account."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.deps import services
from app.blueprints.gate import PUBLIC, access
from app.blueprints.limits import RateLimit
from app.blueprints.login.forms import SetupForm
from app.blueprints.login.signed_in import begin_session
from app.console.sessions import Proof
from app.trust.errors import ConflictError, MalformedRequestError, UnauthenticatedError


def add_to(bp: Blueprint, attempts: RateLimit) -> None:
    """Add the route."""

    @bp.route("/setup", methods=["GET", "POST"])
    @attempts
    @access(PUBLIC)
    def setup() -> ResponseReturnValue:
        if not services().first_run.is_open():
            return redirect(url_for(".sign_in"), 303)
        form = SetupForm()
        if not form.validate_on_submit():
            return render_template("login/setup.html", form=form)
        code, name = form.code.data or "", (form.name.data or "").strip()
        source = request.remote_addr or "unknown"
        try:
            operator = services().first_run.finish(code, name, form.password.data or "", source)
        except UnauthenticatedError:
            form.code.errors = [_("The code is wrong, was used, or its time is over.")]
            return render_template("login/setup.html", form=form), 401
        except MalformedRequestError as error:
            form.name.errors = [error.message]
            return render_template("login/setup.html", form=form), 400
        except ConflictError:
            return redirect(url_for(".sign_in"), 303)
        begin_session(operator, Proof.PASSWORD)
        return redirect(url_for("console.first_steps"), 303)
