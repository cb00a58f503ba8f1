"""NVIDIA's reference manifests: what the firmware and the driver of a device measure when genuine.

Sources: TCG, "Reference Integrity Manifest Information Model 1.01" (``Meta``, ``Payload``);
ISO/IEC 19770-2:2015 (the tag); NVIDIA's RIM service, version 1 (JSON whose member ``rim`` is base64
of the tag). The measurement that a manifest calls 0 is block 1 of a report.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType

from app.attestation.collateral.ports import Collateral, CollateralKeeper, CollateralSource
from app.attestation.formats.dcap_cache import VerifiedCache, digest_of
from app.attestation.formats.nvidia_certificates import (
    CertificateFormatError,
    DeviceCertificate,
    DeviceChains,
    parse_certificate,
)
from app.attestation.formats.signed_xml import Element, UnverifiedXML, XMLFormatError
from app.trust.errors import (
    CollateralMismatchError,
    CollateralUnavailableError,
    ExpiredCertificateError,
    MalformedEvidenceError,
    MeasurementMismatchError,
)
from app.trust.json_types import JSONObject
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

# SHA-256 over the DER of the "NVIDIA CoRIM signing Root CA".
RIM_ROOTS = frozenset({"12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1"})

_SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
_SHA384 = "http://www.w3.org/2001/04/xmlenc#sha384"
_MAX_INDEX = 254
_MAX_ALTERNATIVES = 64
_DIGEST = re.compile(r"[0-9a-f]{96}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,2}")
_PART = re.compile(r"[A-Za-z0-9.]{1,32}")
# A decoder that is switched off (0x55) has nothing to measure at this index.
_DECODER_INDEX, _DECODER_OFF = 35, "U"
# A fleet has some dozens of versions of drivers and firmware.
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest, its signature checked.

    Attributes:
        document: as it was served.
        chain: of who signed it, root last.
        version: of the driver or the firmware, in small letters.
        golden: hex digests of which a measurement has to be one, by index from 0.
    """

    document: Collateral = field(repr=False)
    chain: tuple[DeviceCertificate, ...] = field(repr=False)
    version: str
    golden: Mapping[int, frozenset[str]]

    def is_current(self, now: datetime) -> bool:
        """Whether every certificate of its chain is within its dates."""
        return all(each.not_before <= now <= each.not_after for each in self.chain)


@dataclass(frozen=True, slots=True)
class _Signed:
    """What a key signed that came along; nobody has vouched for the key yet."""

    certificates: tuple[bytes, ...]
    version: str
    golden: Mapping[int, frozenset[str]]


class Manifests:
    """Finds, verifies and compares manifests; safe to share.

    Args:
        roots: SHA-256 of the accepted roots' DER, hex.
    """

    def __init__(self, roots: frozenset[str] = RIM_ROOTS) -> None:
        self.roots = roots
        self._chains = DeviceChains(roots)
        self._signed: VerifiedCache[_Signed] = VerifiedCache(_REMEMBERED)
        self._kept: VerifiedCache[bool] = VerifiedCache(_REMEMBERED)

    def find(self, name: str, version: str, source: CollateralSource, now: datetime) -> Manifest:
        """The manifest of this name, for this version.

        Its dates are only those of certificates, and NVIDIA signs once: who asks judges whether a
        signer whose time is over may still be heard.

        Raises:
            CollateralUnavailableError: no source has it, or it does not parse.
            UnknownPlatformError: NVIDIA has none.
            UntrustedRootError, ChainError: nobody whom NVIDIA's root vouches for signed it.
            ExpiredCertificateError: the time of its signer has not begun, or an authority's was
                over before the signer's.
            SignatureError: its signature does not hold.
            CollateralMismatchError: it is of another version.
        """
        document = source.get(name)
        body = document.unverified_body
        try:
            signed = self._signed.get(digest_of(body), partial(_open, body))
            leaf = parse_certificate(signed.certificates[0])
            chain = self._chains.verify_chain(list(signed.certificates), min(now, leaf.not_after))
        except (CertificateFormatError, XMLFormatError) as error:
            raise CollateralUnavailableError(f"{name} does not parse") from error
        if signed.version != version.lower():
            raise CollateralMismatchError(f"{name} is a manifest of another version")
        return Manifest(document, chain, signed.version, signed.golden)

    def keep(self, manifests: Sequence[Manifest], source: CollateralSource) -> None:
        """Have manifests kept for other processes: they told a genuine device."""
        if not isinstance(source, CollateralKeeper):
            return
        for each in manifests:
            digest = digest_of(each.document.name.encode(), each.document.unverified_body)
            self._kept.get(digest, partial(_keep, source, each.document))


def driver_manifest(config: JSONObject) -> tuple[str, str]:
    """Name and version of the manifest of a Hopper's driver.

    Args:
        config: fields of the opaque data of a report that was verified.

    Raises:
        MalformedEvidenceError: the version is no part of a name.
    """
    version = _part(config, "driver_version")
    return f"nvidia/rim/nv_gpu_driver_gh100_{version.lower()}", version


def firmware_manifest(config: JSONObject) -> tuple[str, str]:
    """Name and version of the manifest of a device's VBIOS; see ``driver_manifest``."""
    names = ("project", "project_sku", "chip_sku")
    board = "_".join(_part(config, name).lower() for name in names)
    version = _part(config, "vbios_version")
    return f"nvidia/rim/nv_gpu_vbios_{board}_{version.replace('.', '').lower()}", version


def check_measurements(
    measurements: Mapping[int, bytes], manifests: Sequence[Manifest], config: JSONObject
) -> None:
    """Every measurement that a manifest tells of is one that it tells.

    Args:
        measurements: by block index, which counts from 1.
        manifests: of driver and firmware; each measurement is told of by one of them.
        config: fields of the opaque data.

    Raises:
        CollateralMismatchError: two manifests tell of one measurement.
        MeasurementMismatchError: a measurement is missing, or is another.
    """
    told: dict[int, frozenset[str]] = {}
    for manifest in manifests:
        if told.keys() & manifest.golden.keys():
            raise CollateralMismatchError("two manifests of NVIDIA's tell of one measurement")
        told |= manifest.golden
    if config.get("nvdec0_status") == _DECODER_OFF:
        told.pop(_DECODER_INDEX, None)
    wrong = sorted(
        index + 1
        for index, digests in told.items()
        if measurements.get(index + 1, b"").hex() not in digests
    )
    if wrong:
        blocks = ", ".join(str(index) for index in wrong)
        raise MeasurementMismatchError(f"measurements differ from NVIDIA's manifests: {blocks}")


def check_current(manifests: Sequence[Manifest], now: datetime) -> None:
    """Whoever signed the manifests could still sign them.

    Raises:
        ExpiredCertificateError: one's certificates are outside their dates.
    """
    for manifest in manifests:
        if not manifest.is_current(now):
            raise ExpiredCertificateError(
                f"the signer of {manifest.document.name} is outside its dates"
            )


def _keep(source: CollateralKeeper, document: Collateral) -> bool:
    source.keep(document)
    return True


def _part(config: JSONObject, name: str) -> str:
    value = config.get(name)
    if not isinstance(value, str) or not _PART.fullmatch(value.strip()):
        raise MalformedEvidenceError(f"the report does not say its {name}")
    return value.strip()


def _open(body: bytes) -> _Signed:
    """Raises ``XMLFormatError``, ``CertificateFormatError`` or ``SignatureError``."""
    try:
        text = parse_json_object(body).get("rim")
        document = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (WireError, ValueError) as error:
        raise XMLFormatError("no answer of the manifest service") from error
    unverified = UnverifiedXML.parse(document)
    tag = unverified.verified_by(parse_certificate(unverified.certificates[0]).key)
    if tag.name != (_SWID, "SoftwareIdentity"):
        raise XMLFormatError("not a software identity")
    version = tag.only(_SWID, "Meta").attribute("", "colloquialVersion")
    if not version:
        raise XMLFormatError("a manifest without a version")
    golden = _golden(tag.only(_SWID, "Payload"))
    return _Signed(unverified.certificates, version.lower(), golden)


def _golden(payload: Element) -> Mapping[int, frozenset[str]]:
    found: dict[int, frozenset[str]] = {}
    seen = set[int]()
    for resource in payload.elements:
        if resource.name != (_SWID, "Resource") or resource.attribute("", "type") != "Measurement":
            raise XMLFormatError("a part of a manifest that is no measurement")
        index = _number(resource, "index", _MAX_INDEX)
        active = resource.attribute("", "active")
        if index in seen or active not in {"True", "False"}:
            raise XMLFormatError("a measurement twice, or neither active nor not")
        seen.add(index)
        if active == "True":
            found[index] = _digests(resource)
    if not found:
        raise XMLFormatError("a manifest that tells of no measurement")
    return MappingProxyType(found)


def _digests(resource: Element) -> frozenset[str]:
    count = _number(resource, "alternatives", _MAX_ALTERNATIVES)
    values = [resource.attribute(_SHA384, f"Hash{number}") for number in range(count)]
    digests = {value.lower() for value in values if value is not None}
    if not digests or None in values or not all(_DIGEST.fullmatch(each) for each in digests):
        raise XMLFormatError("a measurement without digests of SHA-384")
    return frozenset(digests)


def _number(resource: Element, name: str, limit: int) -> int:
    text = resource.attribute("", name)
    if text is None or not _NUMBER.fullmatch(text) or int(text) > limit:
        raise XMLFormatError(f"{name} is no number")
    return int(text)
