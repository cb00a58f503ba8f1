"""Attestation keys that no operator enrolled, but a pinned root vouches for."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fakes import NOON
from simulated.collateral import MemoryCollateral

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.tpm import VERIFIER
from app.lab.vtpm import QuotePlan, ak, tpm_evidence
from app.trust.errors import ConfigError, DomainError

DAY = timedelta(days=1)
REPORT_DATA = bytes(range(32))


@dataclass(frozen=True)
class Held:
    """A certificate with the key that signs under it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)


def name(text: str) -> x509.Name:
    """A name of one part."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(
    subject: str,
    issuer: Held | None = None,
    *,
    public: Any = None,
    authority: bool = True,
    attests: bool = False,
    until: datetime = NOON + DAY,
) -> Held:
    """A certificate; by itself without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer.certificate.subject if issuer else name(subject))
        .public_key(public or key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOON - 9 * DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    others = (
        "content_commitment key_encipherment data_encipherment key_agreement crl_sign "
        "encipher_only decipher_only"
    )
    uses = dict.fromkeys(others.split(), False)
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=authority, **uses)
    builder = builder.add_extension(usage, critical=True)
    if attests:
        identifier = x509.ObjectIdentifier("2.23.133.8.3")
        builder = builder.add_extension(x509.ExtendedKeyUsage([identifier]), critical=False)
    return Held(builder.sign((issuer.key if issuer else key), SHA256()), key)


ROOT, STRANGER = certify("Root"), certify("Root")
MIDDLE = certify("Issuing", ROOT)


def leaf(issuer: Held = MIDDLE, **how: Any) -> Held:
    """The certificate of the simulated key."""
    plan = {"public": ak().public_key(), "authority": False, "attests": True} | how
    return certify("AK", issuer, **plan)


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """The operator's file."""
    path = tmp_path / "roots.pem"
    path.write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    return path


def claims_of(chain: Any, **options: Any) -> dict[str, Any]:
    """The claims of evidence with these certificates, or the refusal."""
    evidence = tpm_evidence(QuotePlan(REPORT_DATA))
    if isinstance(chain, list):
        chain = [base64.b64encode(each).decode() for each in chain]
    if chain is not None:
        evidence["ak_certificates"] = chain
    context = Context(NOON, MemoryCollateral({}), options)
    (claims,) = VERIFIER.verify(UnverifiedEvidence("tpm", evidence), Binding(REPORT_DATA), context)
    return claims.values


@pytest.mark.parametrize("with_root", [True, False])
def test_a_key_that_a_pinned_root_vouches_for_is_accepted(roots: Path, *, with_root: bool) -> None:
    """The claims say which root; enrolment is not needed."""
    chain = [leaf().der, MIDDLE.der] + ([ROOT.der] if with_root else [])
    claims = claims_of(chain, ak_roots=str(roots))
    assert claims["ak_root"] == ROOT.certificate.fingerprint(SHA256()).hex()
    assert "ak_trusted" not in claims


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no certificate": (lambda: None, "attestation-key-untrusted"),
    "no certificates": (list, "attestation-key-untrusted"),
    "another key's": (
        lambda: [leaf(public=ROOT.key.public_key()).der, MIDDLE.der],
        "attestation-key-untrusted",
    ),
    "no attestation key's": (
        lambda: [leaf(attests=False).der, MIDDLE.der],
        "attestation-key-untrusted",
    ),
    "an authority's": (
        lambda: [leaf(authority=True).der, MIDDLE.der],
        "attestation-key-untrusted",
    ),
    "another root": (lambda: [leaf(STRANGER).der], "root-untrusted"),
    "another root in the chain": (lambda: [leaf(STRANGER).der, STRANGER.der], "root-untrusted"),
    "no intermediate": (lambda: [leaf().der], "root-untrusted"),
    "a wrong order": (lambda: [leaf().der, ROOT.der, MIDDLE.der], "chain-invalid"),
    "an issuer that is no authority": (
        lambda: [leaf(certify("Nobody", ROOT, authority=False)).der, certify("Nobody", ROOT).der],
        "chain-invalid",
    ),
    "an old one": (
        lambda: [leaf(until=NOON - DAY).der, MIDDLE.der],
        "certificate-expired",
    ),
    "noise": (lambda: [b"\x30\x00"], "malformed-evidence"),
    "too many": (lambda: [leaf().der] * 6, "malformed-evidence"),
    "a text": (lambda: "x", "malformed-evidence"),
}


@pytest.mark.parametrize(("chain", "code"), REFUSED.values(), ids=REFUSED)
def test_nothing_else_vouches_for_a_key(roots: Path, chain: Callable[[], Any], code: str) -> None:
    """Each fault of a chain has its reason."""
    with pytest.raises(DomainError) as refusal:
        claims_of(chain(), ak_roots=str(roots))
    assert refusal.value.code == code


def test_without_roots_certificates_mean_nothing() -> None:
    """The operator pinned none."""
    with pytest.raises(DomainError) as refusal:
        claims_of([leaf().der, MIDDLE.der])
    assert refusal.value.code == "attestation-key-untrusted"


def test_roots_that_cannot_be_read_are_told(tmp_path: Path, roots: Path) -> None:
    """At the start as a fault, later as an outage."""
    VERIFIER.check_options({"ak_roots": str(roots)})  # type: ignore[attr-defined]
    end = tmp_path / "leaf.pem"
    end.write_bytes(leaf().certificate.public_bytes(Encoding.PEM))
    for path in (tmp_path / "nowhere", end):
        with pytest.raises(ConfigError):
            VERIFIER.check_options({"ak_roots": str(path)})  # type: ignore[attr-defined]
        with pytest.raises(DomainError) as refusal:
            claims_of([leaf().der, MIDDLE.der], ak_roots=str(path))
        assert refusal.value.code == "collateral-unavailable"
    with pytest.raises(ConfigError):
        VERIFIER.check_options({"ak_roots": 7})  # type: ignore[attr-defined]
