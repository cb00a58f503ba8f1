"""Azure Key Vault and its authority, simulated: challenges, tokens, versions, permissions.

One server answers for both hosts, by the header ``Host``, as their REST references describe.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from guest.kms_settings import KMSAccess
from guest.wire.encoding import b64url_decode, b64url_encode
from kms_rigs.rig import Credentials, Rig, towards
from kms_rigs.simulated import Asked, Said, serving

VAULT = "team.vault.azure.net"
LOGIN = "login.microsoftonline.com"
TENANT = "11111111-2222-4333-8444-555555555555"
RESOURCE = "https://vault.azure.net"
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


@dataclass
class Cloud:
    """What the two hosts know.

    Attributes:
        clients: secrets of service principals, by id.
        allowed: those that may use keys.
        keys: by name and version; the last version is the newest.
        tokens: given out, with whose they are.
        asked: requests.
    """

    clients: dict[str, str] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def add_key(self, name: str, key: Any) -> str:
        """A new version of a key; its name."""
        version = secrets.token_hex(16)
        self.keys.setdefault(name, {})[version] = key
        return version

    def __call__(self, asked: Asked) -> Said:
        """The answer to a request."""
        self.asked.append(asked)
        if asked.host == LOGIN:
            return self.authority(asked)
        if asked.host != VAULT:
            return Said(404, {"error": {"code": "NoSuchHost"}})
        who = self.tokens.get(asked.headers.get("Authorization", "").removeprefix("Bearer "))
        if who is None:
            challenge = f'Bearer authorization="https://{LOGIN}/{TENANT}", resource="{RESOURCE}"'
            return Said(401, {"error": {"code": "Unauthorized"}}, {"WWW-Authenticate": challenge})
        if who not in self.allowed:
            return Said(403, {"error": {"code": "Forbidden"}})
        return self._operation(asked.path, json.loads(asked.body))

    def authority(self, asked: Asked) -> Said:
        """Metadata of the tenant, and tokens for its service principals."""
        base = f"https://{LOGIN}/{TENANT}"
        if asked.path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
            known = {
                "issuer": f"{base}/v2.0",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            }
            return Said(200, known)
        if asked.method != "POST" or asked.path != f"/{TENANT}/oauth2/v2.0/token":
            return Said(404, {"error": "not_found"})
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        fits = form["grant_type"] == "client_credentials"
        if not fits or form["scope"] != f"{RESOURCE}/.default":
            return Said(400, {"error": "invalid_request"})
        if self.clients.get(form["client_id"]) != form["client_secret"]:
            return Said(401, {"error": "invalid_client", "error_description": "AADSTS7000215"})
        token = secrets.token_urlsafe(24)
        self.tokens[token] = form["client_id"]
        return Said(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    def _operation(self, path: str, body: dict[str, str]) -> Said:
        url = urlsplit(path)
        assert parse_qs(url.query)["api-version"]
        _, area, name, *rest = url.path.split("/")
        versions = self.keys.get(name, {}) if area == "keys" else {}
        version = rest[0] if len(rest) == 2 else next(reversed(versions), "")
        if version not in versions:
            return Said(404, {"error": {"code": "KeyNotFound"}})
        try:
            made = _compute(versions[version], rest[-1], body["alg"], b64url_decode(body["value"]))
        except (ValueError, InvalidUnwrap):
            return Said(400, {"error": {"code": "BadParameter"}})
        kid = f"https://{VAULT}/keys/{name}/{version}"
        return Said(200, {"kid": kid, "value": b64url_encode(made)})


def _compute(key: Any, operation: str, algorithm: str, value: bytes) -> bytes:
    """What the vault does; raises ``ValueError`` when the algorithm is none of the key's."""
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    if algorithm != ("RSA-OAEP-256" if is_rsa else "A256KW"):
        raise ValueError(algorithm)
    if operation == "wrapkey":
        return key.public_key().encrypt(value, OAEP) if is_rsa else aes_key_wrap(key, value)
    if operation == "unwrapkey":
        return key.decrypt(value, OAEP) if is_rsa else aes_key_unwrap(key, value)
    raise ValueError(operation)


CLOUDS: dict[str, Cloud] = {}


@contextmanager
def running(folder: Path) -> Iterator[Rig]:
    """A vault with two RSA keys, one of which has two versions, and an AES key."""
    cloud = Cloud({"guest": "the client's secret", "stranger": "another secret"}, {"guest"})
    older, newer, other = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    old_version = cloud.add_key("kek", older)
    cloud.add_key("kek", newer)
    cloud.add_key("kek2", other)
    cloud.add_key("hsm", bytes(range(32)))
    folders = [
        Credentials(
            folder / client,
            {
                "credential.json": {
                    "tenant_id": TENANT, "client_id": client, "client_secret": secret,
                }
            },
        ).written()
        for client, secret in cloud.clients.items()
    ]  # fmt: skip
    with serving(cloud) as url:
        CLOUDS[url] = cloud
        access = KMSAccess(folders[0], url, authority=url, timeout_seconds=10.0)
        yield Rig(
            provider="azure",
            settings={},
            access=access,
            key_id=f"https://{VAULT}/keys/kek",
            other_key_id=f"https://{VAULT}/keys/kek2",
            missing_key_id=f"https://{VAULT}/keys/none",
            annotations={"algorithm": "RSA-OAEP-256"},
            changed=({"version": old_version}, {"algorithm": "A256KW"}, {"version": "0" * 31}),
            denied=replace(access, folder=folders[1]),
            bad_settings=({"vault_url": "https://x"}, {"authority": "https://x"}),
            bad_key_ids=(
                "",
                "kek",
                "https://team.vault.azure.net/keys/",
                "https://team.vault.azure.net/keys/a/b",
                "https://team.vault.azure.net/secrets/a",
                "https://team.vault.azure.net.attacker.example/keys/kek",
                "https://attacker.example/keys/kek?x=.vault.azure.net/keys/kek",
                "https://user@team.vault.azure.net/keys/kek",
                "https://team.vault.azure.net:444/keys/kek",
                "http://team.vault.azure.net/keys/kek",
                "https://team.vault.azure.net/keys/kek\n",
            ),
            bad_annotations=(
                {"algorithm": 5},
                {"algorithm": "RSA1_5"},
                {"version": "0" * 32},
                {"iv": ""},
            ),
            credentials=("the client's secret",),
            at=towards(access),
        )
