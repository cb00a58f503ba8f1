"""What ties an SNP report to the key that signed it, and what the report then says.

Sources: AMD publication 56860, "ATTESTATION_REPORT" and "GUEST_POLICY"; publication 57230,
section 3.1 (extensions of VCEK and VLEK certificates).
"""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from app.attestation.formats.amd_certificates import (
    BOOTLOADER_SPL,
    FMC_SPL,
    MICROCODE_SPL,
    SNP_SPL,
    TEE_SPL,
    AMDCertificate,
    CertificateFormatError,
)
from app.attestation.formats.amd_chain import KeyKind
from app.attestation.formats.snp_report import SNPReport
from app.trust.errors import (
    ChainError,
    CollateralMismatchError,
    PrivilegeLevelError,
    SignatureError,
    TCBMismatchError,
)
from app.trust.json_types import JSONObject

ECDSA_P384_SHA384 = 1

_SHORT_HWID_BYTES = 8


def check_signature_algorithm(report: SNPReport) -> None:
    """The report says ECDSA on P-384 with SHA-384, the only algorithm there is.

    Raises:
        SignatureError: it says another.
    """
    if report.signature_algorithm != ECDSA_P384_SHA384:
        raise SignatureError("the report names an unknown signature algorithm")


def check_signing_key(report: SNPReport, kind: KeyKind) -> None:
    """The report says that this kind of key signed it.

    Raises:
        ChainError: it says another, or that none did.
    """
    if report.signing_key != kind.value:
        raise ChainError(f"the report was not signed by a {kind.name}")


def check_report_signature(report: SNPReport, key: ec.EllipticCurvePublicKey) -> None:
    """The key signed bytes 0 to 0x29F.

    Raises:
        SignatureError: it did not.
    """
    try:
        signature = encode_dss_signature(report.r, report.s)
        key.verify(signature, report.signed, ec.ECDSA(SHA384()))
    except InvalidSignature as error:
        raise SignatureError("the signature on the report does not hold") from error


def check_tcb(report: SNPReport, leaf: AMDCertificate) -> None:
    """The key was derived for the TCB that the report reports.

    Raises:
        TCBMismatchError: a patch level differs, is missing, or is one too many.
    """
    tcb = report.reported_tcb
    expected = {
        BOOTLOADER_SPL: tcb.bootloader,
        TEE_SPL: tcb.tee,
        SNP_SPL: tcb.snp,
        MICROCODE_SPL: tcb.microcode,
        FMC_SPL: tcb.fmc,
    }
    try:
        certified = {identifier: leaf.spl(identifier) for identifier in expected}
    except CertificateFormatError as error:
        raise TCBMismatchError("the certificate's TCB does not parse") from error
    if certified != expected:
        raise TCBMismatchError("the reported TCB is not the TCB of the certificate")


def check_chip(report: SNPReport, leaf: AMDCertificate) -> None:
    """The key is of the chip that the report names, unless the report withholds the name.

    For VCEKs only: a VLEK is of no chip.

    Raises:
        CollateralMismatchError: it is another chip's.
    """
    if report.is_chip_masked:
        return
    try:
        hwid = leaf.hwid()
    except CertificateFormatError as error:
        raise CollateralMismatchError("the certificate's chip id does not parse") from error
    # A Turin's id has 8 bytes; only there does the certificate leave the zeros out.
    if hwid is not None and len(hwid) == _SHORT_HWID_BYTES and report.has_short_chip_id:
        hwid = hwid.ljust(64, b"\0")
    if hwid is None or not hmac.compare_digest(hwid, report.chip_id):
        raise CollateralMismatchError("the certificate is of another chip")


def check_vmpl(report: SNPReport) -> None:
    """The most privileged level of the guest asked for the report.

    Raises:
        PrivilegeLevelError: another did.
    """
    if report.vmpl != 0:
        raise PrivilegeLevelError(f"the report was asked for at VMPL {report.vmpl}, not 0")


def report_claims(report: SNPReport) -> JSONObject:
    """The claims of a verified report; byte strings as lower-case hex."""
    policy, tcb = report.policy, report.reported_tcb
    return {
        "chip_id": report.chip_id.hex(),
        "init_data": report.host_data.hex(),
        "measurement": report.measurement.hex(),
        "platform_smt_enabled": _bit(report.platform, 0),
        "platform_tsme_enabled": _bit(report.platform, 1),
        "policy_abi_major": policy >> 8 & 0xFF,
        "policy_abi_minor": policy & 0xFF,
        "policy_debug_allowed": _bit(policy, 19),
        "policy_migrate_ma": _bit(policy, 18),
        "policy_single_socket": _bit(policy, 20),
        "policy_smt_allowed": _bit(policy, 16),
        "report_data": report.report_data.hex(),
        "reported_tcb_bootloader": tcb.bootloader,
        "reported_tcb_microcode": tcb.microcode,
        "reported_tcb_snp": tcb.snp,
        "reported_tcb_tee": tcb.tee,
    }


def _bit(bits: int, number: int) -> bool:
    return bool(bits >> number & 1)
