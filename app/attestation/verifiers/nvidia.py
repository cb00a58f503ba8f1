"""NVIDIA graphics processors and switches: a report of measurements under NVIDIA's root.

Sources: DMTF DSP0274 (the report), NVIDIA's attestation documentation (opaque data, NRAS). The
steps of ``verify`` stand in the order of docs/reference/verifiers/nvidia.md.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from app.attestation.collateral.catalogue import checked_base_url
from app.attestation.collateral.nras import KEY_SET_URL, NRAS, VERIFIER_URL, NRASAddress
from app.attestation.collateral.ports import CollateralWitness
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
from app.attestation.formats.nvidia_ocsp import check_not_revoked
from app.attestation.formats.nvidia_opaque import FWID_BYTES, parse_opaque
from app.attestation.formats.nvidia_rim import (
    Manifest,
    Manifests,
    check_current,
    check_measurements,
    driver_manifest,
    firmware_manifest,
)
from app.attestation.formats.ppcie import ppcie_topology
from app.attestation.formats.spdm import NONCE_BYTES, SPDMReport, parse_report
from app.trust.errors import (
    BindingMismatchError,
    CollateralUnavailableError,
    ConfigError,
    IdentityMismatchError,
    MalformedEvidenceError,
)
from app.trust.json_types import JSONObject, JSONValue

Choice = TypeVar("Choice", bound=Enum)

_OPTIONS = "attestation.verifier_options.nvidia"


class Mode(Enum):
    """Who verifies (option ``type``)."""

    LOCAL = "local"
    REMOTE = "remote"


class Revocation(Enum):
    """What it means that NVIDIA's responder cannot be asked (option ``revocation``)."""

    REQUIRE = "require"
    IF_AVAILABLE = "if-available"


class Comparison(Enum):
    """Whether measurements are compared with NVIDIA's manifests (option ``manifests``)."""

    REQUIRE = "require"
    IF_AVAILABLE = "if-available"
    SKIP = "skip"


class SignerDates(Enum):
    """What it means that the time of a manifest's signer is over (option ``manifest_dates``)."""

    ENFORCE = "enforce"
    CLAIM = "claim"


@dataclass(frozen=True, slots=True)
class NVIDIAOptions:
    """The settings under ``attestation.verifier_options.nvidia``."""

    mode: Mode = Mode.LOCAL
    revocation: Revocation = Revocation.IF_AVAILABLE
    address: NRASAddress = field(default_factory=NRASAddress)
    manifests: Comparison = Comparison.IF_AVAILABLE
    manifest_dates: SignerDates = SignerDates.ENFORCE

    @classmethod
    def parse(cls, options: Mapping[str, JSONValue]) -> NVIDIAOptions:
        """The options.

        Raises:
            ConfigError: an unknown option or value; all faults are listed.
        """
        values, faults = dict(options), list[str]()
        mode = values.pop("type", Mode.LOCAL.value)
        # Trustee writes them with a capital.
        name = mode.lower() if isinstance(mode, str) else ""
        if name not in [each.value for each in Mode]:
            faults.append(f"{_OPTIONS}.type: one of local, remote")
            name = Mode.LOCAL.value
        address = NRASAddress(
            _url("verifier_url", values.pop("verifier_url", VERIFIER_URL), faults),
            _url("jwks_url", values.pop("jwks_url", KEY_SET_URL), faults),
        )
        chosen = cls(
            Mode(name),
            _choose("revocation", values, Revocation.IF_AVAILABLE, faults),
            address,
            _choose("manifests", values, Comparison.IF_AVAILABLE, faults),
            _choose("manifest_dates", values, SignerDates.ENFORCE, faults),
        )
        faults += [f"{_OPTIONS}.{name}: no such option" for name in values]
        if faults:
            raise ConfigError(faults)
        return chosen


class NVIDIAVerifier:
    """Verifies reports of NVIDIA's devices, or has NVIDIA verify them.

    Args:
        roots: SHA-256 of the accepted roots' DER, hex.
        nras: NVIDIA's service, of which nothing is asked unless options say so.
        manifests: knows the root of NVIDIA's reference manifests.
    """

    tee = "nvidia"
    insecure = False

    def __init__(
        self,
        roots: frozenset[str] = NVIDIA_ROOTS,
        nras: NRAS | None = None,
        manifests: Manifests | None = None,
    ) -> None:
        self._chains = DeviceChains(roots)
        self._nras = nras or NRAS()
        self._manifests = manifests or Manifests()

    def with_extra_roots(self, unverified_roots: bytes) -> NVIDIAVerifier:
        """A verifier that also accepts the roots in a PEM file, of devices and manifests alike.

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
        pins = {each.sha256 for each in extra}
        manifests = Manifests(self._manifests.roots | pins)
        return NVIDIAVerifier(self._chains.roots | pins, self._nras, manifests)

    def check_options(self, options: Mapping[str, JSONValue]) -> None:
        """Refuse options that ``verify`` would not understand.

        Raises:
            ConfigError: it lists every fault.
        """
        NVIDIAOptions.parse(options)

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check, in the order of the reference page, for every device.

        Raises:
            MalformedEvidenceError: the evidence does not parse, or names a device twice.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: NVIDIA's service is asked, and does not answer.
        """
        options = NVIDIAOptions.parse(context.options)
        nonce = _expected_nonce(binding)
        devices = parse_devices(evidence.body)
        if options.mode is Mode.REMOTE:
            return self._verify_remotely(devices, nonce, options.address, context)
        return self._verify_locally(devices, nonce, options, context)

    def _verify_locally(
        self,
        devices: list[UnverifiedDevice],
        nonce: bytes,
        options: NVIDIAOptions,
        context: Context,
    ) -> list[Claims]:
        claims, seen = [], set[bytes]()
        for device in devices:
            _check_architecture(device)
            report, chain = self._check_report(device, context)
            leaf = chain[0]
            if leaf.encoded in seen:
                raise MalformedEvidenceError("two reports are of one device")
            seen.add(leaf.encoded)
            _check_nonce(report, nonce)
            _check_revocation(chain, options.revocation, context, first=1)
            fields = _check_firmware(report, leaf)
            compared = self._check_manifests(report, fields, options, context)
            claims.append(_claims(device, report, fields, compared))
        return claims

    def _verify_remotely(
        self,
        devices: list[UnverifiedDevice],
        nonce: bytes,
        address: NRASAddress,
        context: Context,
    ) -> list[Claims]:
        # The keys of two devices have two certificates, so two equal chains are of one device.
        if len({device.chain for device in devices}) != len(devices):
            raise MalformedEvidenceError("two reports are of one device")
        claims = [
            Claims(
                device.architecture.tee_class,
                self._nras.judge(device, nonce, address, context.now),
            )
            for device in devices
        ]
        named = [each.values["ueid"] for each in claims if "ueid" in each.values]
        if any(each in named[:index] for index, each in enumerate(named)):
            raise MalformedEvidenceError("two reports are of one device")
        topology = ppcie_topology(claims)
        return claims if topology is None else [*claims, topology]

    def _check_manifests(
        self, report: SPDMReport, fields: JSONObject, options: NVIDIAOptions, context: Context
    ) -> JSONObject:
        """The device measures what NVIDIA's manifests tell; claims about those, by their kind."""
        if options.manifests is Comparison.SKIP:
            return {}
        wanted = {"driver": driver_manifest(fields), "vbios": firmware_manifest(fields)}
        found: dict[str, Manifest] = {}
        for kind, (name, version) in wanted.items():
            try:
                found[kind] = self._manifests.find(name, version, context.collateral, context.now)
            except CollateralUnavailableError as error:
                if options.manifests is Comparison.REQUIRE:
                    raise
                _do_without(error, context)
        manifests = list(found.values())
        # One key signs many manifests, and each answer about it costs a signature.
        for chain in {each.chain[0].encoded: each.chain for each in manifests}.values():
            _check_revocation(chain, options.revocation, context, first=0)
        if options.manifest_dates is SignerDates.ENFORCE:
            check_current(manifests, context.now)
        check_measurements(report.measurements, manifests, fields)
        self._manifests.keep(manifests, context.collateral)
        return {kind: _manifest_claims(each, context) for kind, each in found.items()}

    def _check_report(
        self, device: UnverifiedDevice, context: Context
    ) -> tuple[SPDMReport, tuple[DeviceCertificate, ...]]:
        """The report is signed by a key that NVIDIA's root vouches for."""
        report = parse_report(device.report)
        try:
            chain = self._chains.verify_chain(pem_certificates(device.chain), context.now)
        except CertificateFormatError as error:
            raise MalformedEvidenceError(f"the certificate chain: {error}") from error
        verify_raw_signature(chain[0].key, report.signature, report.signed, "the SPDM report")
        return report, chain


def _choose(name: str, values: dict[str, JSONValue], default: Choice, faults: list[str]) -> Choice:
    """Take an option out of the values, or the default, and note a fault."""
    value, choices = values.pop(name, default.value), type(default)
    if value not in [each.value for each in choices]:
        known = ", ".join(str(each.value) for each in choices)
        faults.append(f"{_OPTIONS}.{name}: one of {known}")
        return default
    return choices(value)


def _url(name: str, value: JSONValue, faults: list[str]) -> str:
    if not isinstance(value, str):
        faults.append(f"{_OPTIONS}.{name}: not a URL")
        return ""
    try:
        return checked_base_url(f"{_OPTIONS}.{name}", value)
    except ConfigError as error:
        faults += error.faults
        return ""


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


def _check_revocation(
    chain: tuple[DeviceCertificate, ...], revocation: Revocation, context: Context, *, first: int
) -> None:
    try:
        check_not_revoked(chain, context.collateral, context.now, first=first)
    except CollateralUnavailableError as error:
        if revocation is Revocation.REQUIRE:
            raise
        _do_without(error, context)


def _do_without(error: CollateralUnavailableError, context: Context) -> None:
    """Have settings decide about a document that is missing or does not parse."""
    if isinstance(context.collateral, CollateralWitness):
        context.collateral.found_unusable(error)


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


def _manifest_claims(manifest: Manifest, context: Context) -> JSONObject:
    return {
        "version": manifest.version,
        "sha256": hashlib.sha256(manifest.document.unverified_body).hexdigest(),
        "signer_current": manifest.is_current(context.now),
    }


def _claims(
    device: UnverifiedDevice, report: SPDMReport, fields: JSONObject, compared: JSONObject
) -> Claims:
    values: JSONObject = {
        "arch": device.architecture.value,
        "uuid": device.uuid,
        "measurements": {str(index): value.hex() for index, value in report.measurements.items()},
        "config": fields,
    }
    if compared:
        values["manifests"] = compared
    return Claims(device.architecture.tee_class, values)


VERIFIER: Verifier = NVIDIAVerifier()
