"""The session cookie: Trustee's name, with the attributes that Trustee's lacks (wire.md 1.3)."""

from __future__ import annotations

from datetime import datetime

from flask import Response, request

SESSION_COOKIE = "kbs-session-id"
SESSION_PATH = "/kbs/v0"


def set_session_cookie(response: Response, value: str, expires_at: datetime) -> None:
    """Give the guest its session; over TLS the cookie never travels without it."""
    response.set_cookie(
        SESSION_COOKIE,
        value,
        expires=expires_at,
        path=SESSION_PATH,
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )
