"""An Arm CCA platform of our own: its tokens, and the operator's files that know it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from guest.wire.jwk import point_members

IMPLEMENTATION = bytes(range(32))
INSTANCE = b"\x01" + bytes(range(32))
SIGNER = b"\x05" * 32
ALGORITHMS = {"secp256r1": (-7, hashes.SHA256(), 32), "secp384r1": (-35, hashes.SHA384(), 48)} | {
    "secp521r1": (-36, hashes.SHA512(), 66)
}


def sign(key: ec.EllipticCurvePrivateKey, payload: bytes, **header: Any) -> bytes:
    """A COSE_Sign1 message.

    Args:
        key: signs.
        payload: is signed.
        header: ``protected``, ``unprotected`` or ``tagged``, to see them refused.
    """
    algorithm, digest, size = ALGORITHMS[key.curve.name]
    protected = header.get("protected", cbor2.dumps({1: algorithm}))
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(digest)))
    signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    message = [protected, header.get("unprotected", {}), payload, signature]
    return cbor2.dumps(cbor2.CBORTag(18, message) if header.get("tagged", True) else message)


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as an uncompressed point."""
    numbers = key.public_key().public_numbers()
    size = ALGORITHMS[key.curve.name][2]
    return b"\x04" + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


def cose_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as a COSE_Key."""
    size = ALGORITHMS[key.curve.name][2]
    curve = {"secp256r1": 1, "secp384r1": 2, "secp521r1": 3}[key.curve.name]
    x, y = point(key)[1 : 1 + size], point(key)[1 + size :]
    return cbor2.dumps({1: 2, -1: curve, -2: x, -3: y})


def component(number: int, **changes: Any) -> dict[int, Any]:
    """A piece of firmware, as the platform says it."""
    plain = {1: f"BL{number}", 2: bytes([number]) * 32, 5: SIGNER, 6: "sha-256"}
    return plain | {int(label): value for label, value in changes.items()}


@dataclass
class SimulatedCCA:
    """A platform and a realm on it.

    Attributes:
        cpak: the platform's key.
        rak: the realm's key.
    """

    cpak: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP384R1())
    )
    rak: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP384R1())
    )

    def platform(self, **changes: Any) -> dict[Any, Any]:
        """The platform's claims; changes go by label, with ``l`` before it; ``None`` leaves out."""
        claims = {
            265: "tag:arm.com,2023:cca_platform#1.0.0",
            10: hashlib.sha256(point(self.rak)).digest(),
            2396: IMPLEMENTATION,
            256: INSTANCE,
            2401: b"\xcf" * 4,
            2395: 0x3003,
            2402: "sha-256",
            2400: "https://verifier.example",
            2399: [component(1), component(2)],
        }
        return _changed(claims, changes)

    def realm(self, challenge: bytes = b"", **changes: Any) -> dict[Any, Any]:
        """The realm's claims."""
        claims = {
            10: challenge.ljust(64, b"\0"),
            44235: bytes(64),
            44237: point(self.rak),
            44236: "sha-512",
            44240: "sha-256",
            44238: b"\x08" * 64,
            44239: [bytes(64)] * 4,
        }
        return _changed(claims, changes)

    def token(
        self, platform: dict[Any, Any] | None = None, realm: dict[Any, Any] | None = None
    ) -> bytes:
        """A token of these claims, or of faultless ones."""
        return collection(
            sign(self.cpak, cbor2.dumps(platform or self.platform())),
            sign(self.rak, cbor2.dumps(realm or self.realm(b"bound"))),
        )

    def write_files(self, folder: Path, **changes: Any) -> dict[str, str]:
        """The operator's files that know this platform; the verifier's options.

        Args:
            folder: where they go.
            changes: of the reference values' platform, with ``_`` in the place of ``-``.
        """
        crv, x, y = point_members(self.cpak.public_key())
        anchor = {
            "pkey": {"kty": "EC", "crv": crv, "x": x, "y": y},
            "implementation-id": IMPLEMENTATION.hex(),
            "instance-id": INSTANCE.hex(),
        }
        platform = {
            "implementation-id": IMPLEMENTATION.hex(),
            "sw-components": [reference(1), reference(2)],
            "platform-configuration": "cfcfcfcf",
        } | {name.replace("_", "-"): value for name, value in changes.items()}
        anchors, values = folder / "anchors.json", folder / "values.json"
        anchors.write_text(json.dumps([anchor]), "utf-8")
        values.write_text(json.dumps({"platform": [platform], "realm": []}), "utf-8")
        return {"trust_anchors_file": str(anchors), "reference_values_file": str(values)}


def collection(platform: bytes, realm: bytes, tag: int = 399) -> bytes:
    """The two messages in one token."""
    return cbor2.dumps(cbor2.CBORTag(tag, {44234: platform, 44241: realm}))


def reference(number: int, **changes: Any) -> dict[str, str]:
    """A piece of firmware, as the operator expects it."""
    plain = {
        "measurement-value": (bytes([number]) * 32).hex(),
        "signer-id": SIGNER.hex(),
        "component-type": f"BL{number}",
    }
    changed = plain | {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in changed.items() if value is not None}


def _changed(claims: dict[Any, Any], changes: dict[str, Any]) -> dict[Any, Any]:
    changed = claims | {int(label[1:]): value for label, value in changes.items()}
    return {label: value for label, value in changed.items() if value is not None}
