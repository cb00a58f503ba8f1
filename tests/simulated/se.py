"""A simulated IBM Z: host keys under a root, the files of an operator, and the firmware."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from fakes import NOON

DAY = timedelta(days=1)
CUID = bytes(range(16))
TAGS = bytes(range(208))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    name: str,
    key: Any,
    issuer: str,
    signer: Any,
    *,
    not_before: datetime = NOON - DAY,
    not_after: datetime = NOON + DAY,
    serial: int | None = None,
) -> x509.Certificate:
    """A certificate signed with SHA-512."""
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .sign(signer, SHA512())
    )


def image_header(tags: bytes = TAGS) -> bytes:
    """The header of an image with these digests and this tag, and what follows it in the file."""
    header = bytearray(0x200)
    header[:16] = b"IBMSecEx" + (0x100).to_bytes(4, "big") + len(header).to_bytes(4, "big")
    for number, at in enumerate((0xE0, 0x120, 0x160)):
        header[at : at + 64] = tags[64 * number : 64 * (number + 1)]
    header[-16:] = tags[-16:]
    return bytes(header) + b"what follows"


def pem(found: x509.Certificate) -> bytes:
    """As files have it."""
    return found.public_bytes(Encoding.PEM)


@dataclass
class SimulatedZ:
    """One machine and its operator's files."""

    folder: Path
    host_key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP521R1())
    )

    def __post_init__(self) -> None:
        self.root_key = ec.generate_private_key(ec.SECP521R1())
        self.signing_key = rsa.generate_private_key(65537, 2048)
        self.own_key = rsa.generate_private_key(65537, 2048)
        for name in ("hkds", "certs", "crls"):
            (self.folder / name).mkdir()
        self.root = certificate("Root", self.root_key, "Root", self.root_key)
        self.signer = certificate("Key Signing", self.signing_key, "Root", self.root_key)
        # IBM's documents name their issuer in another way than it names itself.
        self.document = certificate("Host", self.host_key, "Key Signing, Armonk", self.signing_key)
        self.write("root.crt", pem(self.root))
        self.write("certs/signing.crt", pem(self.signer))
        self.write("hkds/host.crt", pem(self.document))
        self.write("hdr.bin", image_header())
        own = self.own_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.write("key.pem", own)

    def write(self, name: str, data: bytes) -> None:
        """One file of the operator's."""
        (self.folder / name).write_bytes(data)

    def revoke(
        self, serial: int, *, next_update: datetime = NOON + DAY, by_root: bool = False
    ) -> None:
        """A revocation list with one certificate on it."""
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOON - DAY)
        found = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(_name("Root" if by_root else "Key Signing"))
            .last_update(NOON - 2 * DAY)
            .next_update(next_update)
            .add_revoked_certificate(revoked.build())
            .sign(self.root_key if by_root else self.signing_key, SHA512())
        )
        self.write("crls/list.crl", found.public_bytes(Encoding.DER))

    def options(self, **changes: Any) -> dict[str, Any]:
        """The settings that name the files."""
        found = {
            "host_key_documents": "hkds",
            "certificates": "certs",
            "revocation_lists": "crls",
            "image_header": "hdr.bin",
            "measurement_key": "key.pem",
            "root_ca": "root.crt",
        }
        return {name: str(self.folder / path) for name, path in found.items()} | changes


@dataclass(frozen=True)
class Firmware:
    """What opens requests: it shares nothing with the code that makes them."""

    host_key: ec.EllipticCurvePrivateKey

    def open(self, block: bytes) -> tuple[bytes, bytes]:
        """Measurement key and nonce of a request."""
        assert block[:12] == bytes(8) + b"\0\0\1\0"
        assert int.from_bytes(block[12:16], "big") == len(block)
        slots, sealed_size = block[39], int.from_bytes(block[44:48], "big")
        assert block[48:64] == bytes.fromhex("70000000000000000000000100000000")
        x, y = block[64:144], block[144:224]
        customer = ec.EllipticCurvePublicNumbers(
            int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP521R1()
        ).public_key()
        shared = self.host_key.exchange(ec.ECDH(), customer)
        wrapping = hashlib.sha256(shared + bytes([0, 0, 0, 1])).digest()
        numbers = self.host_key.public_key().public_numbers()
        own = hashlib.sha256(numbers.x.to_bytes(80, "big") + numbers.y.to_bytes(80, "big")).digest()
        at = 224 + 80 * slots
        (wrapped,) = (
            block[start + 32 : start + 80]
            for start in range(224, at, 80)
            if block[start : start + 32] == own
        )
        protection = AESGCM(wrapping).decrypt(bytes(12), wrapped, None)
        opened = AESGCM(protection).decrypt(block[16:28], block[at:], block[:at])
        assert len(opened) == sealed_size
        return opened[:64], opened[64:]

    def measure(self, block: bytes, user_data: bytes, tags: bytes) -> tuple[bytes, bytes, bytes]:
        """Measurement, additional data and the guest's id, for a request."""
        key, nonce = self.open(block)
        additional = bytes(32) + bytes([1] * 32)
        message = (
            tags + CUID + len(user_data).to_bytes(2, "big") + bytes(2)
            + len(additional).to_bytes(4, "big") + user_data + nonce + additional
        )  # fmt: skip
        return hmac.digest(key, message, "sha512"), additional, CUID

    def attest(self, challenge: str, user_data: bytes, tags: bytes | None = None) -> dict[str, str]:
        """Evidence for a challenge."""
        asked = json.loads(challenge)
        block = base64.b64decode(asked["request_blob"])
        tags = base64.b64decode(asked["image_hdr_tags"]) if tags is None else tags
        measurement, additional, cuid = self.measure(block, user_data, tags)
        parts = {
            "measurement": measurement,
            "additional_data": additional,
            "user_data": user_data,
            "cuid": cuid,
            "image_hdr_tags": tags,
        }
        return {name: base64.b64encode(value).decode() for name, value in parts.items()} | {
            name: asked[name] for name in ("encr_measurement_key", "encr_request_nonce")
        }
