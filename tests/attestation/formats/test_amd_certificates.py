"""AMD's certificates, read without a general library."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from paths import VECTORS

from app.attestation.formats.amd_certificates import (
    FMC_SPL,
    HWID,
    MICROCODE_SPL,
    SNP_SPL,
    AMDCertificate,
    CertificateFormatError,
    parse_pem_certificates,
)
from app.lab.amd_authority import LeafPlan, SimulatedAMD
from app.lab.snp import make_chip

SNP = VECTORS / "snp"
CHIP = bytes(range(64))


@pytest.fixture(scope="module")
def vcek() -> bytes:
    """A genuine VCEK."""
    return (SNP / "test-vcek.der").read_bytes()


def test_a_certificate_cut_anywhere_is_refused(vcek: bytes) -> None:
    """At every length."""
    for length in range(len(vcek)):
        with pytest.raises(CertificateFormatError):
            AMDCertificate.parse(vcek[:length])


def test_bytes_after_a_certificate_are_refused(vcek: bytes) -> None:
    """Nobody signed them."""
    with pytest.raises(CertificateFormatError):
        AMDCertificate.parse(vcek + b"\0")


@given(st.data())
def test_no_change_of_a_byte_does_anything_but_parse_or_be_refused(
    vcek: bytes, data: st.DataObject
) -> None:
    """A certificate comes from outside."""
    changed = bytearray(vcek)
    changed[data.draw(st.integers(0, len(vcek) - 1))] = data.draw(st.integers(0, 255))
    try:
        certificate = AMDCertificate.parse(bytes(changed))
        certificate.hwid()
        certificate.spl(SNP_SPL)
        certificate.report_key()
    except CertificateFormatError:
        pass


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\nMA\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\n" + b"A" * 100,
    ],
)
def test_pem_without_a_certificate_is_refused(pem: bytes) -> None:
    """Nothing is not a chain."""
    with pytest.raises(CertificateFormatError):
        parse_pem_certificates(pem)


def test_pem_of_too_many_certificates_is_refused() -> None:
    """A chain has three."""
    with pytest.raises(CertificateFormatError):
        parse_pem_certificates(SimulatedAMD("Milan").ask.pem * 9)


def test_a_certificate_of_another_profile_is_refused() -> None:
    """Intel's are signed with ECDSA."""
    other = (VECTORS / "dcap" / "tcb-signing-chain-2025.pem").read_bytes()
    with pytest.raises(CertificateFormatError):
        parse_pem_certificates(other)


@pytest.mark.parametrize("generation", ["milan", "genoa", "turin"])
def test_the_fields_are_those_that_another_parser_finds(generation: str) -> None:
    """Second opinion: cryptography reads the authorities too."""
    text = (VECTORS / "roots" / f"{generation}_ask_ark_asvk.pem").read_bytes()
    others = x509.load_pem_x509_certificates(text)
    for ours, other in zip(parse_pem_certificates(text), others, strict=True):
        assert ours.tbs == other.tbs_certificate_bytes
        assert ours.signature == other.signature
        assert ours.serial == other.serial_number
        assert ours.issuer == other.issuer.public_bytes()
        assert ours.subject == other.subject.public_bytes()
        assert ours.not_before == other.not_valid_before_utc
        assert ours.not_after == other.not_valid_after_utc
        spki = other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert ours.spki == spki
        assert ours.is_authority


def test_a_genuine_vcek_says_its_chip_and_its_tcb(vcek: bytes) -> None:
    """Serial number 0 and all, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        certificate = AMDCertificate.parse(vcek)
    assert certificate.common_name == "SEV-VCEK"
    assert certificate.serial == 0
    assert not certificate.is_authority
    assert (certificate.spl(SNP_SPL), certificate.spl(MICROCODE_SPL)) == (8, 115)
    assert certificate.spl(FMC_SPL) is None
    hwid = certificate.hwid()
    assert hwid is not None
    assert hwid.hex().startswith("c38427a3")


def test_both_forms_of_the_chip_id_mean_the_same() -> None:
    """Bare bytes at first, an OCTET STRING later."""
    names = ("test-vcek-invalid-legacy.der", "test-vcek-invalid-new.der")
    found = [AMDCertificate.parse((SNP / name).read_bytes()).hwid() for name in names]
    assert found == [CHIP, CHIP]


def test_a_vlek_is_of_no_chip() -> None:
    """It is the cloud's."""
    assert AMDCertificate.parse((SNP / "test-vlek.der").read_bytes()).hwid() is None


@pytest.mark.parametrize("length", [0, 7, 9, 63, 65, 66])
def test_a_chip_id_of_another_length_is_refused(length: int) -> None:
    """Neither Turin's nor another's."""
    amd = SimulatedAMD("Milan")
    chip = make_chip(amd, plan=LeafPlan({"snp": 1}, bytes(length)))
    certificate = AMDCertificate.parse(chip.certificate)
    with pytest.raises(CertificateFormatError):
        certificate.hwid()


@pytest.mark.parametrize("content", [b"", b"\x02\x01\xff", b"\x02\x02\x01\x00", b"\x04\x01\x01"])
def test_a_patch_level_that_is_no_byte_is_refused(vcek: bytes, content: bytes) -> None:
    """A DER INTEGER from 0 to 255."""
    certificate = replace(AMDCertificate.parse(vcek), extensions={SNP_SPL: content})
    with pytest.raises(CertificateFormatError):
        certificate.spl(SNP_SPL)


def test_keys_are_used_for_what_they_are(vcek: bytes) -> None:
    """An authority's key signs no reports, a chip's key no certificates."""
    leaf, ask = AMDCertificate.parse(vcek), AMDCertificate.parse(SimulatedAMD("Milan").ask.der)
    with pytest.raises(CertificateFormatError):
        ask.report_key()
    with pytest.raises(InvalidSignature):
        leaf.verify(b"", b"")
    assert leaf.report_key().key_size == 384


def test_the_first_of_several_in_pem_is_taken() -> None:
    """A chain may follow a leaf."""
    amd = SimulatedAMD("Milan")
    assert AMDCertificate.parse(amd.ask.pem + amd.ark.pem).common_name == "SEV-Milan"


def hidden(vcek: bytes, old: str, new: str) -> bytes:
    """The certificate with bytes replaced by as many others."""
    assert len(old) == len(new)
    assert bytes.fromhex(old) in vcek
    return vcek.replace(bytes.fromhex(old), bytes.fromhex(new), 1)


def test_an_extension_that_stands_twice_is_refused(vcek: bytes) -> None:
    """Two readers would take different ones."""
    with pytest.raises(CertificateFormatError):
        AMDCertificate.parse(hidden(vcek, "2b060104019c78010302", "2b060104019c78010301"))


def test_a_version_1_certificate_is_refused(vcek: bytes) -> None:
    """It could have no extensions."""
    with pytest.raises(CertificateFormatError):
        AMDCertificate.parse(hidden(vcek, "a003020102", "a003020100"))


def test_an_unknown_critical_extension_is_refused() -> None:
    """RFC 5280 wants that of whoever does not understand it."""
    pem = (VECTORS / "roots" / "milan_ask_ark_asvk.pem").read_bytes()
    ask = parse_pem_certificates(pem)[0].encoded
    with pytest.raises(CertificateFormatError):
        AMDCertificate.parse(hidden(ask, "0603551d130101ff", "0603551d140101ff"))


def test_the_chip_id_stands_where_it_is_looked_for(vcek: bytes) -> None:
    """The identifier is AMD's."""
    assert HWID in AMDCertificate.parse(vcek).extensions
