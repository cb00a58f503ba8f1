"""The cookies of the console beside the session's, and what they are called."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask, Response, after_this_request, current_app, request

from app.blueprints.deps import services
from app.console.devices import LIFETIME
from app.console.operators import Operator
from app.console.sign_ins import Caller

_DEVICE = "vouchgate-device"


def name_session_cookie(app: Flask, *, over_https: bool) -> None:
    """Set what Flask's own cookie is called and where it is sent.

    Over HTTPS it has the prefix with which browsers see to it that no neighbour in the domain
    set it (RFC 6265bis, section 4.1.3.2); that asks for the path of the whole server.
    """
    name = "vouchgate-console"
    app.config.update(
        SESSION_COOKIE_NAME=f"__Host-{name}" if over_https else name,
        SESSION_COOKIE_PATH="/" if over_https else "/console",
        SESSION_COOKIE_SECURE=over_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
    )


def caller() -> Caller:
    """Whoever is about to show something: its address, and its cookie of a known browser."""
    return Caller(request.remote_addr or "unknown", request.cookies.get(prefixed(_DEVICE)))


def remember_device(operator: Operator) -> None:
    """Have the browser show from now on that this operator signed in with it."""
    cookie = services().sign_ins.devices.issue(operator.name)

    @after_this_request
    def set_cookie(response: Response) -> Response:
        set_console_cookie(response, _DEVICE, cookie, LIFETIME, samesite="Strict")
        return response


def set_console_cookie(
    response: Response, name: str, value: str, lifetime: timedelta, *, samesite: str
) -> None:
    """Have a browser keep a cookie for the console's pages alone, out of the reach of scripts.

    The name comes without the prefix of ``prefixed``; ``samesite`` is ``Lax`` where another site
    leads back here, and otherwise ``Strict``.
    """
    response.set_cookie(
        prefixed(name),
        value,
        max_age=lifetime,
        path=current_app.config["SESSION_COOKIE_PATH"],
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite=samesite,
    )


def prefixed(name: str) -> str:
    """A cookie's name, with the prefix of this host when the console is reached over HTTPS."""
    return f"__Host-{name}" if current_app.config["SESSION_COOKIE_SECURE"] else name
