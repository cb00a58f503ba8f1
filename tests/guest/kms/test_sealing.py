"""Sealed secrets from the command line of whoever seals to that of a guest, by each service."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from kms_rigs import PROVIDERS, Rig

from guest.cdh.sealing import public_jwk
from guest.cli import main
from guest.wire.encoding import b64_decode, b64_encode, b64url_decode, b64url_encode

PLAINTEXT = b"\x00correct horse\xff\n"

# What a service may say to another key or a change: malformed, not-decrypted, denied, not-found.
REFUSED = {40, 45, 61, 62}


@dataclass
class Sealing:
    """A folder with a signing key, a secret, and settings of a guest that believes the key."""

    folder: Path
    rig: Rig
    key: ec.EllipticCurvePrivateKey
    capfd: Any

    def seal(self, *more: str) -> str:
        """What the command prints."""
        settings, annotations = json.dumps(self.rig.settings), json.dumps(self.rig.annotations)
        command = [
            "seal", "--config", str(self.folder / "guest.json"), "--kid", "team",
            "--signing-key", str(self.folder / "sealing.pem"), "--provider", self.rig.provider,
            "--provider-settings", settings, "--annotations", annotations,
            *more,
        ]  # fmt: skip
        assert main(command) == 0, self.capfd.readouterr().err
        return str(self.capfd.readouterr().out)

    def envelope(self) -> str:
        """The secret under the service's key."""
        return self.seal("--envelope", self.rig.key_id, str(self.folder / "secret"))

    def unseal(self, sealed: str) -> tuple[int, bytes]:
        """Exit code and output of the guest."""
        (self.folder / "sealed").write_text(sealed)
        command = ["unseal", "--config", str(self.folder / "guest.json"), "--json"]
        code = main([*command, str(self.folder / "sealed")])
        shown = self.capfd.readouterr()
        return code, b64_decode(json.loads(shown.out)["plaintext"]) if code == 0 else shown.err

    def signed_again(self, sealed: str, change: Callable[[dict[str, Any]], None]) -> str:
        """The same with another payload, by one who has the signing key."""
        _, header, payload, _ = sealed.strip().split(".")
        members = json.loads(b64url_decode(payload))
        change(members)
        signed = f"{header}.{b64url_encode(json.dumps(members).encode())}"
        der = self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        raw = b"".join(number.to_bytes(32, "big") for number in utils.decode_dss_signature(der))
        return f"sealed.{signed}.{b64url_encode(raw)}"


@pytest.fixture(params=PROVIDERS)
def sealing(request: Any, rig_of: Callable[[str], Rig], tmp_path: Path, capfd: Any) -> Sealing:
    """Ready to seal with each service in turn."""
    rig = rig_of(request.param)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "sealing.pem").write_bytes(pem)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "team").write_text(public_jwk(key))
    (tmp_path / "secret").write_bytes(PLAINTEXT)
    settings = {"sealed_secrets": {"keys_folder": str(tmp_path / "keys")}, **rig.config()}
    (tmp_path / "guest.json").write_text(json.dumps(settings))
    return Sealing(tmp_path, rig, key, capfd)


def test_refuses_another_key(sealing: Sealing) -> None:
    """Named by one who may sign."""

    def change(members: dict[str, Any]) -> None:
        members["key_id"] = sealing.rig.other_key_id

    assert sealing.unseal(sealing.signed_again(sealing.envelope(), change))[0] in REFUSED


def test_refuses_changed_ciphertexts(sealing: Sealing) -> None:
    """Of the data key and of the secret."""
    sealed = sealing.envelope()
    for name in ("encrypted_key", "encrypted_data", "iv"):

        def change(members: dict[str, Any], name: str = name) -> None:
            raw = bytearray(b64_decode(members[name]))
            raw[-1] ^= 1
            members[name] = b64_encode(bytes(raw))

        assert sealing.unseal(sealing.signed_again(sealed, change))[0] in REFUSED


def test_refuses_changed_annotations(sealing: Sealing) -> None:
    """Signed again, the service refuses them; as they are, the signature does."""
    sealed = sealing.envelope()
    for changed in sealing.rig.changed:

        def change(members: dict[str, Any], changed: Any = changed) -> None:
            members["annotations"] = {**members["annotations"], **changed} if changed else {}

        again = sealing.signed_again(sealed, change)
        assert sealing.unseal(again)[0] in REFUSED
        unsigned = f"{again.rpartition('.')[0]}.{sealed.strip().rpartition('.')[2]}"
        assert sealing.unseal(unsigned)[0] == 42


def test_a_guest_opens_what_was_sealed(sealing: Sealing) -> None:
    """Its settings say where the service is; the secret says which key."""
    sealed = sealing.envelope()
    payload = json.loads(b64url_decode(sealed.split(".")[2]))
    assert payload["provider"] == sealing.rig.provider
    assert payload["provider_settings"] == sealing.rig.settings
    assert b64_encode(PLAINTEXT) not in json.dumps(payload)
    assert sealing.unseal(sealed) == (0, PLAINTEXT)


def test_the_sealed_secret_holds_no_credentials(sealing: Sealing) -> None:
    """Neither as they are nor encoded; and no address either."""
    payload = b64url_decode(sealing.envelope().split(".")[2]).decode()
    for each in sealing.rig.credentials:
        assert each not in payload
    if sealing.rig.access.endpoint is not None and "key_url" not in sealing.rig.settings:
        assert "127.0.0.1" not in payload


def test_credentials_may_lie_elsewhere_for_sealing(sealing: Sealing) -> None:
    """The guest's folder is not the one of whoever seals."""
    code = main(
        [
            "seal", "--config", str(sealing.folder / "guest.json"), "--kid", "team",
            "--signing-key", str(sealing.folder / "sealing.pem"),
            "--provider", sealing.rig.provider, "--credentials", "/nonexistent",
            "--provider-settings", json.dumps(sealing.rig.settings),
            "--envelope", sealing.rig.key_id, str(sealing.folder / "secret"),
        ]
    )  # fmt: skip
    assert code == 64
    assert "kms-credentials-missing" in sealing.capfd.readouterr().err
