"""The pages about the account itself: its sessions, and its second factor."""

from __future__ import annotations

import segno
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from markupsafe import Markup

from app.blueprints.deps import services
from app.blueprints.gate import SIGNED_IN, access, actor, recently_authenticated
from app.blueprints.limits import RateLimit
from app.blueprints.login.forms import OfferForm
from app.console.second_factors import Offer
from app.trust.errors import ConflictError, MalformedRequestError, UnauthenticatedError


def add_to(bp: Blueprint, attempts: RateLimit) -> None:
    """Add the routes."""
    _add_sessions(bp)
    _add_second_factor(bp, attempts)


def _add_sessions(bp: Blueprint) -> None:
    @bp.get("/account")
    @access(SIGNED_IN)
    def account() -> ResponseReturnValue:
        name = current_user.operator.name
        factors = services().sign_ins.second_factors
        return render_template(
            "login/account.html",
            sessions=services().console_sessions.page(operator=name),
            has_second_factor=factors.is_on(name),
            recovery_codes_left=factors.recovery_codes_left(name),
        )

    @bp.post("/account/sessions/end")
    @access(SIGNED_IN)
    def end_own_session() -> ResponseReturnValue:
        handle = request.form.get("handle", "")
        services().console_sessions.revoke(handle, actor(), of=current_user.operator.name)
        flash(_("The session has ended."))
        return redirect(url_for(".account"), 303)

    @bp.post("/account/sessions/end-others")
    @access(SIGNED_IN)
    def end_other_sessions() -> ResponseReturnValue:
        name, current = current_user.operator.name, current_user.session
        ended = services().console_sessions.revoke_all(name, actor(), but=current)
        flash(ngettext("%(num)d other session has ended.", "%(num)d other sessions ended.", ended))
        return redirect(url_for(".account"), 303)


def _add_second_factor(bp: Blueprint, attempts: RateLimit) -> None:
    @bp.route("/account/second-factor", methods=["GET", "POST"])
    @attempts
    @access(SIGNED_IN)
    @recently_authenticated
    def second_factor() -> ResponseReturnValue:
        name = current_user.operator.name
        factors = services().sign_ins.second_factors
        if factors.is_on(name) or current_user.operator.is_external:
            return redirect(url_for(".account"), 303)
        form = OfferForm()
        if not form.validate_on_submit():
            return _offer_page(form, factors.offer(name))
        ticket = form.ticket.data or ""
        try:
            codes = factors.accept(name, ticket, form.code.data or "", actor())
        except UnauthenticatedError:
            form.code.errors = [_("This is not the code of this minute.")]
            return _offer_page(form, factors.offered(name, ticket)), 400
        except MalformedRequestError as error:
            form.code.errors = [error.message]
            return _offer_page(form, factors.offer(name)), 400
        except ConflictError:
            return redirect(url_for(".account"), 303)
        return render_template("login/recovery_codes.html", codes=codes)

    @bp.route("/account/second-factor/remove", methods=["GET", "POST"])
    @access(SIGNED_IN)
    @recently_authenticated
    def remove_second_factor() -> ResponseReturnValue:
        name = current_user.operator.name
        if request.method == "GET":
            return render_template("login/remove_second_factor.html")
        services().sign_ins.second_factors.remove(name, actor())
        flash(_("From now on the password alone signs you in."))
        return redirect(url_for(".account"), 303)


def _offer_page(form: OfferForm, offer: Offer) -> str:
    form.ticket.data = offer.ticket
    drawn = segno.make(offer.uri, error="m").svg_inline(light="#fff", border=4, omitsize=True)
    # Elements and attributes that the library drew; none of it is anyone's text.
    picture = Markup(drawn)  # noqa: S704
    return render_template("login/second_factor.html", form=form, offer=offer, picture=picture)
