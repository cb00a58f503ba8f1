"""Chains to pinned roots, revocation lists, and raw signatures."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from paths import VECTORS
from simulated.dcap_site import flipped, machine

from app.attestation.formats.dcap_certificates import (
    INTEL_ROOTS,
    MAX_PEM_BYTES,
    UnreadableError,
    check_list_issuer,
    check_not_revoked,
    read_revocation_list,
    roots_with,
    verify_chain,
    verify_raw_signature,
)
from app.lab.intel import NOON, PUBLISHED_AT, SimulatedIntel
from app.lab.intel_certificates import Identity, Subject, issue
from app.trust.errors import (
    ChainError,
    CollateralMismatchError,
    ConfigError,
    RevokedError,
    SignatureError,
    UntrustedRootError,
)

INTEL = machine().intel
ROOTS = INTEL.roots
PLATFORM_CA = INTEL.authorities["platform"]
CHAIN = INTEL.signer.pem + INTEL.root.pem
DCAP = VECTORS / "dcap"


def rsa_certificate() -> bytes:
    """A self-signed certificate with an RSA key."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "RSA")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOON, NOON)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def signed_with_sha384() -> bytes:
    """A chain whose leaf is signed with another hash."""
    leaf = INTEL.signer.certificate
    builder = x509.CertificateBuilder(
        leaf.issuer,
        leaf.subject,
        leaf.public_key(),
        7,
        leaf.not_valid_before_utc,
        leaf.not_valid_after_utc,
    )
    certificate = builder.sign(INTEL.root.key, SHA384())
    return certificate.public_bytes(Encoding.PEM) + INTEL.root.pem


UNREADABLE = {
    "nothing": b"",
    "one certificate": INTEL.root.pem,
    "three certificates": INTEL.signer.pem + CHAIN,
    "text before it": b"subject=\n" + CHAIN,
    "text between": INTEL.signer.pem + b"-" + INTEL.root.pem,
    "text behind it": CHAIN + b"!",
    "a key in the place of a certificate": CHAIN.replace(b"CERTIFICATE", b"PRIVATE KEY"),
    "base64 with a stray character": CHAIN.replace(b"MII", b"M=I", 1),
    "another document": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" * 2,
    "too many bytes": CHAIN + b"\n" * MAX_PEM_BYTES,
    "an RSA key": rsa_certificate() * 2,
    "a key on P-384": INTEL.signer.pem,
}


@pytest.mark.parametrize("pem", UNREADABLE.values(), ids=UNREADABLE)
def test_refuses_what_is_no_chain(pem: bytes) -> None:
    """Exactly the certificates that are expected, and nothing else but white space."""
    with pytest.raises(UnreadableError):
        verify_chain(pem, 2, ROOTS)


BROKEN = {
    "another root": (SimulatedIntel().root.pem, UntrustedRootError),
    "the leaf last": (INTEL.signer.pem, UntrustedRootError),
}


@pytest.mark.parametrize(("last", "error"), BROKEN.values(), ids=BROKEN)
def test_refuses_roots_that_are_not_pinned(last: bytes, error: type[Exception]) -> None:
    """A self-made root is a root only of its own."""
    with pytest.raises(error):
        verify_chain(INTEL.signer.pem + last, 2, ROOTS)


def leaf_of(issuer: Identity) -> bytes:
    """A certificate that this one signed."""
    return issue(Subject("Leaf"), issuer, PUBLISHED_AT).pem


LINKS = {
    "a leaf of another root of the same name": (leaf_of(SimulatedIntel().root) + INTEL.root.pem, 2),
    "an issuer left out": (leaf_of(PLATFORM_CA) + INTEL.root.pem, 2),
    "an issuer that is no authority": (leaf_of(INTEL.signer) + CHAIN, 3),
    "another hash": (signed_with_sha384(), 2),
}


@pytest.mark.parametrize(("pem", "length"), LINKS.values(), ids=LINKS)
def test_refuses_links_that_do_not_hold(pem: bytes, length: int) -> None:
    """Each certificate is signed by the next one, which may sign certificates."""
    with pytest.raises(ChainError):
        verify_chain(pem, length, ROOTS)


def test_a_chain_tells_who_is_who() -> None:
    """Leaf first, root last, and the periods of all."""
    chain = verify_chain(leaf_of(PLATFORM_CA) + PLATFORM_CA.pem + INTEL.root.pem + b"\0", 3, ROOTS)
    names = [each.common_name for each in (chain.leaf, chain.issuer, chain.root)]
    assert names == ["Leaf", "Intel SGX PCK Platform CA", "Intel SGX Root CA"]
    assert len(chain.periods) == 3


@pytest.mark.parametrize(
    "name",
    [
        "tcb-signing-chain-2025.pem",
        "sgx-tcb-signing-chain-2018.pem",
        "pck-crl-issuer-chain-platform.pem",
    ],
)
def test_accepts_intels_own_chains(name: str) -> None:
    """Genuine certificates of seven years lead to the one pinned key."""
    chain = verify_chain((DCAP / name).read_bytes(), 2, INTEL_ROOTS)
    assert chain.root.common_name == "Intel SGX Root CA"


def test_reads_intels_own_lists() -> None:
    """Genuine lists, with their issuers, numbers and dates."""
    chain = verify_chain((DCAP / "pck-crl-issuer-chain-platform.pem").read_bytes(), 2, INTEL_ROOTS)
    pck = read_revocation_list((DCAP / "pck-crl-platform.der").read_bytes())
    root = read_revocation_list((DCAP / "root-ca.crl.der").read_bytes())
    check_list_issuer(pck, chain.leaf)
    check_list_issuer(root, chain.root)
    assert (pck.number, root.number, len(root.revoked)) == (1, 1, 0)
    assert 0x6FC34E5023E728923435D61AA4B83C618166AD35 in pck.revoked
    assert pck.period.issued_at == datetime(2026, 2, 18, 10, 41, 15, tzinfo=UTC)
    with pytest.raises(CollateralMismatchError):
        check_list_issuer(pck, chain.root)


def test_a_list_of_the_same_name_by_another_key_is_refused() -> None:
    """Names are copied easily; signatures are not."""
    chain = verify_chain(CHAIN, 2, ROOTS)
    other = SimulatedIntel()
    forged = read_revocation_list(other.revocation_list(other.root))
    with pytest.raises(SignatureError):
        check_list_issuer(forged, chain.root)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_changed_list_is_unreadable_or_not_signed() -> None:
    """Every byte of a list is covered."""
    der = INTEL.revocation_list(INTEL.root, [5, 6])
    root = verify_chain(CHAIN, 2, ROOTS).root
    for at in range(len(der)):
        with pytest.raises((UnreadableError, SignatureError, CollateralMismatchError)):
            check_list_issuer(read_revocation_list(flipped(der, at, at % 8)), root)


def test_only_the_issuers_own_certificates_are_looked_up() -> None:
    """Serial numbers mean something under their authority alone."""
    chain = verify_chain(CHAIN, 2, ROOTS)
    by_root = read_revocation_list(INTEL.revocation_list(INTEL.root, [chain.leaf.serial]))
    by_other = read_revocation_list(INTEL.revocation_list(PLATFORM_CA, [chain.leaf.serial]))
    check_not_revoked(chain.certificates, by_other)
    with pytest.raises(RevokedError, match="TCB Signing"):
        check_not_revoked(chain.certificates, by_root)


@pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 64, bytes(32) + b"\x01" * 32])
def test_refuses_signatures_out_of_range(signature: bytes) -> None:
    """Zero, and numbers above the order of the curve, sign nothing."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(SignatureError, match="the quote"):
        verify_raw_signature(key, signature, b"data", "the quote")


def test_extra_roots_come_beside_intels() -> None:
    """A site adds roots; it does not replace the vendor's."""
    assert roots_with(INTEL_ROOTS, INTEL.root_pem, "tdx") == INTEL_ROOTS | ROOTS
    for wrong in (b"", INTEL.signer.pem, rsa_certificate()):
        with pytest.raises(ConfigError, match=r"insecure_extra_roots\.tdx"):
            roots_with(INTEL_ROOTS, wrong, "tdx")
