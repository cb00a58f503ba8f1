"""What an answer means: JSON of success, or the server's refusal as an error."""

from __future__ import annotations

from guest.errors import (
    DeniedError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    RequestRefusedError,
    UnauthorizedError,
    UnavailableError,
)
from guest.kbs.transport import Reply
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.strict_json import parse_json, parse_json_object

DECISION_HEADER = "vouchgate-decision"
REASON_HEADER = "vouchgate-reason"

_MAX_DETAIL = 500

_REFUSALS: dict[int, type[RefusedError]] = {
    401: UnauthorizedError,
    403: DeniedError,
    404: NotFoundError,
    429: UnavailableError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}
# Trustee's KBS says 401 to nearly everything; the last segment of its error's ``type`` tells when a
# fresh attestation would change nothing. A plugin's failure may be a missing secret or an outage.
_FINAL_TYPES: dict[str, type[RefusedError]] = {
    "PolicyDeny": DeniedError,
    "PluginInternalError": RequestRefusedError,
}


def success_json(reply: Reply) -> JSONValue:
    """The JSON of a successful answer.

    Raises:
        RefusedError: the status is not 200.
        ProtocolError: the body is not JSON.
    """
    check_success(reply)
    try:
        return parse_json(reply.body)
    except WireError as error:
        raise ProtocolError("the server's answer is not JSON") from error


def check_success(reply: Reply) -> None:
    """Return on status 200.

    Raises:
        RefusedError: the status is another one; the leaf tells which kind.
    """
    if reply.status == 200:
        return
    body = _error_body(reply)
    detail = body.get("detail")
    sentence = _printable(detail) if isinstance(detail, str) and detail else "no detail given"
    reason = reply.headers.get(REASON_HEADER) or body.get("code")
    raise _kind(reply.status, body)(
        f"the server answered {reply.status}: {sentence}",
        status=reply.status,
        reason=_printable(reason) if isinstance(reason, str) else "",
        decision=_printable(reply.headers.get(DECISION_HEADER, "")),
    )


def _kind(status: int, body: JSONObject) -> type[RefusedError]:
    named = body.get("type")
    if status == 401 and "code" not in body and isinstance(named, str):
        final = _FINAL_TYPES.get(named.rpartition("/")[2])
        if final is not None:
            return final
    return _REFUSALS.get(status, RequestRefusedError)


def _error_body(reply: Reply) -> JSONObject:
    try:
        return parse_json_object(reply.body)
    except WireError:
        # Upstream's AS, and proxies on the way, answer in plain text.
        return {"detail": reply.body[:_MAX_DETAIL].decode("utf-8", "replace")}


def _printable(text: str) -> str:
    # Servers' texts reach a terminal: one line, no control characters.
    return "".join(c if c.isprintable() else " " for c in text[:_MAX_DETAIL]).strip()
