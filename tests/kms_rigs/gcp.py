"""Google Cloud KMS, simulated after its REST reference: tokens, checksums, versions."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from guest.kms_settings import KMSAccess
from guest.wire.encoding import b64_decode, b64_encode
from guest.wire.strict_json import parse_json_object
from kms_rigs.rig import Credentials, Rig, towards
from kms_rigs.simulated import Asked, Said, serving

HOST = "cloudkms.googleapis.com"
RING = "projects/team-1/locations/europe-west1/keyRings/guests"
_PATH = re.compile(r"/v1/(?P<key>projects/[^:?]+):(?P<operation>encrypt|decrypt)(\?.*)?")


def crc32c(data: bytes) -> int:
    """Bit by bit, as in its definition; not the driver's table."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 * (value & 1))
    return value ^ 0xFFFFFFFF


@dataclass
class Cloud:
    """What the service knows.

    Attributes:
        accounts: public keys of service accounts, by address.
        allowed: those that may use keys.
        keys: versions by name; the last is the primary one.
        asked: requests.
    """

    accounts: dict[str, Any] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)
    keys: dict[str, list[bytes]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Said:
        """The answer to a request."""
        self.asked.append(asked)
        found = _PATH.fullmatch(asked.path)
        if asked.host != HOST or asked.method != "POST" or found is None:
            return _error(404, "NOT_FOUND")
        who = self._who(asked.headers.get("Authorization", "").removeprefix("Bearer "))
        if who is None:
            return _error(401, "UNAUTHENTICATED")
        if who not in self.allowed:
            return _error(403, "PERMISSION_DENIED")
        if found["key"] not in self.keys:
            return _error(404, "NOT_FOUND")
        run = self._encrypt if found["operation"] == "encrypt" else self._decrypt
        return run(found["key"], parse_json_object(asked.body))

    def _who(self, token: str) -> str | None:
        """The account of a token that it signed itself, for this service and this hour."""
        for address, key in self.accounts.items():
            try:
                claims = jwt.decode(token, key, algorithms=["RS256"]).claims
            except (JoseError, ValueError):
                continue
            now = datetime.now(UTC).timestamp()
            fits = claims["iss"] == claims["sub"] == address
            in_time = claims["iat"] <= now + 60 and now < claims["exp"] <= claims["iat"] + 3600
            if fits and in_time and claims["aud"] == f"https://{HOST}/":
                return str(address)
        return None

    def _encrypt(self, name: str, body: dict[str, Any]) -> Said:
        plaintext, aad = _checked(body, "plaintext"), _checked(body, "additionalAuthenticatedData")
        if plaintext is None or aad is None:
            return _error(400, "INVALID_ARGUMENT")
        version, iv = len(self.keys[name]), secrets.token_bytes(12)
        ciphertext = bytes([version]) + iv
        ciphertext += AESGCM(self.keys[name][-1]).encrypt(iv, plaintext, aad)
        return Said(
            200,
            {
                "name": f"{name}/cryptoKeyVersions/{version}",
                "ciphertext": b64_encode(ciphertext),
                "ciphertextCrc32c": str(crc32c(ciphertext)),
                "verifiedPlaintextCrc32c": True,
                "verifiedAdditionalAuthenticatedDataCrc32c": True,
                "protectionLevel": "SOFTWARE",
            },
        )

    def _decrypt(self, name: str, body: dict[str, Any]) -> Said:
        whole, aad = _checked(body, "ciphertext"), _checked(body, "additionalAuthenticatedData")
        if not whole or aad is None or not 0 < whole[0] <= len(self.keys[name]):
            return _error(400, "INVALID_ARGUMENT")
        try:
            opened = AESGCM(self.keys[name][whole[0] - 1]).decrypt(whole[1:13], whole[13:], aad)
        except (InvalidTag, ValueError):
            return _error(400, "INVALID_ARGUMENT")
        sums = {"plaintextCrc32c": str(crc32c(opened)), "usedPrimary": True}
        return Said(200, {"plaintext": b64_encode(opened), **sums})


def _checked(body: dict[str, Any], name: str) -> bytes | None:
    """A member of bytes; ``None`` when it does not have the checksum that came with it."""
    data = b64_decode(body.get(name, ""))
    given = body.get(f"{name}Crc32c")
    return data if given is not None and int(given) == crc32c(data) else None


def _error(status: int, reason: str) -> Said:
    return Said(status, {"error": {"code": status, "message": "no", "status": reason}})


def _account(name: str, key: rsa.RSAPrivateKey) -> dict[str, str]:
    """The key of a service account as Google gives it out."""
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "team-1",
        "private_key_id": secrets.token_hex(20),
        "private_key": pem.decode(),
        "client_email": f"{name}@team-1.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


CLOUDS: dict[str, Cloud] = {}


@contextmanager
def running(folder: Path) -> Iterator[Rig]:
    """Two keys, one account that may use them, and one that may not."""
    cloud = Cloud()
    files = []
    for name in ("guest", "stranger"):
        key = rsa.generate_private_key(65537, 2048)
        account = _account(name, key)
        cloud.accounts[account["client_email"]] = RSAKey.import_key(account["private_key"])
        files.append(Credentials(folder / name, {"credential.json": account}).written())
    cloud.allowed.add("guest@team-1.iam.gserviceaccount.com")
    for name in ("kek", "kek2"):
        cloud.keys[f"{RING}/cryptoKeys/{name}"] = [secrets.token_bytes(32)]
    secret = parse_json_object((files[0] / "credential.json").read_bytes())["private_key"]
    with serving(cloud) as url:
        CLOUDS[url] = cloud
        access = KMSAccess(files[0], url, timeout_seconds=10.0)
        yield Rig(
            provider="gcp",
            settings={},
            access=access,
            key_id=f"{RING}/cryptoKeys/kek",
            other_key_id=f"{RING}/cryptoKeys/kek2",
            missing_key_id=f"{RING}/cryptoKeys/none",
            annotations={"additional_authenticated_data": "app=db"},
            changed=(
                {},
                {"additional_authenticated_data": ""},
                {"additional_authenticated_data": "app=other"},
            ),
            denied=replace(access, folder=files[1]),
            bad_settings=({"endpoint": "https://x"}, {"credentials": {}}),
            bad_key_ids=(
                "",
                "kek",
                f"{RING}/cryptoKeys/",
                f"{RING}/cryptoKeys/kek/cryptoKeyVersions/1",
                f"{RING}/cryptoKeys/kek:destroy",
                f"{RING}/cryptoKeys/../x",
                "projects/../locations/a/keyRings/b/cryptoKeys/c",
                f"/{RING}/cryptoKeys/kek",
                f"{RING}/cryptoKeys/kek\n",
            ),
            bad_annotations=(
                {"additional_authenticated_data": 5},
                {"additional_authenticated_data": "\n"},
                {"aad": "x"},
            ),
            credentials=(secret, secret.splitlines()[1]),
            at=towards(access),
        )
