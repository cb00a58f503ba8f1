"""The Attestation Service as guests call it."""

from __future__ import annotations

from typing import Any

import pytest

from guest.aa.as_client import ASClient
from guest.errors import ProtocolError, RequestRefusedError, UnavailableError
from guest.wire.appraisals import AttestationEvaluation, VerificationRequest

JSON = "application/json"
EVALUATION = AttestationEvaluation((VerificationRequest("sample", {"svn": "1"}),))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"\xff", "text/plain"),
        (b"n" * 70_000, "text/plain"),
        (b"{", JSON),
        (b"[]", JSON),
        (b"{}", JSON),
        (b'{"nonce":1}', JSON),
        (b"", JSON),
    ],
)
def test_refuses_other_challenges(scripted: Any, reply: Any, value: bytes, kind: str) -> None:
    """Text of bounded length, or JSON with a nonce."""
    transport = scripted(reply(200, value, content_type=kind))
    with pytest.raises(ProtocolError):
        ASClient(transport).challenge("sample")


@pytest.mark.parametrize(
    ("value", "kind", "nonce"),
    [
        (b'{"nonce":"bm9uY2U=","extra-params":"","expires_at":"later"}', JSON, "bm9uY2U="),
        (b'{"nonce":"n"}', "application/json; charset=utf-8", "n"),
        (b"bm9uY2U=\n", "text/plain", "bm9uY2U="),
        (b'{"request_blob":""}', "text/plain", '{"request_blob":""}'),
        (b"", "text/plain", ""),
    ],
)
def test_reads_both_kinds_of_challenge(
    scripted: Any, reply: Any, value: bytes, kind: str, nonce: str
) -> None:
    """JSON from services that were asked for it, text from upstream's, which may be empty."""
    transport = scripted(reply(200, value, content_type=kind))
    assert ASClient(transport).challenge("sample") == nonce
    (call,) = transport.calls
    assert (call.path, call.body) == ("/challenge", {"tee": "sample", "tee_params": ""})
    assert call.headers == {"Accept": JSON}


def test_passes_refusals_on(scripted: Any, reply: Any) -> None:
    """Also those in plain text."""
    transport = scripted(reply(503, {}), reply(500, b"cause: bad evidence"))
    with pytest.raises(UnavailableError):
        ASClient(transport).challenge("sample")
    with pytest.raises(RequestRefusedError, match="bad evidence"):
        ASClient(transport).attest(EVALUATION)


@pytest.mark.parametrize("value", [b"", b"\n", b"\xff", b"x" * (1024 * 1024 + 1)])
def test_refuses_other_tokens(scripted: Any, reply: Any, value: bytes) -> None:
    """A token is text of bounded length."""
    with pytest.raises(ProtocolError):
        ASClient(scripted(reply(200, value))).attest(EVALUATION)


def test_brings_the_token(scripted: Any, reply: Any) -> None:
    """The body is the token (wire.md 8.1)."""
    transport = scripted(reply(200, b"a.b.c\n"))
    assert ASClient(transport).attest(EVALUATION) == "a.b.c"
    (call,) = transport.calls
    assert (call.path, call.body) == ("/attestation", EVALUATION.as_json())
