"""Signed CoRIM: reference triples, and what is no such thing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from cbor2 import CBORTag, dumps, loads
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from message_signing import CI, KEY, NOW, certificate, trusting

from app.attestation.extractors.corim import EXTRACTOR
from app.trust.errors import (
    ExpiredCertificateError,
    MalformedReferenceValueError,
    SignatureError,
    UntrustedRootError,
    UntrustedSignerError,
)
from guest.wire.encoding import b64_encode

SHA384 = bytes(range(48))
CLASS = {0: {1: "acme", 2: "board"}}
MEASUREMENT = {0: "kernel", 1: {2: [[7, SHA384]]}}
ROOT_KEY, LEAF_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
ROOT = certificate("root", ROOT_KEY, authority=True)


def comid(*measurements: Any, environment: Any = CLASS) -> Any:
    """A CoMID of one reference triple, under its tag."""
    triples = {0: [[environment, list(measurements or [MEASUREMENT])]]}
    return CBORTag(506, dumps({1: {0: "id"}, 4: triples}))


def corim(*tags: Any, **more: Any) -> Any:
    """An unsigned CoRIM under its tag."""
    return CBORTag(501, {0: "id", 1: list(tags or [comid()])} | more.get("members", {}))


def signed(content: Any, key: Any = KEY, unprotected: Any = None, protected: Any = None) -> bytes:
    """A COSE_Sign1 with its tag."""
    head = dumps({1: -7, 3: "application/rim+cbor"} if protected is None else protected)
    body = content if isinstance(content, bytes) else dumps(content)
    der = key.sign(dumps(["Signature1", head, b"", body]), ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(der)
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return dumps(CBORTag(18, [head, unprotected or {}, body, signature]))


def read(message: bytes, signers: Any = CI) -> dict[str, Any]:
    """The values in a signed CoRIM."""
    return dict(EXTRACTOR.extract(b64_encode(message), signers).values)


def nested(depth: int) -> Any:
    """An array in an array in an array."""
    return [nested(depth - 1)] if depth else []


def over(label: int, moment: Any) -> bytes:
    """Signed, with a limit of its validity."""
    limits = {1: CBORTag(1, int((NOW + timedelta(days=1)).timestamp()))} | {label: moment}
    return signed(corim(members={4: limits}))


PAST = CBORTag(1, int((NOW - timedelta(days=1)).timestamp()))
FUTURE = CBORTag(1, int((NOW + timedelta(days=1)).timestamp()))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        dumps(corim()),
        dumps(CBORTag(500, CBORTag(501, {}))),
        dumps(CBORTag(18, [])),
        dumps(CBORTag(18, [b"", {1: -7}, b"", b""])),
        b"\xd2" * 1000,
        b"\x81" * 100_000,
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        signed(corim(), protected={1: -37}),
        signed(corim(), protected={1: -7, 2: [99]}),
        signed(corim(), unprotected={33: 7}),
        signed(corim(), unprotected={33: [7]}),
        signed(b"\xff"),
        signed({}),
        signed(CBORTag(501, {})),
        signed(CBORTag(501, {1: []})),
        signed(corim(members={1: nested(40)})),
        signed(corim(CBORTag(506, 7))),
        signed(corim(CBORTag(506, b""))),
        signed(corim(CBORTag(506, dumps({4: 7})))),
        signed(corim(CBORTag(506, dumps({4: {0: [7]}})))),
        signed(corim(comid(7))),
        signed(corim(comid({0: "a"}))),
        signed(corim(comid({0: "a/b", 1: {1: 1}}))),
        signed(corim(comid({0: -1, 1: {1: 1}}))),
        signed(corim(comid({0: CBORTag(37, b"short"), 1: {1: 1}}))),
        signed(corim(comid({1: {2: []}}))),
        signed(corim(comid({1: {2: [[7, b"short"]]}}))),
        signed(corim(comid({1: {2: [[2, SHA384]]}}))),
        signed(corim(comid({1: {2: [[[], SHA384]]}}))),
        signed(corim(comid({1: {2: [[True, bytes(32)]]}}))),
        signed(corim(comid({1: {4: "text"}}))),
        signed(corim(comid({1: {4: b"a", 5: b"b"}}))),
        signed(corim(comid({1: {1: -1}}))),
        signed(corim(comid({1: {1: 2**60}}))),
        signed(corim(comid({1: {1: 2**600}}))),
        signed(corim(comid({1: {1: True}}))),
        signed(corim(comid({1: {1: 1}}, {1: {1: 2}}))),
        signed(corim(comid(environment={1: b"instance"}))),
        signed(corim(comid(environment={0: {1: 7}}))),
        over(0, FUTURE),
        over(1, PAST),
        over(1, CBORTag(1, "soon")),
        over(1, CBORTag(1, 1e300)),
        over(1, 7),
    ],
    ids=lambda message: f"{len(message)}-long",
)
def test_refuses_any_other_message(message: bytes) -> None:
    """Unsigned, another algorithm, no map, too deep, too large, masked, ambiguous, or over."""
    with pytest.raises(MalformedReferenceValueError):
        read(message)


def test_no_beginning_of_a_message_is_one() -> None:
    """A message that was cut off is refused wherever the cut is."""
    whole = signed(corim())
    for length in range(len(whole)):
        with pytest.raises(MalformedReferenceValueError):
            read(whole[:length])


def test_what_nobody_named_signed_is_refused() -> None:
    """Another key, nobody's, a key of another kind, or other content than was signed."""
    whole = signed(corim())
    for message, signers in (
        (signed(corim(), key=LEAF_KEY), CI),
        (whole, trusting()),
        (whole, trusting(key=ed25519.Ed25519PrivateKey.generate().public_key())),
        (whole, trusting(key=ec.generate_private_key(ec.SECP384R1()).public_key())),
        (whole[:-1] + bytes([whole[-1] ^ 1]), CI),
    ):
        with pytest.raises(UntrustedSignerError):
            read(message, signers)


@pytest.mark.parametrize("in_list", [True, False])
def test_a_certificate_of_a_trusted_authority_signs(in_list: bool) -> None:
    """In the header ``x5chain``, alone or as a list."""
    leaf = certificate("leaf", LEAF_KEY, ("root", ROOT_KEY)).public_bytes(Encoding.DER)
    head = {1: -7, 33: [leaf] if in_list else leaf}
    message = signed(corim(), key=LEAF_KEY, protected=head)
    assert read(message, trusting(roots=[ROOT])) == {"acme/board/kernel/digests": [SHA384.hex()]}
    with pytest.raises(UntrustedRootError):
        read(message, CI)
    with pytest.raises(SignatureError):
        read(signed(corim(), key=KEY, protected=head), trusting(roots=[ROOT]))


def test_an_expired_signer_is_refused() -> None:
    """The dates of its certificate are judged now."""
    ended = certificate("leaf", LEAF_KEY, ("root", ROOT_KEY), ends_at=NOW - timedelta(days=1))
    head = {1: -7, 33: ended.public_bytes(Encoding.DER)}
    with pytest.raises(ExpiredCertificateError):
        read(signed(corim(), key=LEAF_KEY, protected=head), trusting(roots=[ROOT]))


def test_reference_triples_become_values() -> None:
    """Each by the parts that are there; digests of one name are alternatives."""
    number = UUID("31fb5abf-023e-4992-aa4e-95f9c1503bfa")
    measurements = [
        MEASUREMENT,
        {0: "kernel", 1: {2: [["sha-256", bytes(32)]]}},
        {0: 3, 1: {1: CBORTag(552, 4), 4: CBORTag(560, b"\x01\x02"), 11: "fw", 8: "s1"}},
        {0: CBORTag(37, number.bytes), 1: {1: CBORTag(553, 7)}},
        {1: {1: 9}},
    ]
    content = corim(CBORTag(505, b"software"), comid(*measurements))
    assert read(signed(content)) == {
        "acme/board/kernel/digests": [SHA384.hex(), "00" * 32],
        "acme/board/claim3/fw/s1/svn": 4,
        "acme/board/claim3/fw/s1/raw_bytes": "0102",
        f"acme/board/{number}/minimum_svn": 7,
        "acme/board/svn": 9,
    }


def test_reads_what_older_drafts_wrapped() -> None:
    """The tags 500 and 502 around a signed one."""
    inner = CBORTag(18, list(_array(signed(corim()))))
    assert read(dumps(CBORTag(500, CBORTag(502, inner))))


def test_reads_a_manifest_within_its_validity() -> None:
    """With both limits."""
    assert read(over(0, PAST))


def _array(message: bytes) -> Any:
    """The elements of a COSE_Sign1, which stands behind one byte of tag."""
    return loads(message[1:])
