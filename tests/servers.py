"""Applications for tests: real settings, a real database in a folder, a real admin key."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from app.config import parse_settings
from app.settings import Settings

SAMPLE_VALUES = {
    "launch_digest": ["abcde"],
    "svn": ["1"],
    "major_version": 1,
    "minimum_minor_version": 4,
}


@dataclass(frozen=True)
class AdminKey:
    """The identity provider of the tests."""

    private: OKPKey
    public_file: Path

    @classmethod
    def make(cls, folder: Path) -> AdminKey:
        """A fresh key with its public half in a file."""
        key = Ed25519PrivateKey.generate()
        path = folder / "admin-public.pem"
        path.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return cls(OKPKey.import_key(pem), path)

    def token(self, role: str = "owner", **claims: Any) -> str:
        """A bearer token of this role."""
        payload = {
            "iss": "test-admins",
            "sub": "ann",
            "role": role,
            "exp": int((datetime.now(UTC) + timedelta(hours=1)).timestamp()),
        } | claims
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode({"alg": "EdDSA"}, payload, self.private, algorithms=["EdDSA"])

    def headers(self, role: str = "owner") -> dict[str, str]:
        """Headers that authenticate an operator."""
        return {"Authorization": f"Bearer {self.token(role)}"}


def settings_table(folder: Path, **parts: Any) -> dict[str, Any]:
    """Settings as a TOML file would give them: all roles, sample TEE, everything in ``folder``."""
    kek = folder / "kek"
    if not kek.exists():
        kek.write_text(secrets.token_hex(32), encoding="ascii")
    table: dict[str, Any] = {
        "roles": ["as", "kbs", "console"],
        "database": {"url": f"sqlite:///{folder / 'vouchgate.db'}"},
        "sealing": {"keys": [f"file:{kek}"]},
        "attestation": {"verifiers": ["sample"], "insecure_allow_sample": True},
        "collateral": {"sources": ["cache"]},
        "admin": {
            "access": [
                {"role": role, "methods": ["*"], "paths": ["/**"]}
                for role in ("owner", "auditor", "viewer", "policy-author", "secret-custodian")
            ],
            "identity_providers": [
                {
                    "name": "tests",
                    "public_key_file": str(folder / "admin-public.pem"),
                    "issuer": "test-admins",
                }
            ],
        },
        "limits": {"handshake": "100000/minute", "sign_in": "1000/minute"},
        "log": {"level": "debug", "format": "json"},
    }
    for name, part in parts.items():
        table[name] = table.get(name, {}) | part if isinstance(part, dict) else part
    return table


def make_settings(folder: Path, **parts: Any) -> Settings:
    """The same, checked."""
    return parse_settings(settings_table(folder, **parts), {})
