"""Signers by certificate, and what each signer may name."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from fakes import FakeClock, MemoryAuditLog, MemoryDatabase, MemoryReferenceValues, MemoryRevisions
from message_signing import DIGEST, KEY, NOW, certificate, encoded, envelope, message, pem, trusting
from message_signing import statement as provenance

from app.attestation.extractors.in_toto import EXTRACTOR
from app.attestation.message_signers import Signer
from app.attestation.reference_value_messages import MessageReader, Provenance
from app.attestation.reference_values import DraftReferenceValue, ReferenceValues
from app.trust.approvals import ChangeRule
from app.trust.audit import Actor
from app.trust.errors import (
    ChainError,
    DomainError,
    ExpiredCertificateError,
    MalformedReferenceValueError,
    SignatureError,
    SignerOutOfScopeError,
    UntrustedRootError,
    UntrustedSignerError,
)

ROOT_KEY, MIDDLE_KEY, LEAF_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
ROOT = certificate("root", ROOT_KEY, authority=True)
MIDDLE = certificate("middle", MIDDLE_KEY, ("root", ROOT_KEY), authority=True)
LEAF = certificate("leaf", LEAF_KEY, ("middle", MIDDLE_KEY))
BY_ROOT = trusting(roots=[ROOT])
BEFORE = NOW - timedelta(days=1)


def test_a_certificate_of_a_trusted_authority_signs() -> None:
    """Leaf and intermediate come with the signature, the root is named."""
    signed = envelope(provenance(), key=LEAF_KEY, cert=pem(LEAF, MIDDLE))
    found = EXTRACTOR.extract(encoded(signed), BY_ROOT)
    assert found.values == {"snp_launch_measurement": [DIGEST]}


@pytest.mark.parametrize(
    ("chain", "refusal"),
    [
        ([LEAF], UntrustedRootError),
        ([certificate("leaf", LEAF_KEY)], UntrustedRootError),
        (
            [
                certificate(
                    "leaf",
                    LEAF_KEY,
                    ("root", ROOT_KEY),
                    purpose=ExtendedKeyUsageOID.SERVER_AUTH,
                )
            ],
            UntrustedRootError,
        ),
        ([certificate("leaf", LEAF_KEY, ("root", ROOT_KEY), authority=True)], UntrustedRootError),
        (
            [LEAF, certificate("middle", MIDDLE_KEY, ("root", ROOT_KEY))],
            UntrustedRootError,
        ),
        (
            [certificate("leaf", LEAF_KEY, ("root", ROOT_KEY), ends_at=BEFORE)],
            ExpiredCertificateError,
        ),
        (
            [
                LEAF,
                certificate(
                    "middle", MIDDLE_KEY, ("root", ROOT_KEY), authority=True, ends_at=BEFORE
                ),
            ],
            ExpiredCertificateError,
        ),
        ([certificate("leaf", MIDDLE_KEY, ("root", ROOT_KEY))], SignatureError),
        ([LEAF, MIDDLE] * 3, MalformedReferenceValueError),
    ],
)
def test_a_certificate_that_does_not_vouch_is_refused(
    chain: list[Any], refusal: type[DomainError]
) -> None:
    """Another issuer, another purpose, no authority, over, another key, too many."""
    signed = envelope(provenance(), key=LEAF_KEY, cert=pem(*chain))
    with pytest.raises(refusal):
        EXTRACTOR.extract(encoded(signed), BY_ROOT)


def test_an_expired_root_vouches_for_nobody() -> None:
    """The root in the settings has dates, too."""
    root = certificate("root", ROOT_KEY, authority=True, ends_at=BEFORE)
    signed = envelope(provenance(), key=LEAF_KEY, cert=pem(LEAF, MIDDLE))
    with pytest.raises(ChainError):
        EXTRACTOR.extract(encoded(signed), trusting(roots=[root]))


class Bench:
    """Reference values with one signer, who may name what begins with ``snp_``."""

    def __init__(self) -> None:
        self.db = MemoryDatabase()
        self.values = ReferenceValues(
            store=MemoryReferenceValues(self.db),
            messages=MessageReader(
                {EXTRACTOR.type: EXTRACTOR},
                [Signer("ci", ("snp_",), KEY.public_key())],
                FakeClock(),
            ),
            revisions=MemoryRevisions(self.db),
            transactions=self.db.transactions,
            audit=MemoryAuditLog(self.db),
            clock=FakeClock(),
            rule=ChangeRule(),
        )

    def register(self, content: Any, **how: Any) -> None:
        """Register a signed statement."""
        payload = encoded(envelope(content, **how))
        self.values.register(message(payload, "in-toto"), Actor("alice", "owner"))


@pytest.mark.parametrize(
    ("content", "how", "refusal"),
    [
        (provenance(), {"key": LEAF_KEY}, UntrustedSignerError),
        (
            provenance(
                subject=[
                    {"name": "snp_a", "digest": {"sha384": DIGEST}},
                    {"name": "tdx_a", "digest": {"sha384": DIGEST}},
                ]
            ),
            {},
            SignerOutOfScopeError,
        ),
        (provenance(subject=[]), {}, MalformedReferenceValueError),
    ],
)
def test_nothing_of_a_refused_message_is_stored(
    content: Any, how: dict[str, Any], refusal: type[DomainError]
) -> None:
    """One name out of bounds, and none of the others is registered."""
    bench = Bench()
    with pytest.raises(refusal):
        bench.register(content, **how)
    assert (bench.db.reference_values, bench.db.audit) == ({}, [])


def test_a_value_keeps_where_it_came_from() -> None:
    """Whoever looks at it later sees who vouched for it, and in which message."""
    bench, signed = Bench(), message(encoded(envelope(provenance())), "in-toto")
    bench.values.register(signed, Actor("alice", "owner"))
    digest = hashlib.sha256(json.dumps(signed, sort_keys=True, separators=(",", ":")).encode())
    found = bench.values.get("snp_launch_measurement")
    assert found.provenance == Provenance("in-toto", "ci", digest.hexdigest())
    assert found.source == "in-toto, signed by ci"


@pytest.mark.parametrize(
    ("signer", "name", "refusal"),
    [("former", "snp_a", UntrustedSignerError), ("ci", "tdx_a", SignerOutOfScopeError)],
)
def test_a_signer_counts_when_the_value_is_stored(
    signer: str, name: str, refusal: type[DomainError]
) -> None:
    """Between proposal and approval the settings may have taken a signer away, or its names."""
    bench, came_in = Bench(), Provenance("in-toto", signer, "00" * 32)
    with pytest.raises(refusal):
        bench.values.check([DraftReferenceValue(name, 1, provenance=came_in)], "console")
