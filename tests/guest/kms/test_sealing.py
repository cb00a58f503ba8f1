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
from kms_rigs.rig import no_resource

from guest.cdh.sealing import public_jwk
from guest.cdh.unwrap_key import unwrap_key
from guest.cli import main
from guest.kms.registry import opener
from guest.settings import parse_settings
from guest.wire.encoding import b64_decode, b64_encode, b64url_decode, b64url_encode
from guest.wiring import Outside, build_parts

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


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A signing key as whoever seals has it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.fixture(params=PROVIDERS)
def sealing(request: Any, rig_of: Callable[[str], Rig], tmp_path: Path, capfd: Any) -> Sealing:
    """Ready to seal with each service in turn."""
    rig = rig_of(request.param)
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "sealing.pem").write_bytes(private_pem(key))
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


def test_a_guest_that_serves_opens_it(sealing: Sealing) -> None:
    """Through the parts of the Confidential Data Hub that answer programs."""
    broker = {"insecure_sample": True, "token_configs": {"kbs": {"url": "http://127.0.0.1:1"}}}
    settings = json.loads((sealing.folder / "guest.json").read_text())
    parts = build_parts(parse_settings({**settings, **broker}), Outside())
    assert parts.unseal(sealing.envelope().strip()) == PLAINTEXT


def test_a_guest_opens_the_key_of_a_layer(sealing: Sealing) -> None:
    """Of an encrypted image, which the provider has wrapped itself (packets of version 0.1.0)."""
    rig = sealing.rig
    wrapped = rig.open().encrypt(b"k" * 32, rig.key_id, rig.annotations)
    packet = {
        "version": "0.1.0",
        "kid": rig.key_id,
        "wrapped_data": b64_encode(wrapped.ciphertext),
        "provider": rig.provider,
        "provider_settings": rig.settings,
        "annotations": wrapped.annotations,
    }
    annotation = b64_encode(json.dumps(packet).encode())
    request = {
        "op": "keyunwrap",
        "keywrapparams": {},
        "keyunwrapparams": {"annotation": annotation},
    }
    services = opener(parse_settings(rig.config()).kms, no_resource)
    answer = unwrap_key(json.dumps(request).encode(), no_resource, services)
    assert bytes(json.loads(answer)["keyunwrapresults"]["optsdata"]) == b"k" * 32


@pytest.mark.parametrize(
    ("options", "exit_code", "said"),
    [
        (["--provider", "acme", "--envelope", "k", "SECRET"], 44, "kms-provider-unknown"),
        (["--provider", "ports", "--envelope", "k", "SECRET"], 44, "kms-provider-unknown"),
        (["--provider", "vault", "--envelope", "k"], 2, "the file to seal"),
        (["--provider", "vault", "--envelope", "k", "--kek", "SECRET", "SECRET"], 2, "--kek"),
        (["--provider", "vault", "--envelope", "k", "SECRET"], 2, "kms.vault.endpoint"),
        (["--provider", "aws", "--envelope", "k", "SECRET"], 40, "region"),
        (["--provider-settings", "[]", "--vault", "k"], 2, "--provider-settings"),
        (["--annotations", "{", "--vault", "k"], 2, "--annotations"),
        (["--annotations", '{"a":1}', "--vault", "kbs:///a/b/c"], 2, "kbs has neither"),
    ],
)
def test_refuses_to_seal(
    tmp_path: Path, capfd: Any, options: list[str], exit_code: int, said: str
) -> None:
    """With an exit code of its own, and nothing on standard output."""
    (tmp_path / "secret").write_bytes(PLAINTEXT)
    (tmp_path / "sealing.pem").write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
    given = [str(tmp_path / "secret") if each == "SECRET" else each for each in options]
    key = ["--kid", "team", "--signing-key", str(tmp_path / "sealing.pem")]
    assert main(["seal", *key, *given]) == exit_code
    shown = capfd.readouterr()
    assert said in shown.err
    assert shown.out == ""


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
