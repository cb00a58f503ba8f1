"""Keys of a lab that outlive its process, so that what trusts its roots goes on trusting them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_RSA_BITS = 2048
_AMD_ROLES = ("ark", "ask", "asvk")


@dataclass(frozen=True, slots=True)
class LabKeys:
    """Private keys in a folder; made when they are first asked for.

    Attributes:
        folder: readable by its owner only; ``None`` keeps nothing.
    """

    folder: Path | None = None

    def of_amd(self, generation: str) -> tuple[rsa.RSAPrivateKey, ...]:
        """ARK, ASK and ASVK of a generation."""
        found = []
        for role in _AMD_ROLES:
            key = self._key(f"amd-{generation.lower()}-{role}", _new_rsa)
            assert isinstance(key, rsa.RSAPrivateKey), "the file is of the lab's own making"
            found.append(key)
        return tuple(found)

    def of_intel(self, *names: str) -> dict[str, ec.EllipticCurvePrivateKey]:
        """Keys by the common names of their certificates."""
        found = {}
        for name in names:
            key = self._key(f"intel-{name.lower().replace(' ', '-')}", _new_ec)
            assert isinstance(key, ec.EllipticCurvePrivateKey), (
                "the file is of the lab's own making"
            )
            found[name] = key
        return found

    def _key(self, name: str, make: Callable[[], _Key]) -> _Key:
        path = None if self.folder is None else self.folder / f"{name}.pem"
        if path is not None and path.is_file():
            held = load_pem_private_key(path.read_bytes(), password=None)
            assert isinstance(held, _Key), "the file is of the lab's own making"
            return held
        key = make()
        if path is not None:
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(pem)
        return key


def _new_rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, _RSA_BITS)


def _new_ec() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
