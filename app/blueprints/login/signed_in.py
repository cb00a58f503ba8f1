"""The operator of a browser session, as Flask-Login wants to see one, and its cookie."""

from __future__ import annotations

from flask import Flask, request, session
from flask_login import LoginManager, UserMixin, login_user, logout_user

from app.blueprints.deps import services
from app.blueprints.login.cookies import remember_device
from app.console.operators import Operator
from app.console.sessions import Browser, ConsoleSession, Proof


class SignedIn(UserMixin):  # type: ignore[misc]  # Flask-Login ships no types
    """An operator with a console session.

    Attributes:
        operator: the account as it stands now.
        session: the row behind the browser's cookie.
    """

    def __init__(self, session_id: str, operator: Operator, session: ConsoleSession) -> None:
        self._session_id = session_id
        self.operator = operator
        self.session = session

    def get_id(self) -> str:
        """What the cookie holds: the session's id."""
        return self._session_id


def register(app: Flask) -> None:
    """Teach Flask-Login who the operator of a browser session is."""
    manager = LoginManager(app)
    manager.session_protection = "strong"
    manager.user_loader(_load)


def begin_session(operator: Operator, proof: Proof) -> None:
    """Sign the operator in; nothing that the browser held before stays."""
    browser = Browser(request.remote_addr or "unknown", request.user_agent.string)
    session.clear()
    _hand_over(services().console_sessions.begin(operator, proof, browser))
    remember_device(operator)


def renew_session(current: ConsoleSession) -> None:
    """Note a new proof, and hand the session's new id to the browser."""
    _hand_over(services().console_sessions.renew(current))


def end_session(current: ConsoleSession) -> None:
    """Sign out; nothing that the browser held stays."""
    services().console_sessions.end(current)
    logout_user()
    session.clear()


def _hand_over(session_id: str) -> None:
    signed_in = _load(session_id)
    assert signed_in is not None, "the session was begun a moment ago"
    login_user(signed_in)


def _load(session_id: str) -> SignedIn | None:
    found = services().console_sessions.find(session_id)
    return None if found is None else SignedIn(session_id, *found)
