"""Request bodies and parameters: read once, strictly, into plain values."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request

from app.trust.errors import MalformedRequestError, TooLargeError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json, parse_json_object


def body_bytes() -> bytes:
    """The body, whole.

    Raises:
        TooLargeError: it is larger than the server takes.
        MalformedRequestError: it ended before its announced length.
    """
    body = request.get_data(cache=False)
    announced, limit = request.content_length, request.max_content_length
    # Behind a server that ends the stream itself, Werkzeug takes a client that went away for the
    # end of the body, and cuts a body of chunks at the limit without a word.
    if announced is not None and len(body) < announced:
        raise MalformedRequestError("the body ended before its announced length")
    cut = announced is None and limit is not None and len(body) >= limit
    if cut and request.environ["wsgi.input"].read(1):
        raise TooLargeError("the body is larger than this server takes")
    return body


def json_body() -> JSONValue:
    """The body as JSON, whatever its content type says; guests are careless about that.

    Raises:
        MalformedRequestError: it is not strict JSON (``guest/wire/strict_json.py``).
    """
    try:
        return parse_json(body_bytes())
    except WireError as error:
        raise MalformedRequestError(str(error)) from error


def json_object() -> JSONObject:
    """The body as a JSON object.

    Raises:
        MalformedRequestError: it is not strict JSON, or not an object.
    """
    try:
        return parse_json_object(body_bytes())
    except WireError as error:
        raise MalformedRequestError(str(error)) from error


def text_member(body: JSONObject, name: str) -> str:
    """A member that must be text.

    Raises:
        MalformedRequestError: it is missing or of another type.
    """
    value = body.get(name)
    if not isinstance(value, str):
        raise MalformedRequestError(f"the member {name} must be there and be text")
    return value


def bearer_token() -> str | None:
    """The bearer token of the ``Authorization`` header (RFC 6750, section 2.1)."""
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    return credential.strip() or None if scheme.lower() == "bearer" else None


def query_parameters() -> dict[str, str]:
    """The query string; of a repeated name the last value counts (wire.md 1.1)."""
    return {name: values[-1] for name, values in request.args.lists()}


def whole_number(parameters: Mapping[str, str], name: str, default: int | None = None) -> int:
    """A parameter that is a number of at most nine digits.

    Raises:
        MalformedRequestError: it is missing and has no default, or is no such number.
    """
    text = parameters.get(name, "" if default is None else str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise MalformedRequestError(f"{name} is a whole number")
    return int(text)


def page_limit(default: int = 50, most: int = 500) -> int:
    """How many rows the caller wants, from the parameter ``limit``.

    Raises:
        MalformedRequestError: it is not a whole number from 1 to ``most``.
    """
    text = request.args.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise MalformedRequestError(f"limit is a whole number from 1 to {most}")
    return int(text)
