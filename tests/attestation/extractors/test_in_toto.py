"""Signed in-toto statements: what is not signed by someone named says nothing."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from message_signing import CI, DIGEST, encoded, envelope, statement, trusting

from app.attestation.extractors.in_toto import EXTRACTOR, pre_authentication_encoding
from app.trust.errors import MalformedReferenceValueError, UntrustedSignerError
from guest.wire.encoding import b64_encode

STRANGER = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    "bent",
    [
        envelope(statement(), key=STRANGER),
        envelope(statement(), key=ec.generate_private_key(ec.SECP384R1())),
        envelope(statement()) | {"signatures": []},
        envelope(statement()) | {"payload": encoded(statement(subject=[]))},
        envelope(statement(), sig=""),
        envelope(statement(), sig=b64_encode(b"\x30\x00")),
        envelope(statement(), sig=b64_encode(bytes(64))),
    ],
)
def test_what_nobody_named_signed_is_refused(bent: dict[str, Any]) -> None:
    """By another key, another curve, nobody, or over something else."""
    with pytest.raises(UntrustedSignerError):
        EXTRACTOR.extract(encoded(bent), CI)


def test_without_a_signer_in_the_settings_nothing_is_accepted() -> None:
    """An empty list is not a list of everybody."""
    with pytest.raises(UntrustedSignerError):
        EXTRACTOR.extract(encoded(envelope(statement())), trusting(key=None))


@pytest.mark.parametrize(
    "bent",
    [
        {"payloadType": "application/json"},
        {"payloadType": None},
        {"payload": None},
        {"payload": 7},
        {"payload": "?"},
        {"signatures": None},
        {"signatures": {}},
        {"signatures": [7]},
        {"signatures": [{}]},
        {"signatures": [{"sig": 7}]},
        {"signatures": [{"sig": "", "cert": 7}]},
        {"signatures": [{"sig": "", "cert": "no PEM"}]},
        {"signatures": [{"sig": "", "cert": "x" * 70_000}]},
        {"signatures": [{"sig": ""}] * 9},
    ],
)
def test_refuses_what_is_no_envelope(bent: dict[str, Any]) -> None:
    """Members missing, of other types, or too many."""
    with pytest.raises(MalformedReferenceValueError):
        EXTRACTOR.extract(encoded(envelope(statement()) | bent), CI)


@pytest.mark.parametrize(
    "content",
    [
        [],
        statement(_type="https://in-toto.io/Statement/v9"),
        statement(_type=None),
        statement(predicateType="https://slsa.dev/verification_summary/v1"),
        statement(predicateType="https://in-toto.io/attestation/test-result/v0.1"),
        statement(predicateType=["https://slsa.dev/provenance/v1"]),
        statement(predicate=None),
        statement(predicate={"builder": {"id": "of v0.2"}}),
        statement(predicate={"runDetails": {"builder": {"id": ""}}}),
        statement(subject=None),
        statement(subject=["x"]),
        statement(subject=[{"name": "x"}]),
        statement(subject=[{"digest": {"sha256": "ab" * 32}}]),
        statement(subject=[{"name": "x", "digest": {"sha1": "ab" * 20}}]),
        statement(subject=[{"name": "x", "digest": {"sha256": "ab" * 31}}]),
        statement(subject=[{"name": "x", "digest": {"sha256": "AB" * 32}}]),
        statement(subject=[{"name": "x", "digest": {"sha256": 7}}]),
    ],
)
def test_refuses_what_is_no_provenance(content: Any) -> None:
    """Signed or not: a statement that says something else than what was built gives no value."""
    with pytest.raises(MalformedReferenceValueError):
        EXTRACTOR.extract(encoded(envelope(content)), CI)


def test_no_beginning_of_a_message_is_one() -> None:
    """A message that was cut off is refused wherever the cut is."""
    whole = encoded(envelope(statement()))
    for length in range(len(whole)):
        with pytest.raises((MalformedReferenceValueError, UntrustedSignerError)):
            EXTRACTOR.extract(whole[:length], CI)


def test_the_subjects_become_values() -> None:
    """All digests of one name in one list; what is weaker than SHA-256 is left out."""
    subjects = [
        {"name": "snp_a", "digest": {"sha256": "cd" * 32, "sha1": "ab" * 20}},
        {"name": "snp_a", "digest": {"sha384": DIGEST}},
        {"name": "snp_b", "digest": {"sha512": "ef" * 64}},
    ]
    found = EXTRACTOR.extract(encoded(envelope(statement(subject=subjects))), CI)
    assert found.values == {"snp_a": [DIGEST, "cd" * 32], "snp_b": ["ef" * 64]}
    assert found.signer is not None
    assert found.signer.name == "ci"


def test_reads_the_older_versions() -> None:
    """Statement v0.1 with provenance v0.2, as many builders still write it."""
    older = statement(
        _type="https://in-toto.io/Statement/v0.1",
        predicateType="https://slsa.dev/provenance/v0.2",
        predicate={"builder": {"id": "https://ci.example/builder"}},
    )
    found = EXTRACTOR.extract(encoded(envelope(older)), CI)
    assert found.values == {"snp_launch_measurement": [DIGEST]}


def test_one_trusted_signature_among_others_is_enough() -> None:
    """Whoever signs besides does no harm."""
    both = envelope(statement(), key=STRANGER)
    both["signatures"] += envelope(statement())["signatures"]
    assert EXTRACTOR.extract(encoded(both), CI).values


def test_keys_of_ed25519_sign() -> None:
    """The other kind of key that settings may name."""
    key = ed25519.Ed25519PrivateKey.generate()
    found = EXTRACTOR.extract(
        encoded(envelope(statement(), key=key)), trusting(key=key.public_key())
    )
    assert found.values == {"snp_launch_measurement": [DIGEST]}


def test_what_is_signed_is_the_envelope_as_dsse_encodes_it() -> None:
    """The example in the protocol's text: type and body, each behind its length."""
    encoding = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoding == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
