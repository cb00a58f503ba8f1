"""NVIDIA graphics processors and switches: a report of measurements under NVIDIA's root.

Sources: DMTF DSP0274 (the report), NVIDIA's attestation documentation (opaque data, NRAS). The
steps of ``verify`` stand in the order of docs/reference/verifiers/nvidia.md.
"""

from __future__ import annotations

import hmac

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.device_evidence import (
    Architecture,
    UnverifiedDevice,
    parse_devices,
)
from app.attestation.formats.nvidia_certificates import (
    NVIDIA_ROOTS,
    TCB_INFO,
    CertificateFormatError,
    DeviceCertificate,
    DeviceChains,
    parse_certificate,
    pem_certificates,
    verify_raw_signature,
)
from app.attestation.formats.nvidia_opaque import FWID_BYTES, parse_opaque
from app.attestation.formats.spdm import NONCE_BYTES, SPDMReport, parse_report
from app.trust.errors import (
    BindingMismatchError,
    ConfigError,
    IdentityMismatchError,
    MalformedEvidenceError,
)
from app.trust.json_types import JSONObject


class NVIDIAVerifier:
    """Verifies reports of NVIDIA's devices.

    Args:
        roots: SHA-256 of the accepted roots' DER, hex.
    """

    tee = "nvidia"
    insecure = False

    def __init__(self, roots: frozenset[str] = NVIDIA_ROOTS) -> None:
        self._chains = DeviceChains(roots)

    def with_extra_roots(self, unverified_roots: bytes) -> NVIDIAVerifier:
        """A verifier that also accepts the roots in a PEM file.

        Raises:
            ConfigError: the file does not hold certificate authorities with P-384 keys.
        """
        setting = f"attestation.insecure_extra_roots.{self.tee}"
        try:
            extra = [parse_certificate(each) for each in pem_certificates(unverified_roots)]
        except CertificateFormatError as error:
            raise ConfigError([f"{setting}: {error}"]) from error
        if not all(each.is_authority for each in extra):
            raise ConfigError([f"{setting}: a certificate of it is no authority"])
        return NVIDIAVerifier(self._chains.roots | {each.sha256 for each in extra})

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check, in the order of the reference page, for every device.

        Raises:
            MalformedEvidenceError: the evidence does not parse, or names a device twice.
            UnverifiedError: a check failed; the leaf says which.
        """
        nonce = _expected_nonce(binding)
        claims, seen = [], set[bytes]()
        for device in parse_devices(evidence.body):
            _check_architecture(device)
            report, leaf = self._check_report(device, context)
            if leaf.encoded in seen:
                raise MalformedEvidenceError("two reports are of one device")
            seen.add(leaf.encoded)
            _check_nonce(report, nonce)
            claims.append(_claims(device, report, _check_firmware(report, leaf)))
        return claims

    def _check_report(
        self, device: UnverifiedDevice, context: Context
    ) -> tuple[SPDMReport, DeviceCertificate]:
        """The report is signed by a key that NVIDIA's root vouches for."""
        report = parse_report(device.report)
        try:
            leaf = self._chains.verify(pem_certificates(device.chain), context.now)
        except CertificateFormatError as error:
            raise MalformedEvidenceError(f"the certificate chain: {error}") from error
        verify_raw_signature(leaf.key, report.signature, report.signed, "the SPDM report")
        return report, leaf


def _expected_nonce(binding: Binding) -> bytes:
    """What the request asked the device to bind its answer to."""
    if not binding.report_data:
        raise BindingMismatchError("evidence of this kind must be bound to report data")
    # Digests of 48 bytes do not fit into SPDM's nonce. Guests put the first 32 bytes into it, so
    # those are what is compared: 128 bits against collisions, as with SHA-256.
    return binding.report_data[:NONCE_BYTES].ljust(NONCE_BYTES, b"\0")


def _check_architecture(device: UnverifiedDevice) -> None:
    if device.architecture is not Architecture.HOPPER:
        raise MalformedEvidenceError(
            f"evidence of {device.architecture.value} is verified by NVIDIA's service only"
        )


def _check_nonce(report: SPDMReport, expected: bytes) -> None:
    if not hmac.compare_digest(report.nonce, expected):
        raise BindingMismatchError("the device was asked with another nonce")


def _check_firmware(report: SPDMReport, leaf: DeviceCertificate) -> JSONObject:
    """The firmware that reports is the firmware that the key was made for (DICE)."""
    fields = parse_opaque(report.opaque)
    certified = leaf.extensions.get(TCB_INFO, b"")[-FWID_BYTES:]
    reported = fields.get("fwid")
    if not isinstance(reported, str) or len(certified) != FWID_BYTES:
        raise IdentityMismatchError("the report or its certificate does not name the firmware")
    if not hmac.compare_digest(bytes.fromhex(reported), certified):
        raise IdentityMismatchError("the report's certificate was made for other firmware")
    return fields


def _claims(device: UnverifiedDevice, report: SPDMReport, fields: JSONObject) -> Claims:
    values: JSONObject = {
        "arch": device.architecture.value,
        "uuid": device.uuid,
        "measurements": {str(index): value.hex() for index, value in report.measurements.items()},
        "config": fields,
    }
    return Claims(device.architecture.tee_class, values)


VERIFIER: Verifier = NVIDIAVerifier()
