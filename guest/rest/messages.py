"""Requests and answers of the loopback API, without a socket (guest.md, section 8)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from guest.wire.json_types import JSONObject

OCTETS = "application/octet-stream"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_MAX_PARAMETERS = 8


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked.

    Attributes:
        method: of HTTP.
        path: as written, neither decoded nor resolved.
        parameters: of the query, decoded; of a repeated one, the first.
        body: as long as the request says; ``b""`` for none.
    """

    method: str
    path: str
    parameters: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def parse(cls, method: str, target: str, body: bytes = b"") -> Request | None:
        """A request by its target (RFC 9112, section 3.2.1), or ``None`` when that is malformed."""
        try:
            parts = urlsplit(target)
            pairs = parse_qsl(
                parts.query,
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_MAX_PARAMETERS,
            )
        except ValueError:
            return None
        if parts.scheme or parts.netloc or not target.startswith("/"):
            return None
        return cls(method, parts.path, dict(reversed(pairs)), body)


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered.

    Attributes:
        status: of HTTP.
        body: of any length.
        content_type: of the body.
        reason: code of a failure; ``""`` for none.
    """

    status: HTTPStatus
    body: bytes = field(repr=False)
    content_type: str = OCTETS
    reason: str = ""


def refusal(status: HTTPStatus, sentence: str, reason: str = "") -> Response:
    """An answer in words; upstream's words are texts that clients may know."""
    return Response(status, sentence.encode("utf-8"), TEXT, reason)


def json_response(members: JSONObject) -> Response:
    """An answer in JSON."""
    return Response(HTTPStatus.OK, json.dumps(members, separators=(",", ":")).encode(), JSON)


BAD_REQUEST = refusal(HTTPStatus.BAD_REQUEST, "BAD REQUEST")
FORBIDDEN = refusal(HTTPStatus.FORBIDDEN, "Forbidden")
NOT_FOUND = refusal(HTTPStatus.NOT_FOUND, "URL NOT FOUND")
NO_RESOURCES = refusal(HTTPStatus.NOT_FOUND, "Resource Feature Not Enabled")
NO_ATTESTATION = refusal(HTTPStatus.NOT_FOUND, "Attestation Feature Not Enabled")
METHOD_NOT_ALLOWED = refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed")
TOO_LARGE = refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large")
TOO_SLOW = refusal(HTTPStatus.REQUEST_TIMEOUT, "Request Timeout")
BUSY = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Service Unavailable")
