"""The SGX extension of a PCK certificate: which platform it is, and at which TCB.

Source: Intel, "SGX PCK Certificate and Certificate Revocation List Profile Specification", section
1.3.5 (object identifier 1.2.840.113741.1.13.1). ASN.1: a SEQUENCE of SEQUENCE (OID, value).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cryptography import x509

from app.attestation.formats import der
from app.attestation.formats.dcap_certificates import (
    Certificate,
    CertificateChain,
    UnreadableError,
)
from app.attestation.formats.dcap_tcb import COMPONENTS, PlatformTCB
from app.trust.errors import ChainError

PCK_COMMON_NAME = "SGX PCK Certificate"

_EXTENSION = "1.2.840.113741.1.13.1"
_PPID, _TCB, _PCE_ID, _FMSPC, _SGX_TYPE, _INSTANCE, _CONFIGURATION = (
    f"{_EXTENSION}.{number}" for number in range(1, 8)
)
_ENUMERATED = 0x0A
_SGX_TYPES = {0: "Standard", 1: "Scalable", 2: "Scalable with Integrity"}


class PCKAuthority(Enum):
    """Who issues PCK certificates, by the common name; the value names its revocation list."""

    PLATFORM = "platform"
    PROCESSOR = "processor"


_AUTHORITIES = {
    "Intel SGX PCK Platform CA": PCKAuthority.PLATFORM,
    "Intel SGX PCK Processor CA": PCKAuthority.PROCESSOR,
}


@dataclass(frozen=True, slots=True)
class PlatformConfiguration:
    """How a multi-package platform is set up."""

    is_dynamic_platform: bool
    is_cached_keys: bool
    is_smt_enabled: bool


@dataclass(frozen=True, slots=True)
class PCKPlatform:
    """A platform as Intel certified it.

    Attributes:
        chain: PCK certificate, its authority, the root.
        ppid: platform provisioning id, 16 bytes.
        fmspc: 6 bytes.
        pce_id: 2 bytes.
        sgx_type: 0 standard, 1 scalable, 2 scalable with integrity.
        instance_id: of a platform under the Platform CA, 16 bytes.
    """

    chain: CertificateChain
    authority: PCKAuthority
    ppid: bytes
    tcb: PlatformTCB
    pce_id: bytes
    fmspc: bytes
    sgx_type: int
    instance_id: bytes | None
    configuration: PlatformConfiguration | None

    @property
    def sgx_type_name(self) -> str:
        """The claim ``sgx_type``."""
        return _SGX_TYPES.get(self.sgx_type, f"Unknown ({self.sgx_type})")


def read_platform(chain: CertificateChain) -> PCKPlatform:
    """The platform that a verified PCK chain is about.

    Raises:
        ChainError: the leaf is no PCK certificate, or its issuer is no PCK authority.
        UnreadableError: the extension is missing, or is not of its form.
    """
    if PCK_COMMON_NAME not in chain.leaf.common_name:
        raise ChainError("the leaf of the certificate chain is no PCK certificate")
    authority = _AUTHORITIES.get(chain.issuer.common_name)
    if authority is None:
        raise ChainError("the PCK certificate is not issued by the Platform or Processor CA")
    try:
        members = _members(_extension(chain.leaf))
        return _platform(chain, authority, members)
    except (der.DERError, KeyError) as error:
        raise UnreadableError("the SGX extension of the PCK certificate is malformed") from error


def _extension(leaf: Certificate) -> der.DERValue:
    oid = x509.ObjectIdentifier(_EXTENSION)
    try:
        extension = leaf.x509.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound as error:
        raise UnreadableError("the PCK certificate has no SGX extension") from error
    assert isinstance(extension, x509.UnrecognizedExtension)
    return der.read_value(extension.value, der.SEQUENCE)


def _platform(
    chain: CertificateChain, authority: PCKAuthority, members: dict[str, der.DERValue]
) -> PCKPlatform:
    is_platform = authority is PCKAuthority.PLATFORM
    if (_INSTANCE in members, _CONFIGURATION in members) != (is_platform, is_platform):
        raise der.DERError("the members do not fit the authority")
    return PCKPlatform(
        chain=chain,
        authority=authority,
        ppid=_octets(members[_PPID], 16),
        tcb=_tcb(_members(members[_TCB].expect(der.SEQUENCE))),
        pce_id=_octets(members[_PCE_ID], 2),
        fmspc=_octets(members[_FMSPC], 6),
        sgx_type=_enumerated(members[_SGX_TYPE]),
        instance_id=_octets(members[_INSTANCE], 16) if is_platform else None,
        configuration=_configuration(members[_CONFIGURATION]) if is_platform else None,
    )


def _members(sequence: der.DERValue) -> dict[str, der.DERValue]:
    members: dict[str, der.DERValue] = {}
    for pair in sequence.children():
        parts = pair.expect(der.SEQUENCE).children()
        if len(parts) != 2:
            raise der.DERError("not a pair")
        name = der.object_identifier(parts[0])
        if name in members:
            raise der.DERError("a member is repeated")
        members[name] = parts[1]
    return members


def _tcb(members: dict[str, der.DERValue]) -> PlatformTCB:
    components = tuple(
        _number(members[f"{_TCB}.{number}"], 0xFF) for number in range(1, COMPONENTS + 1)
    )
    return PlatformTCB(components, _number(members[f"{_TCB}.{COMPONENTS + 1}"], 0xFFFF))


def _configuration(sequence: der.DERValue) -> PlatformConfiguration:
    members = _members(sequence.expect(der.SEQUENCE))
    return PlatformConfiguration(
        *(_boolean(members[f"{_CONFIGURATION}.{number}"]) for number in (1, 2, 3))
    )


def _octets(value: der.DERValue, size: int) -> bytes:
    content = value.expect(der.OCTET_STRING).content
    if len(content) != size:
        raise der.DERError(f"{len(content)} bytes where {size} are expected")
    return content


def _number(value: der.DERValue, limit: int) -> int:
    number = der.integer(value)
    if not 0 <= number <= limit:
        raise der.DERError("a number out of range")
    return number


def _enumerated(value: der.DERValue) -> int:
    content = value.expect(_ENUMERATED).content
    if len(content) != 1:
        raise der.DERError("not a small enumeration")
    return content[0]


def _boolean(value: der.DERValue) -> bool:
    content = value.expect(der.BOOLEAN).content
    if content not in {b"\x00", b"\xff"}:
        raise der.DERError("not a boolean")
    return content == b"\xff"
