"""NVIDIA data processing units: a DICE chain under a root that the operator names.

Sources: TCG, "DICE Attestation Architecture"; RFC 5280. The steps of ``verify`` stand in the order
of docs/reference/verifiers/nvidia-dpu.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.dice import firmware_layers
from app.attestation.formats.nvidia_certificates import (
    MAX_CERTIFICATE_BYTES,
    SIGNATURE_BYTES,
    TCB_INFO,
    CertificateFormatError,
    DeviceCertificate,
    parse_certificate,
    pem_certificates,
    verify_raw_signature,
    verify_signature,
)
from app.trust.errors import (
    BindingMismatchError,
    CollateralUnavailableError,
    ConfigError,
    ExpiredCertificateError,
    MalformedEvidenceError,
    SignatureError,
    UntrustedRootError,
)
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError

_OPTIONS = "attestation.verifier_options.nvidia-dpu"
_PADDED_BYTES = 64
_DEFAULT_AGE_SECONDS = 3600
_MAX_SIGNATURE_BYTES = 160


@dataclass(frozen=True, slots=True)
class DPUOptions:
    """The settings under ``attestation.verifier_options.nvidia-dpu``.

    Attributes:
        root_file: PEM, one certificate.
        max_alias_age: how long ago the device may have made its alias key.
    """

    root_file: Path
    max_alias_age: timedelta = timedelta(seconds=_DEFAULT_AGE_SECONDS)

    @classmethod
    def parse(cls, options: Mapping[str, JSONValue]) -> DPUOptions:
        """The options.

        Raises:
            ConfigError: an unknown option, a wrong value, or no root; all faults are listed.
        """
        values, faults = dict(options), list[str]()
        root = values.pop("root_ca_cert_path", None)
        if not isinstance(root, str) or not root:
            faults.append(f"{_OPTIONS}.root_ca_cert_path: names the PEM file of the root")
        age = values.pop("max_cert_age_secs", _DEFAULT_AGE_SECONDS)
        if type(age) is not int or not 1 <= age <= 10**9:
            faults.append(f"{_OPTIONS}.max_cert_age_secs: a whole number of seconds from 1")
            age = _DEFAULT_AGE_SECONDS
        faults += [f"{_OPTIONS}.{name}: no such option" for name in values]
        if faults:
            raise ConfigError(faults)
        return cls(Path(str(root)), timedelta(seconds=age))

    def load_root(self) -> DeviceCertificate:
        """The root.

        Raises:
            ConfigError: the file cannot be read, or does not hold one certificate.
        """
        try:
            (encoded,) = pem_certificates(self.root_file.read_bytes())
            return parse_certificate(encoded)
        except (OSError, ValueError) as error:
            fault = f"{_OPTIONS}.root_ca_cert_path: not a PEM file of one P-384 certificate"
            raise ConfigError([fault]) from error


@dataclass(frozen=True, slots=True)
class UnverifiedDPU:
    """The one device of the evidence.

    Attributes:
        alias: certificate of the key that signs report data.
        device_id: certificate of the key that made the alias.
        signature: over report data, DER or r then s; may be empty.
    """

    alias: DeviceCertificate
    device_id: DeviceCertificate
    signature: bytes


class DPUVerifier:
    """Verifies chains and signatures of NVIDIA DPUs."""

    tee = "nvidia-dpu"
    insecure = False

    def check_options(self, options: Mapping[str, JSONValue]) -> None:
        """Refuse options that ``verify`` would not understand, and a root that is none.

        Raises:
            ConfigError: it lists every fault.
        """
        DPUOptions.parse(options).load_root()

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check, in the order of the reference page.

        Raises:
            MalformedEvidenceError: the evidence does not parse.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: no root is configured, or it cannot be read.
        """
        options, root = _configured(context)
        device = _parse_evidence(evidence.body)
        _check_root(device.device_id, root)
        device.alias.check_issued_by(device.device_id)
        for certificate in (root, device.device_id, device.alias):
            certificate.check_validity(context.now)
        _check_alias_age(device.alias, options, context)
        signed = _check_report_data(device, binding)
        return [Claims("nvidia-dpu", _claims(device, signed))]


def _configured(context: Context) -> tuple[DPUOptions, DeviceCertificate]:
    try:
        options = DPUOptions.parse(context.options)
        return options, options.load_root()
    except ConfigError as error:
        raise CollateralUnavailableError("no root for DPUs is configured here") from error


def _parse_evidence(body: JSONValue) -> UnverifiedDPU:
    devices = body.get("devices") if isinstance(body, dict) else None
    if not isinstance(devices, list) or len(devices) != 1 or not isinstance(devices[0], dict):
        raise MalformedEvidenceError("DPU evidence has not one device")
    device = devices[0]
    try:
        return UnverifiedDPU(
            alias=parse_certificate(_bytes(device, "alias_cert", MAX_CERTIFICATE_BYTES)),
            device_id=parse_certificate(_bytes(device, "device_id_cert", MAX_CERTIFICATE_BYTES)),
            signature=_bytes(device, "report_data_signature", _MAX_SIGNATURE_BYTES),
        )
    except CertificateFormatError as error:
        raise MalformedEvidenceError(f"the certificates of the device: {error}") from error


def _bytes(device: JSONObject, name: str, limit: int) -> bytes:
    text = device.get(name, "" if name == "report_data_signature" else None)
    if not isinstance(text, str) or len(text) > 2 * limit:
        raise MalformedEvidenceError(f"{name} is not text of at most {limit} bytes")
    try:
        return b64_decode(text)
    except WireError as error:
        raise MalformedEvidenceError(f"{name} is not base64") from error


def _check_root(device_id: DeviceCertificate, root: DeviceCertificate) -> None:
    """The root made the device's identity."""
    if device_id.issuer != root.subject:
        raise UntrustedRootError("the device's identity names another root")
    device_id.check_issued_by(root)


def _check_alias_age(alias: DeviceCertificate, options: DPUOptions, context: Context) -> None:
    """The device made its alias not long ago: it is made anew at each start."""
    if context.now - alias.not_before > options.max_alias_age:
        raise ExpiredCertificateError("the alias of the device is older than settings accept")


def _check_report_data(device: UnverifiedDPU, binding: Binding) -> bytes | None:
    """What the alias signed; ``None`` when the caller expects nothing.

    Trustee's verifier wants a signature over the bare digest, and its guest signs the digest with
    zeros up to 64 bytes, so the two never meet. Both are accepted here: a digest of 48 bytes and
    the same digest with 16 zeros say the same.
    """
    expected = binding.report_data
    if expected is None:
        return None
    if not device.signature:
        raise BindingMismatchError("the device did not sign any report data")
    padded = expected.ljust(_PADDED_BYTES, b"\0")
    for form in dict.fromkeys((padded, expected)):
        try:
            _verify(device, form)
        except SignatureError:
            continue
        return form
    # A signature says whether it fits, and not what else was signed: nothing but the binding is
    # left that could differ, once the chain holds.
    raise BindingMismatchError("the device did not sign this report data")


def _verify(device: UnverifiedDPU, signed: bytes) -> None:
    raw = len(device.signature) == SIGNATURE_BYTES
    verify = verify_raw_signature if raw else verify_signature
    verify(device.alias.key, device.signature, signed, "the report data")


def _claims(device: UnverifiedDPU, signed: bytes | None) -> JSONObject:
    layers = firmware_layers(device.device_id.extensions.get(TCB_INFO))
    values: JSONObject = {
        "device_serial": device.device_id.serial.hex(),
        "device_class": device.device_id.common_name or "unknown",
        "firmware_layers_count": len(layers.digests),
        "accumulated_fwid": layers.accumulated,
        "alias_timestamp": int(device.alias.not_before.timestamp()),
    }
    if signed is not None:
        values["session_nonce"] = signed.hex()
    return values


VERIFIER: Verifier = DPUVerifier()
