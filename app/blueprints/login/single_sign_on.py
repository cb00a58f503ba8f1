"""To the OpenID provider and back.

The session's cookie is ``SameSite=Strict``, so a browser that comes back from another site does not
send it, and would not send a new one on the redirect after it either. What has to be remembered
meanwhile is in a ticket of its own, ``SameSite=Lax``; and both ways lead over a page of ours that
goes on by itself, because a request that our own page begins is no request of another site.
"""

from __future__ import annotations

from datetime import timedelta

from flask import (
    Blueprint,
    Response,
    make_response,
    render_template,
    request,
    session,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from app.blueprints.deps import services
from app.blueprints.gate import PUBLIC, SIGNED_IN, access
from app.blueprints.limits import RateLimit
from app.blueprints.login.cookies import prefixed, set_console_cookie
from app.blueprints.login.destinations import console_path
from app.blueprints.login.signed_in import begin_session
from app.console.sessions import Proof
from app.console.single_sign_on import DEPARTURE_LIFETIME, Again, Departure, SingleSignOn
from app.trust.errors import NotFoundError

_TICKET = "vouchgate-departure"
# Where Flask-WTF keeps the token of a session's forms.
_FORM_TOKEN = "csrf_token"  # noqa: S105


def add_to(bp: Blueprint, attempts: RateLimit) -> None:
    """Add the routes; without a provider in the settings, they answer 404."""

    @bp.post("/sign-in/provider")
    @attempts
    @access(PUBLIC)
    def depart() -> ResponseReturnValue:
        wanted = console_path(request.args.get("next", ""))
        return _onward(_provider().depart(wanted))

    @bp.post("/prove/provider")
    @attempts
    @access(SIGNED_IN)
    def prove_by_provider() -> ResponseReturnValue:
        wanted = console_path(request.form.get("next", ""))
        again = Again(
            current_user.operator.name, current_user.session.handle, session.get(_FORM_TOKEN, "")
        )
        return _onward(_provider().depart(wanted, again=again))

    @bp.get("/sign-in/provider/callback")
    @access(PUBLIC)
    def arrive() -> ResponseReturnValue:
        ticket = request.cookies.get(prefixed(_TICKET), "")
        answer = {name: request.args[name] for name in request.args}
        source = request.remote_addr or "unknown"
        arrival = _provider().arrive(ticket, answer, source)
        begin_session(arrival.operator, Proof.SINGLE_SIGN_ON)
        if arrival.again is not None:
            _end_previous(arrival.again)
            # What waits in another tab is sent with the token that it was made with.
            session[_FORM_TOKEN] = arrival.again.form_token
        wanted = console_path(arrival.wanted)
        text = _("You are signed in as %(name)s.", name=arrival.operator.name)
        response = make_response(render_template("login/onward.html", url=wanted, text=text))
        _set_ticket(response, "", timedelta(0))
        return response


def _onward(departure: Departure) -> Response:
    text = _("You are taken to the identity provider.")
    response = make_response(render_template("login/onward.html", url=departure.url, text=text))
    _set_ticket(response, departure.ticket, DEPARTURE_LIFETIME)
    return response


def _set_ticket(response: Response, ticket: str, lifetime: timedelta) -> None:
    # The provider's redirect comes from another site, and must bring it along.
    set_console_cookie(response, _TICKET, ticket, lifetime, samesite="Lax")


def _provider() -> SingleSignOn:
    provider = services().single_sign_on
    if provider is None:
        raise NotFoundError("no identity provider is set up for this console")
    return provider


def _end_previous(again: Again) -> None:
    sessions = services().console_sessions
    found = sessions.store.by_handle(again.handle)
    if found is not None and found.operator == again.name:
        sessions.end(found)
