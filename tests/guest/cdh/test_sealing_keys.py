"""The keys that sealed secrets are verified with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from guest.cdh.sealing import public_jwk
from guest.cdh.sealing_keys import SealingKeys, parse_verification_key
from guest.errors import NotFoundError, UntrustedKeyError
from guest.wire.errors import WireError

URI = "kbs:///default/sealing/key"


@pytest.fixture
def jwk(signing_key: Any) -> bytes:
    """The public key, as it is stored."""
    return public_jwk(signing_key).encode()


def changed(jwk: bytes, **members: Any) -> bytes:
    """The key with other members; ``None`` takes one away."""
    whole = {**json.loads(jwk), **members}
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


@pytest.mark.parametrize(
    "members",
    [
        {"kty": "oct"},
        {"kty": None},
        {"crv": "P-384"},
        {"crv": ["P-256"]},
        {"alg": "ES384"},
        {"alg": 1},
        {"use": "enc"},
        {"d": "AAAA"},
        {"x": None},
        {"x": "AAAA"},
        {"y": "A" * 43},
        {"y": 5},
        {"pad": "x" * 20000},
    ],
)
def test_refuses_other_keys(jwk: bytes, members: dict[str, Any]) -> None:
    """Another kind, another curve, another use, off the curve, a private one, or too long."""
    with pytest.raises(WireError):
        parse_verification_key(changed(jwk, **members))


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"\xff", b"-----BEGIN PUBLIC KEY-----"])
def test_refuses_what_is_no_jwk(raw: bytes) -> None:
    """The format is fixed."""
    with pytest.raises(WireError):
        parse_verification_key(raw)


def test_reads_a_bare_jwk(jwk: bytes, signing_key: Any) -> None:
    """Neither ``alg`` nor ``use`` is needed (RFC 7517, section 4)."""
    key = parse_verification_key(changed(jwk, alg=None, use=None))
    assert key == signing_key.public_key()


def test_believes_no_resource_without_pins(resources: Any, jwk: bytes, tmp_path: Path) -> None:
    """Else whoever can store a resource could seal."""
    resources.held[URI] = jwk
    with pytest.raises(UntrustedKeyError, match="trusted_key_ids"):
        SealingKeys(resources, tmp_path).find(URI)
    assert resources.asked == []


@pytest.mark.parametrize("key_id", [URI, "other", "kbs+x:///a/b/c"])
def test_believes_pinned_ids_only(resources: Any, tmp_path: Path, key_id: str) -> None:
    """A file of the folder is no exception."""
    (tmp_path / "other").write_text("{}")
    keys = SealingKeys(resources, tmp_path, frozenset({"kbs:///default/sealing/another"}))
    with pytest.raises(UntrustedKeyError, match="not in"):
        keys.find(key_id)
    assert resources.asked == []


def test_finds_a_pinned_resource(
    resources: Any, jwk: bytes, tmp_path: Path, signing_key: Any
) -> None:
    """Through the hub."""
    resources.held[URI] = jwk
    keys = SealingKeys(resources, tmp_path, frozenset({URI}))
    assert keys.find(URI) == signing_key.public_key()


def test_finds_any_resource_when_told(resources: Any, jwk: bytes, tmp_path: Path) -> None:
    """As upstream does; the setting is called insecure."""
    resources.held[URI] = jwk
    key = SealingKeys(resources, tmp_path, insecure_any_key=True).find(URI)
    assert isinstance(key, ec.EllipticCurvePublicKey)


def test_a_missing_resource_is_not_looked_for_elsewhere(resources: Any, tmp_path: Path) -> None:
    """The server's refusal stands."""
    with pytest.raises(NotFoundError):
        SealingKeys(resources, tmp_path, frozenset({URI})).find(URI)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../outside", "/etc/hostname", "link", "folder", "none", "a\0b", "pipe"]
)
def test_stays_in_the_folder(resources: Any, jwk: bytes, tmp_path: Path, name: str) -> None:
    """Neither names nor links lead out of it, and only plain files are read."""
    folder = tmp_path / "keys"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(jwk)
    (folder / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe")
    with pytest.raises(UntrustedKeyError):
        SealingKeys(resources, folder).find(name)


def test_a_missing_folder_has_no_keys(resources: Any, tmp_path: Path) -> None:
    """It is not made."""
    with pytest.raises(UntrustedKeyError):
        SealingKeys(resources, tmp_path / "none").find("key")


def test_finds_a_file(resources: Any, jwk: bytes, tmp_path: Path, signing_key: Any) -> None:
    """Who can write there could change the guest anyway, so no pin is needed."""
    (tmp_path / "team").write_bytes(jwk)
    assert SealingKeys(resources, tmp_path).find("team") == signing_key.public_key()
    assert resources.asked == []
