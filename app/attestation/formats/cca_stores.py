"""An operator's files about Arm CCA platforms: their keys, and the firmware they should run.

The layouts are those of Trustee's local verifier (``ta-store`` and ``rv-store``). CCA has no vendor
root: who may write these files decides which platforms are trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from app.attestation.formats.cca_token import PlatformClaims, SoftwareComponent
from app.trust.errors import CollateralUnavailableError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.errors import WireError
from guest.wire.jwk import load_point
from guest.wire.strict_json import parse_json

MAX_FILE_BYTES: Final = 8 * 2**20

Content = TypeVar("Content")


class StoreFormatError(ValueError):
    """The file is not of its layout; the message says where."""


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """A platform's key (CPAK) and what hardware and firmware it belongs to."""

    key: ec.EllipticCurvePublicKey
    implementation_id: bytes


@dataclass(frozen=True, slots=True)
class PlatformReference:
    """What a kind of platform should run.

    Attributes:
        implementation_id: which kind, 32 bytes.
        components: in the order of booting; types and versions count where they are given.
        configuration: of the platform.
    """

    implementation_id: bytes
    components: tuple[SoftwareComponent, ...]
    configuration: bytes

    def matches(self, platform: PlatformClaims) -> bool:
        """Whether the platform runs exactly this."""
        return (
            self.configuration == platform.configuration
            and len(self.components) == len(platform.components)
            and all(map(_component_matches, self.components, platform.components))
        )


class WatchedFile(Generic[Content]):
    """A parsed file, read again once it was changed.

    Args:
        path: where it lies.
        parse: reads its JSON; raises ``StoreFormatError``.
    """

    def __init__(self, path: Path, parse: Callable[[JSONValue], Content]) -> None:
        self._path = path
        self._parse = parse
        self._known: tuple[tuple[int, int], Content] | None = None

    def content(self) -> Content:
        """What the file holds now.

        Raises:
            CollateralUnavailableError: it cannot be read, or is not of its layout.
        """
        known = self._known
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if known is None or known[0] != stamp:
                known = self._known = (stamp, self._read())
        except (OSError, StoreFormatError, WireError) as error:
            # Guests read this message: it does not say where the file lies.
            why = error.strerror if isinstance(error, OSError) else error
            raise CollateralUnavailableError(f"{self._path.name}: {why}") from error
        return known[1]

    def _read(self) -> Content:
        with self._path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise StoreFormatError(f"longer than {MAX_FILE_BYTES} bytes")
        return self._parse(parse_json(text))


def parse_trust_anchors(value: JSONValue) -> dict[bytes, TrustAnchor]:
    """Platform keys by instance id.

    Raises:
        StoreFormatError: not of the layout, or an instance stands there twice.
    """
    anchors: dict[bytes, TrustAnchor] = {}
    for entry in _objects(value, "the file"):
        instance = _hex(entry, "instance-id", 33)
        if instance in anchors:
            raise StoreFormatError("an instance-id stands there twice")
        anchors[instance] = TrustAnchor(_key(entry), _hex(entry, "implementation-id", 32))
    return anchors


def parse_platform_references(value: JSONValue) -> tuple[PlatformReference, ...]:
    """The platforms of a file of reference values; its realms are for policies to judge.

    Raises:
        StoreFormatError: not of the layout.
    """
    if not isinstance(value, dict):
        raise StoreFormatError("the file is not a JSON object")
    return tuple(_reference(entry) for entry in _objects(value.get("platform"), "platform"))


def _reference(entry: JSONObject) -> PlatformReference:
    components = _objects(entry.get("sw-components"), "sw-components")
    return PlatformReference(
        implementation_id=_hex(entry, "implementation-id", 32),
        components=tuple(_component(each) for each in components),
        configuration=_hex(entry, "platform-configuration"),
    )


def _component(entry: JSONObject) -> SoftwareComponent:
    return SoftwareComponent(
        kind=_optional_text(entry, "component-type"),
        measurement=_hex(entry, "measurement-value"),
        version=_optional_text(entry, "version"),
        signer=_hex(entry, "signer-id"),
    )


def _component_matches(reference: SoftwareComponent, found: SoftwareComponent) -> bool:
    return (
        reference.measurement == found.measurement
        and reference.signer == found.signer
        and reference.kind in {None, found.kind}
        and reference.version in {None, found.version}
    )


def _key(entry: JSONObject) -> ec.EllipticCurvePublicKey:
    jwk = entry.get("pkey")
    if not isinstance(jwk, dict) or jwk.get("kty") != "EC":
        raise StoreFormatError("pkey is not a JWK of an elliptic curve")
    crv, x, y = (_text(jwk, name) for name in ("crv", "x", "y"))
    try:
        return load_point(crv, x, y)
    except WireError as error:
        raise StoreFormatError(f"pkey: {error}") from error


def _objects(value: JSONValue, name: str) -> list[JSONObject]:
    if not isinstance(value, list):
        raise StoreFormatError(f"{name} is not an array")
    return [_object(each, name) for each in value]


def _object(value: JSONValue, name: str) -> JSONObject:
    if not isinstance(value, dict):
        raise StoreFormatError(f"an element of {name} is not a JSON object")
    return value


def _text(entry: JSONObject, name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise StoreFormatError(f"{name} is not text")
    return value


def _optional_text(entry: JSONObject, name: str) -> str | None:
    return None if entry.get(name) is None else _text(entry, name)


def _hex(entry: JSONObject, name: str, size: int | None = None) -> bytes:
    text = _text(entry, name)
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise StoreFormatError(f"{name} is not hex") from error
    if size is not None and len(data) != size:
        raise StoreFormatError(f"{name} does not have {size} bytes")
    return data
