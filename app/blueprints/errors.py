"""Errors in the caller's dialect: three tables, nothing else sets a status.

The nearest ancestor of an error decides. A guest understands 401 as "attest afresh", so 401 is only
said where that can help (design decision 7).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TypeVar

import structlog
from flask import Flask, Response, current_app, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from app.blueprints.next_steps import next_step
from app.console.reasons import REASONS
from app.trust import errors

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_INTERNAL = "internal"
_FAULT = "something is wrong on this server; the log has the details"
DECISION_HEADER = "Vouchgate-Decision"
REASON_HEADER = "Vouchgate-Reason"

_COMMON: Mapping[type[errors.DomainError], int] = {
    errors.MalformedError: 400,
    errors.TooLargeError: 413,
    errors.UnverifiedError: 401,
    errors.SessionError: 401,
    errors.UnauthenticatedError: 401,
    errors.DeniedError: 403,
    errors.PolicyFailedError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.UnsupportedError: 400,
    errors.UnavailableError: 503,
    errors.TooManyRequestsError: 429,
    errors.SealingError: 503,
    errors.ConfigError: 503,
}

KBS_STATUS: Mapping[type[errors.DomainError], int] = {
    **_COMMON,
    # A guest whose token does not even parse needs another one (RFC 6750, section 3.1).
    errors.MalformedTokenError: 401,
}
AS_STATUS: Mapping[type[errors.DomainError], int] = {
    **_COMMON,
    # Whoever calls the AS holds no token and no session: its evidence is what cannot be processed.
    errors.UnverifiedError: 422,
    errors.NonceError: 401,
}
CONSOLE_STATUS: Mapping[type[errors.DomainError], int] = {
    **_COMMON,
    errors.UnverifiedError: 422,
    errors.SessionError: 422,
}

# The `type` of a KBS error ends in a name that Trustee's clients know (wire.md 1.5).
_KBS_TYPE = "https://github.com/confidential-containers/kbs/errors/"
_KBS_NAMES: Mapping[type[errors.DomainError], str] = {
    errors.DomainError: "AttestationError",
    errors.MalformedResourceError: "PluginInternalError",
    errors.MalformedPolicyError: "PolicyEngineError",
    errors.BrokenExamplesError: "PolicyEngineError",
    errors.MalformedReferenceValueError: "RvpsError",
    errors.ReferenceValueNotFoundError: "RvpsError",
    errors.TokenError: "TokenVerifierError",
    errors.MalformedTokenError: "TokenVerifierError",
    errors.MissingTokenError: "TokenNotFound",
    errors.UnauthenticatedError: "AdminAuthAccess",
    errors.PermissionDeniedError: "AdminAuthAccess",
    errors.NeedsApprovalError: "AdminAuthAccess",
    errors.PolicyDeniedError: "PolicyDeny",
    errors.PolicyFailedError: "PolicyEngineError",
    errors.PolicyNotFoundError: "PolicyEngineError",
    errors.ResourceNotFoundError: "PluginInternalError",
    errors.PluginNotFoundError: "PluginNotFound",
    errors.TEEKeyUnsupportedError: "JweError",
}


def register(app: Flask) -> None:
    """Answer every error of the domain, of HTTP, and the unforeseen."""
    app.register_error_handler(errors.DomainError, answer)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unforeseen)


def answer(error: errors.DomainError) -> ResponseReturnValue:
    """An error of the domain, in the dialect of whoever asked."""
    level = logging.ERROR if isinstance(error, errors.UnavailableError) else logging.INFO
    _log.log(
        level,
        "request refused",
        code=error.code,
        detail=error.message,
        decision=error.decision_id,
        cause=repr(error.__cause__.__class__.__name__) if error.__cause__ else None,
    )
    if request.blueprint in {"console", "login"}:
        return _as_page(error)
    if request.path.startswith("/kbs/"):
        return _as_kbs(error)
    return _as_problem(error)


def _as_kbs(error: errors.DomainError) -> Response:
    body = {
        "type": _KBS_TYPE + _nearest(_KBS_NAMES, error),
        "detail": error.message,
        "code": error.code,
    }
    if error.decision_id:
        body["decision"] = error.decision_id
    return _finish(jsonify(body), _nearest(KBS_STATUS, error), error)


def _as_problem(error: errors.DomainError) -> Response:
    status = _nearest(AS_STATUS, error)
    response = _problem(status, error.code, error.message, error.decision_id)
    return _finish(response, status, error)


def _problem(
    status: int, code: str, detail: str | None, decision_id: str | None = None
) -> Response:
    """Problem details (RFC 9457)."""
    body = {
        "type": f"urn:vouchgate:error:{code}",
        "title": code.replace("-", " "),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if decision_id:
        body["decision"] = decision_id
    response = jsonify(body)
    response.content_type = "application/problem+json"
    return response


def _as_page(error: errors.DomainError) -> ResponseReturnValue:
    if isinstance(error, errors.UnauthenticatedError) and request.endpoint != "login.sign_in":
        return redirect(url_for("login.sign_in", next=request.path), 303)
    status = _nearest(CONSOLE_STATUS, error)
    return _finish(_page(status, error.code, error.message), status, error)


def _page(status: int, code: str, message: str | None) -> Response:
    is_explained = code in REASONS and "console.reason" in current_app.view_functions
    return Response(
        render_template(
            "error.html",
            status=status,
            code=code,
            message=message,
            next_step=next_step(status, code),
            is_explained=is_explained,
        )
    )


def _finish(response: Response, status: int, error: errors.DomainError) -> Response:
    response.status_code = status
    response.headers[REASON_HEADER] = error.code
    if error.decision_id:
        response.headers[DECISION_HEADER] = error.decision_id
    if isinstance(error, errors.UnavailableError):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.UnauthenticatedError):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _too_large(_: RequestEntityTooLarge) -> ResponseReturnValue:
    return answer(errors.TooLargeError("the body is larger than this server takes"))


def _http_error(error: HTTPException) -> ResponseReturnValue:
    """What the router refuses: no such path, no such method, a malformed request line."""
    if error.response is not None:
        return error.response
    status = error.code or 500
    code = {404: "not-found", 405: "method-not-allowed", 429: "too-many-requests"}.get(
        status, "malformed-request"
    )
    if request.path.startswith("/console") and "console" in current_app.blueprints:
        response = _page(status, code, error.description)
    elif request.path.startswith("/kbs/"):
        kind = _KBS_TYPE + ("PluginNotFound" if status == 404 else "InvalidRequestPath")
        response = jsonify({"type": kind, "detail": error.description, "code": code})
    else:
        response = _problem(status, code, error.description)
    response.status_code = status
    response.headers[REASON_HEADER] = code
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after"}:
            response.headers[name] = value
    return response


def _unforeseen(error: Exception) -> ResponseReturnValue:
    """The last handler: a fault of ours. Nothing about it is said outside."""
    _log.error("unforeseen error", exc_info=error)
    response = None
    if request.blueprint in {"console", "login"}:
        response = _page_of_fault()
    if response is None:
        response = _problem(500, _INTERNAL, _FAULT)
    response.status_code = 500
    response.headers[REASON_HEADER] = _INTERNAL
    return response


def _page_of_fault() -> Response | None:
    """The page for a browser; ``None`` when the fault is one that pages have too."""
    try:
        return _page(500, _INTERNAL, _FAULT)
    except Exception as again:  # noqa: BLE001  (it is the last handler, and tells the log)
        _log.error("unforeseen error in the page that tells of one", exc_info=again)
        return None


def _nearest(table: Mapping[type[errors.DomainError], T], error: errors.DomainError) -> T:
    return next(table[kind] for kind in type(error).__mro__ if kind in table)
