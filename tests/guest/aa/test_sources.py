"""Where tokens come from."""

from __future__ import annotations

from typing import Any

import pytest

from guest.aa.as_client import ASClient
from guest.aa.sources import ASTokenSource, Attestable, KBSTokenSource
from guest.attester import Devices
from guest.attesters.sample import ATTESTER
from guest.errors import MissingNonceError
from guest.kbs.client import KBSClient
from guest.wire.appraisals import parse_attestation_evaluation
from guest.wire.encoding import b64_decode
from guest.wire.messages import parse_attestation
from guest.wire.runtime_data import runtime_data_digest

INIT_DATA = 'version = "1"\nalgorithm = "sha384"\n[data]\n'
SUBJECT = Attestable(ATTESTER, Devices(), INIT_DATA)
P256 = "ECDH-ES+A256KW-P256"


def test_refuses_a_service_without_nonces(scripted: Any, reply: Any) -> None:
    """Its token would prove no freshness, and nobody asked for that."""
    source = ASTokenSource(ASClient(scripted(reply(200, b""))), SUBJECT, P256)
    with pytest.raises(MissingNonceError, match="insecure_no_nonce"):
        source.fetch()


def test_goes_on_without_nonces_when_told(scripted: Any, reply: Any) -> None:
    """With a nonce of its own, fresh each time, in the form of a KBS's."""
    nonces = set()
    for _ in range(2):
        transport = scripted(reply(200, b""), reply(200, b"a.b.c"))
        source = ASTokenSource(ASClient(transport), SUBJECT, P256, insecure_no_nonce=True)
        source.fetch()
        (request,) = transport.calls[1].body["verification_requests"]
        nonces.add(request["runtime_data"]["structured"]["nonce"])
    assert {len(b64_decode(nonce)) for nonce in nonces} == {32}
    assert len(nonces) == 2


def test_the_passport_binds_nonce_key_and_init_data(scripted: Any, reply: Any) -> None:
    """guest.md 5.2: what upstream's guest leaves out."""
    challenge = reply(200, {"nonce": "bm9uY2U="}, content_type="application/json")
    transport = scripted(challenge, reply(200, b"a.b.c"))
    token, pair = ASTokenSource(ASClient(transport), SUBJECT, "ECDH-ES+A256KW-P521").fetch()
    assert token == "a.b.c"
    (request,) = parse_attestation_evaluation(transport.calls[1].body).verification_requests
    assert request.runtime_data == {
        "nonce": "bm9uY2U=",
        "tee-pubkey": pair.public.as_json(),
        "additional-evidence": "",
    }
    assert pair.public.as_json()["crv"] == "P-521"
    assert b64_decode(request.evidence["report_data"]) == runtime_data_digest(request.runtime_data)
    assert request.hash_algorithm == "sha384"
    assert request.init_data_toml == INIT_DATA


def test_the_background_check_runs_the_handshake(scripted: Any, reply: Any) -> None:
    """With a fresh key each time, and the init data."""
    keys = []
    for _ in range(2):
        transport = scripted(
            reply(200, {"nonce": "n", "extra-params": ""}, set_cookie="kbs-session-id=1"),
            reply(200, {"token": "a.b.c"}),
        )
        token, pair = KBSTokenSource(KBSClient(transport), SUBJECT, P256).fetch()
        assert token == "a.b.c"
        attestation = parse_attestation(transport.calls[1].body)
        assert attestation.tee_pubkey == pair.public
        assert attestation.init_data_toml == INIT_DATA
        keys.append(pair.public)
    assert keys[0] != keys[1]
