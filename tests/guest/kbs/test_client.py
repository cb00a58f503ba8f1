"""The KBS as guests call it."""

from __future__ import annotations

from typing import Any

import pytest

from guest.errors import ProtocolError, SealedResponseError, UnauthorizedError
from guest.kbs.client import KBSClient
from guest.kbs.handshake import Handshake, State
from guest.kbs.tee_keys import TEEKeyPair
from guest.wire.jwe import seal
from guest.wire.messages import TEEEvidence
from guest.wire.resource_uri import ResourceURI

PAIR = TEEKeyPair.generate()
CHALLENGE = {"nonce": "bm9uY2U=", "extra-params": ""}
COOKIE = "kbs-session-id=abc.DEF-_~123; Path=/kbs/v0; HttpOnly"
URI = ResourceURI.parse("kbs+nebula-ca:///a/b/c?x=y")


def made(*_: Any) -> TEEEvidence:
    """Some evidence."""
    return TEEEvidence({"svn": "1"})


def never(*_: Any) -> Any:
    """No evidence is to be made."""
    raise AssertionError


@pytest.mark.parametrize(
    "cookie",
    [
        None,
        "other=1",
        "kbs-session-id=",
        "kbs-session-id=a b",
        'kbs-session-id="a"',
        "x; kbs-session-id=1",
    ],
)
def test_refuses_a_challenge_without_a_session(scripted: Any, reply: Any, cookie: Any) -> None:
    """Without its cookie the evidence would reach no session."""
    headers = {} if cookie is None else {"set_cookie": cookie}
    transport = scripted(reply(200, CHALLENGE, **headers))
    with pytest.raises(ProtocolError):
        KBSClient(transport).attest(Handshake("sample", PAIR), made)


def test_a_refused_request_costs_no_evidence(scripted: Any, reply: Any) -> None:
    """Evidence is made after the challenge only."""
    transport = scripted(reply(401, {"detail": "no"}))
    with pytest.raises(UnauthorizedError):
        KBSClient(transport).attest(Handshake("sample", PAIR), never)


def test_a_refused_attestation_is_not_repeated(scripted: Any, reply: Any) -> None:
    """The same evidence would be refused again."""
    transport = scripted(reply(200, CHALLENGE, set_cookie=COOKIE), reply(401, {"detail": "no"}))
    with pytest.raises(UnauthorizedError):
        KBSClient(transport).attest(Handshake("sample", PAIR), made)
    assert len(transport.calls) == 2


def test_attests(scripted: Any, reply: Any) -> None:
    """Two calls, one session, evidence over nonce and key."""
    transport = scripted(reply(200, CHALLENGE, set_cookie=COOKIE), reply(200, {"token": "a.b.c"}))
    run = Handshake("sample", PAIR)
    seen: list[Any] = []
    token = KBSClient(transport).attest(run, lambda *bound: seen.append(bound) or made())
    assert (token, run.state) == ("a.b.c", State.DONE)
    assert seen == [("bm9uY2U=", PAIR.public.as_json(), "sha384")]
    auth, attest = transport.calls
    assert (auth.path, attest.path) == ("/kbs/v0/auth", "/kbs/v0/attest")
    assert attest.headers == {"Cookie": "kbs-session-id=abc.DEF-_~123"}
    assert attest.body["tee-evidence"]["primary_evidence"] == {"svn": "1"}


@pytest.mark.parametrize(
    "value", [None, {}, [], "secret", seal(b"x", TEEKeyPair.generate().public)]
)
def test_refuses_what_is_not_sealed_to_its_key(scripted: Any, reply: Any, value: Any) -> None:
    """Plain text from a server is no resource either."""
    transport = scripted(reply(200, value))
    with pytest.raises(SealedResponseError):
        KBSClient(transport).fetch(URI, "t", PAIR)


def test_fetches(scripted: Any, reply: Any) -> None:
    """By bearer token alone; plugin, path and query go into the URL."""
    transport = scripted(reply(200, seal(b"secret", PAIR.public)))
    assert KBSClient(transport).fetch(URI, "a.b.c", PAIR) == b"secret"
    (call,) = transport.calls
    assert (call.method, call.path) == ("GET", "/kbs/v0/nebula-ca/a/b/c?x=y")
    assert call.headers["Authorization"] == "Bearer a.b.c"
    assert "Cookie" not in call.headers
