"""Refusals that ordinary evidence of no TEE comes near: each of these checks is the last one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from fakes import NOON as DAY_OF_DEVICES
from simulated.collateral import MemoryCollateral
from simulated.dcap_site import REPORT_DATA, machine, refusal, verify_td
from simulated.nvidia import Plan, issue
from simulated.se import SimulatedZ, certificate, pem

from app.attestation.collateral.intel_bundle import MAX_FILE_BYTES, IntelBundle
from app.attestation.evidence import Challenger, Context
from app.attestation.formats import der
from app.attestation.formats.dcap_certificates import (
    UnreadableError,
    read_revocation_list,
    verify_chain,
)
from app.attestation.formats.dcap_pck import read_platform
from app.attestation.formats.nvidia_certificates import CertificateFormatError, parse_certificate
from app.attestation.formats.tpm_quote import attestation_key
from app.attestation.verifiers.se import VERIFIER as SE
from app.lab.intel_certificates import Platform, sgx_extension
from app.lab.tdx import SimulatedTDX
from app.trust.errors import CollateralUnavailableError, ConfigError, MalformedEvidenceError


def value(tag: int, *contents: bytes) -> bytes:
    """A value in DER."""
    content = b"".join(contents)
    size = len(content)
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return (
        bytes([tag])
        + (bytes([size]) if size < 128 else bytes([128 + len(length)]) + length)
        + content
    )


# --- Intel -------------------------------------------------------------------------------------


@dataclass
class NoPoint(SimulatedTDX):
    """A machine whose quoting enclave vouches for bytes that are no point of the curve."""

    def _attestation_point(self) -> bytes:
        return bytes(64)


def test_an_attestation_key_off_its_curve_is_no_key() -> None:
    """Even when the quoting enclave vouches for it."""
    odd = NoPoint(machine().intel, machine().platform)
    assert refusal(lambda: verify_td(odd.quote(REPORT_DATA))) == "signature-invalid"


def test_a_revocation_list_says_when_the_next_one_is_due() -> None:
    """Without that it would serve for ever."""
    listed = machine().intel.revocation_list(machine().intel.root)
    outer = der.read_value(listed, der.SEQUENCE)
    signed, algorithm, signature = outer.children()
    times = [each for each in signed.children() if each.tag == der.UTC_TIME]
    kept = [each.encoded for each in signed.children() if each is not times[1]]
    kept.remove(times[1].encoded)
    parts = value(der.SEQUENCE, *kept), algorithm.encoded, signature.encoded
    with pytest.raises(UnreadableError, match="next update"):
        read_revocation_list(value(der.SEQUENCE, *parts))


def test_a_document_without_its_issuer_s_chain_is_not_had() -> None:
    """A mirror that drops the header serves nothing."""
    published = machine().intel.publish(machine().platform)
    name = "intel/tdx/qe-identity"
    published.documents[name] = (published.documents[name][0], {})
    quote = machine().quote(REPORT_DATA)
    assert refusal(lambda: verify_td(quote, source=published)) == "collateral-unavailable"


def with_member(*parts: bytes) -> bytes:
    """The SGX extension with one more member."""
    members = [each.encoded for each in der.read_value(sgx_extension(Platform()), 0x30).children()]
    return value(der.SEQUENCE, *members, value(der.SEQUENCE, *parts))


def with_wide_type() -> bytes:
    """The SGX extension with an enumeration of two bytes."""
    members = der.read_value(sgx_extension(Platform()), 0x30).children()
    name, _ = members[4].children()
    members[4] = der.read_value(value(0x30, name.encoded, value(0x0A, b"\1\1")), 0x30)
    return value(der.SEQUENCE, *(each.encoded for each in members))


def first_name() -> bytes:
    """The identifier of the extension's first member."""
    first, *_ = der.read_value(sgx_extension(Platform()), 0x30).children()
    return first.children()[0].encoded


EXTENSIONS = {
    "a member of one part": with_member(first_name()),
    "a member twice": with_member(first_name(), value(der.OCTET_STRING, bytes(16))),
    "an enumeration of two bytes": with_wide_type(),
}


@pytest.mark.parametrize("extension", EXTENSIONS.values(), ids=EXTENSIONS)
def test_an_sgx_extension_is_read_strictly(extension: bytes) -> None:
    """A certified platform says each thing once."""
    intel = machine().intel
    leaf = intel.issue(
        "Intel SGX PCK Certificate", intel.authorities["platform"], extension=extension
    )
    with pytest.raises(UnreadableError):
        read_platform(verify_chain(intel.pck_chain(leaf), 3, intel.roots))


def test_a_bundle_has_a_largest_size(tmp_path: Path) -> None:
    """It is read whole, so it is bounded."""
    path = tmp_path / "bundle.json"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ConfigError, match="longer than"):
        IntelBundle(path)


# --- NVIDIA ------------------------------------------------------------------------------------


def with_extensions(change: Any) -> bytes:
    """A device's certificate, no longer signed, with other extensions."""
    outer = der.read_value(issue(Plan("Device")).der, der.SEQUENCE)
    signed, *rest = outer.children()
    *fields, wrapped = signed.children()
    extensions = [each.encoded for each in wrapped.children()[0].children()]
    changed = value(0xA3, value(der.SEQUENCE, *change(extensions)))
    body = value(der.SEQUENCE, *(each.encoded for each in fields), changed)
    return value(der.SEQUENCE, body, *(each.encoded for each in rest))


def twice(extensions: list[bytes]) -> list[bytes]:
    """The first one again at the end."""
    return [*extensions, extensions[0]]


def shortened(extensions: list[bytes]) -> list[bytes]:
    """The key usage with an empty BIT STRING."""
    empty = value(0x30, value(6, b"\x55\x1d\x0f"), value(4, value(3, b"\x00")))
    return [empty if b"\x55\x1d\x0f" in each else each for each in extensions]


@pytest.mark.parametrize("change", [twice, shortened])
def test_a_device_s_certificate_is_read_strictly(change: Any) -> None:
    """Nobody signs such a thing, and nobody has to guess what it means."""
    with pytest.raises(CertificateFormatError):
        parse_certificate(with_extensions(change))


# --- TPM ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("modulus", [1 << 2047, (1 << 2048) - 2], ids=["least", "greatest"])
def test_an_even_modulus_is_no_key(modulus: int) -> None:
    """It has the right size and nothing else."""
    with pytest.raises(MalformedEvidenceError, match="not RSA"):
        attestation_key(modulus, 65537)


# --- IBM ---------------------------------------------------------------------------------------


def challenge(machine: SimulatedZ) -> str:
    """A challenge, or the refusal to make one."""
    assert isinstance(SE, Challenger)
    return SE.challenge("", Context(DAY_OF_DEVICES, MemoryCollateral({}), machine.options()))


def test_a_chain_of_host_key_documents_ends(tmp_path: Path) -> None:
    """A row of signers that goes on and on is given up."""
    machine = SimulatedZ(tmp_path)
    issuer_name, issuer_key = "Root", machine.root_key
    text = b""
    for number in range(6):
        key = ec.generate_private_key(ec.SECP521R1())
        link = certificate(f"Signer {number}", key, issuer_name, issuer_key)
        issuer_name, issuer_key, text = f"Signer {number}", key, text + pem(link)
    machine.write("certs/signing.crt", text)
    machine.write(
        "hkds/host.crt", pem(certificate("Host", machine.host_key, issuer_name, issuer_key))
    )
    with pytest.raises(CollateralUnavailableError):
        challenge(machine)


def test_a_private_key_under_a_password_does_not_serve(tmp_path: Path) -> None:
    """Nobody is there to type it."""
    machine = SimulatedZ(tmp_path)
    sealed = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    machine.write("key.pem", sealed)
    with pytest.raises(CollateralUnavailableError):
        challenge(machine)


def test_a_host_key_that_the_library_does_not_know_does_not_serve(tmp_path: Path) -> None:
    """A curve without a name."""
    machine = SimulatedZ(tmp_path)
    document = certificate("Host", machine.host_key, "Key Signing", machine.signing_key)
    curve = bytes.fromhex("06052b81040023")
    encoded = document.public_bytes(Encoding.DER)
    assert curve in encoded
    machine.write("hkds/host.crt", encoded.replace(curve, bytes.fromhex("06052b8104007f")))
    with pytest.raises(CollateralUnavailableError):
        challenge(machine)
