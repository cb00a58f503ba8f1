"""The evidence of DCAP verifiers: members of JSON, and the fields that bind a quote to a caller."""

from __future__ import annotations

import hmac

from app.trust.errors import (
    BindingMismatchError,
    InitDataMismatchError,
    MalformedEvidenceError,
)
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError


def evidence_members(unverified_body: JSONValue) -> JSONObject:
    """The members of the evidence; those that nobody asks for are ignored.

    Raises:
        MalformedEvidenceError: the evidence is no JSON object.
    """
    if not isinstance(unverified_body, dict):
        raise MalformedEvidenceError("the evidence is not a JSON object")
    return unverified_body


def decode_member(members: JSONObject, name: str, limit: int) -> bytes:
    """The bytes of a member in standard base64, at most ``limit`` of them.

    Raises:
        MalformedEvidenceError: the member is missing, no base64, or longer.
    """
    text = members.get(name)
    if not isinstance(text, str):
        raise MalformedEvidenceError(f"{name} is not a string")
    # Measured before it is decoded: four characters stand for three bytes.
    if len(text) > (limit + 2) // 3 * 4:
        raise MalformedEvidenceError(f"{name} is longer than {limit} bytes")
    try:
        return b64_decode(text)
    except WireError as error:
        raise MalformedEvidenceError(f"{name} is not base64") from error


def check_report_data(found: bytes, expected: bytes | None) -> None:
    """The quote carries the expected report data; a shorter one is padded with zeros.

    Raises:
        BindingMismatchError: it carries another, or the expected one does not fit into the field.
    """
    if expected is None:
        return
    # Trustee would cut longer data, and so accept what differs after the cut; nobody sends such.
    if len(expected) > len(found):
        raise BindingMismatchError(f"report data has more than {len(found)} bytes")
    if not hmac.compare_digest(found, expected.ljust(len(found), b"\x00")):
        raise BindingMismatchError("the quote carries other report data")


def check_init_data(found: bytes, expected: bytes | None) -> None:
    """The quote carries the digest of the expected init data, padded with zeros or cut.

    Raises:
        InitDataMismatchError: it carries another.
    """
    if expected is None:
        return
    # A SHA-512 digest is longer than the field of a TD. Guests put its first 48 bytes there, which
    # Trustee accepts, and 384 bits of a digest identify init data as well as SHA-384 does.
    fitting = expected[: len(found)].ljust(len(found), b"\x00")
    if not hmac.compare_digest(found, fitting):
        raise InitDataMismatchError("the quote was made with other init data")
