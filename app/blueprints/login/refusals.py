"""What a form says when what was shown is wrong, or was tried too often."""

from __future__ import annotations

from collections.abc import Callable

from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf import FlaskForm

from app.trust.errors import TooManyRequestsError, UnauthenticatedError


def refusal(
    page: Callable[[], str],
    form: FlaskForm,
    error: UnauthenticatedError | TooManyRequestsError,
    wrong: str,
) -> ResponseReturnValue:
    """The page with the form again, and the reason above it."""
    if isinstance(error, TooManyRequestsError):
        minutes = -(-error.retry_after // 60)
        text = _("Too many attempts. Wait %(minutes)d min and try again.", minutes=minutes)
        form.form_errors = [text]
        return page(), 429, {"Retry-After": str(error.retry_after)}
    form.form_errors = [wrong]
    return page(), 401
