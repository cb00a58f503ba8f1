"""Signed bundles: who signed them is known, and nothing else gets in."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fakes import NOON
from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, OKPKey

from app.attestation.collateral.bundle import (
    BUNDLE_TYPE,
    Bundle,
    BundleSigner,
    algorithm_of,
    open_bundle,
    sign_bundle,
)
from app.attestation.collateral.ports import Collateral
from app.trust.errors import DomainError, MalformedBundleError, SignatureError, UntrustedSignerError
from guest.wire.encoding import b64_encode, b64url_encode

KEY = ECKey.generate_key("P-256")
SIGNERS: dict[str, Key] = {"home": KEY}
DOCUMENT = Collateral(
    "amd/milan/crl", b"\x30\x00", {"chain": "x"}, NOON - timedelta(hours=1), "https://kds"
)


def text(**changes: Any) -> str:
    """A bundle whose payload has other members, signed as agreed."""
    payload = {
        "version": 1,
        "created_at": NOON.isoformat(),
        "documents": [line()],
    } | changes
    return signed(json.dumps(payload))


def line(**changes: Any) -> dict[str, Any]:
    """A document as a bundle has it."""
    return {
        "name": DOCUMENT.name,
        "body": b64_encode(DOCUMENT.unverified_body),
        "headers": {"chain": "x"},
        "fetched_at": DOCUMENT.fetched_at.isoformat(),
        "source": "https://kds",
    } | changes


def signed(payload: str, key: Key = KEY, **header: Any) -> str:
    """A compact JWS."""
    header = {"alg": "ES256", "kid": "home", "typ": BUNDLE_TYPE} | header
    return jws.serialize_compact(header, payload, key, algorithms=[header["alg"]])


def opened(bundle: str) -> Bundle:
    """A bundle at noon."""
    return open_bundle(bundle, SIGNERS, NOON)


@pytest.mark.parametrize(
    "key",
    [ECKey.generate_key("P-256"), ECKey.generate_key("P-384"), OKPKey.generate_key("Ed25519")],
    ids=["P-256", "P-384", "Ed25519"],
)
def test_what_was_signed_is_what_is_opened(key: Key) -> None:
    """Names, bytes, headers and dates; the source tells who brought it."""
    bundle = sign_bundle([DOCUMENT], BundleSigner("home", key), NOON)
    found = open_bundle(bundle, {"other": KEY, "home": key}, NOON)
    assert (found.signer, found.created_at) == ("home", NOON)
    (document,) = found.documents
    assert document.source == "bundle:home"
    assert document.unverified_body == DOCUMENT.unverified_body
    assert document.unverified_headers == DOCUMENT.unverified_headers
    assert document.fetched_at == DOCUMENT.fetched_at


def test_a_stranger_s_bundle_is_refused() -> None:
    """Whoever it is, and whatever it holds."""
    with pytest.raises(UntrustedSignerError):
        open_bundle(text(), {"other": KEY}, NOON)
    with pytest.raises(UntrustedSignerError):
        open_bundle(text(), {}, NOON)


def with_header(**changes: Any) -> str:
    """A bundle with another header, under the signature of the honest one; ``None`` leaves out."""
    bundle = text()
    header = jws.extract_compact(bundle.encode()).headers() | changes
    kept = {name: value for name, value in header.items() if value is not None}
    return ".".join((b64url_encode(json.dumps(kept).encode()), *bundle.split(".")[1:]))


FORGERIES: dict[str, Callable[[], str]] = {
    "another's key": lambda: signed("{}", ECKey.generate_key("P-256")),
    "a changed payload": lambda: ".".join(
        part if number != 1 else part[:-1] + ("A" if part[-1] != "A" else "B")
        for number, part in enumerate(text().split("."))
    ),
    "no signature": lambda: text().rpartition(".")[0] + ".",
    "no algorithm": lambda: with_header(alg="none"),
    "a symmetric algorithm": lambda: signed("{}", OctKey.import_key(b"k" * 32), alg="HS256"),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_signature_that_is_not_the_signer_s_is_refused(forge: Callable[[], str]) -> None:
    """The key decides the algorithm, not the header."""
    with pytest.raises(SignatureError):
        opened(forge())


LATER = (NOON + timedelta(hours=1)).isoformat()
MALFORMED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "two parts": lambda: "a.b",
    "no JWS": lambda: "a.b.c",
    "letters beyond ASCII": lambda: "é.b.c",
    "a token": lambda: signed("{}", typ="JWT"),
    "no type": lambda: with_header(typ=None),
    "no signer": lambda: with_header(kid=None),
    "a signer that is no text": lambda: with_header(kid=7),
    "no JSON": lambda: signed("x"),
    "a list": lambda: signed("[]"),
    "another version": lambda: text(version=2),
    "no documents": lambda: text(documents=None),
    "no time": lambda: text(created_at=None),
    "a time without its zone": lambda: text(created_at="2026-03-01T12:00:00"),
    "a time that has not come": lambda: text(created_at=LATER),
    "a document that is a text": lambda: text(documents=["x"]),
    "no name": lambda: text(documents=[line(name=None)]),
    "a path": lambda: text(documents=[line(name="../../etc/passwd")]),
    "headers that are a list": lambda: text(documents=[line(headers=[])]),
    "a header that is a number": lambda: text(documents=[line(headers={"a": 1})]),
    "a body that is not base64": lambda: text(documents=[line(body="*")]),
    "an empty body": lambda: text(documents=[line(body="")]),
    "a body of 2 MiB": lambda: text(documents=[line(body="AAAA" * 700_000)]),
    "fetched after it was made": lambda: text(documents=[line(fetched_at=LATER)]),
    "a document twice": lambda: text(documents=[line(), line()]),
    "too many documents": lambda: text(documents=[line()] * 10_001),
}


@pytest.mark.parametrize("make", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_bundle_is_malformed(make: Callable[[], str]) -> None:
    """Even when a trusted signer signed it."""
    with pytest.raises(MalformedBundleError):
        opened(make())


def test_a_bundle_has_a_largest_size() -> None:
    """It is read whole."""
    with pytest.raises(MalformedBundleError, match="at most"):
        opened("a" * (64 * 1024 * 1024 + 1))


def test_clocks_may_differ_by_minutes() -> None:
    """What is dated a little ahead counts as now."""
    ahead = (NOON + timedelta(minutes=4)).isoformat()
    assert opened(text(created_at=ahead)).created_at == NOON


def test_keys_of_other_kinds_sign_nothing() -> None:
    """RSA and shared secrets are not among them."""
    for key in (OctKey.import_key(b"k" * 32), OKPKey.generate_key("X25519")):
        with pytest.raises(ValueError, match="neither"):
            algorithm_of(key)


def test_no_refusal_tells_what_was_sent() -> None:
    """Errors go to whoever sent it, and into logs."""
    for make in (*FORGERIES.values(), *MALFORMED.values()):
        with pytest.raises(DomainError) as refusal:
            opened(make())
        assert len(refusal.value.message) < 200
