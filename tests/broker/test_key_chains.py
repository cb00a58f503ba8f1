"""A certificate chain vouches for a key only when every link of it holds."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from minting import Authority, Mint, ear_claims, x5c

from app.broker import key_chains
from app.broker.issuers import Issuer, IssuerKind, Issuers
from app.broker.key_chains import CertifiedKeys
from app.broker.tokens import TokenVerifier, VerifiedToken
from app.trust.errors import ConfigError, TokenChainError, TokenSignatureError
from app.trust.revisions import Revisions

REVISIONS = Revisions(1, 1, 1, 1)
CLAIMS = ear_claims(None, exp=int((NOON + timedelta(days=30)).timestamp()))
ROOT = Authority.make()
MIDDLE = Authority.make("middle", above=ROOT)
MINT = Mint()
LEAF = MIDDLE.vouch(MINT)
DAY = timedelta(days=1)


def usage(**allowed: bool) -> x509.KeyUsage:
    """A key usage that allows only this."""
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
    )
    members = {name: allowed.get(name, False) for name in names}
    return x509.KeyUsage(**members, encipher_only=False, decipher_only=False)


def verifier(*anchors: Authority) -> TokenVerifier:
    """A verifier that trusts whoever these authorities vouch for."""
    keys = CertifiedKeys([anchor.certificate for anchor in anchors or (ROOT,)])
    issuer = Issuer(name="as", iss="https://as.example", kind=IssuerKind.CA_CERTIFICATES, keys=keys)
    return TokenVerifier(Issuers([issuer]))


def token(*chain: x509.Certificate, mint: Mint = MINT, **more: Any) -> str:
    """A token with a chain in its header."""
    return mint.sign(CLAIMS, kid=None, jwk=mint.jwk(x5c=x5c(*chain), **more))


def under(**how: Any) -> str:
    """A token whose leaf was issued by a middle authority made like this."""
    middle = Authority.make("middle", above=ROOT, **how)
    return token(middle.vouch(MINT), middle.certificate)


def under_a_leaf() -> str:
    """A token vouched for by someone who may not vouch."""
    holder = Mint()
    signer = Authority(holder.key.private_key, ROOT.vouch(holder))  # type: ignore[arg-type]
    return token(signer.vouch(MINT), signer.certificate)


def under_an_own_root() -> str:
    """A token that brings its root along."""
    own = Authority.make()
    return token(own.vouch(MINT), own.certificate)


REFUSED: dict[str, Callable[[], str]] = {
    "no jwk": lambda: MINT.sign(CLAIMS),
    "jwk no object": lambda: MINT.sign(CLAIMS, jwk="x"),
    "stripped x5c": lambda: MINT.sign(CLAIMS, jwk=MINT.jwk()),
    "empty x5c": token,
    "x5c no list": lambda: MINT.sign(CLAIMS, jwk=MINT.jwk(x5c="x")),
    "x5c of numbers": lambda: MINT.sign(CLAIMS, jwk=MINT.jwk(x5c=[1])),
    "x5c no base64": lambda: MINT.sign(CLAIMS, jwk=MINT.jwk(x5c=["?"])),
    "x5c no certificate": lambda: MINT.sign(CLAIMS, jwk=MINT.jwk(x5c=["AAAA"])),
    "x5c too long": lambda: token(*[LEAF] * 6),
    "x5c too large": lambda: MINT.sign(
        CLAIMS, jwk=MINT.jwk(x5c=[base64.b64encode(bytes(20_000)).decode()])
    ),
    "x5c beside jwk": lambda: MINT.sign(CLAIMS, jwk=MINT.jwk(), x5c=x5c(LEAF, MIDDLE.certificate)),
    "other root": lambda: token(Authority.make().vouch(MINT)),
    "own root in the chain": under_an_own_root,
    "missing link": lambda: token(LEAF),
    "wrong order": lambda: token(MIDDLE.certificate, LEAF),
    "unrelated link": lambda: token(LEAF, Authority.make("middle").certificate),
    "other key": lambda: token(LEAF, MIDDLE.certificate, mint=Mint()),
    "key malformed": lambda: MINT.sign(
        CLAIMS, jwk={"kty": "EC", "crv": "P-256", "x5c": x5c(LEAF, MIDDLE.certificate)}
    ),
    "issued by a leaf": under_a_leaf,
    "leaf expired": lambda: token(ROOT.vouch(MINT, not_after=NOON - timedelta(seconds=1))),
    "leaf not yet valid": lambda: token(ROOT.vouch(MINT, not_before=NOON + timedelta(seconds=1))),
    "authority expired": lambda: under(not_after=NOON - timedelta(seconds=1)),
    "authority may not sign": lambda: under(usage=usage(digital_signature=True)),
    "leaf may not sign": lambda: token(ROOT.vouch(MINT, usage=usage(key_agreement=True))),
    "unknown critical extension": lambda: token(
        ROOT.vouch(MINT, critical=x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"0"))
    ),
    "critical name constraints": lambda: under(
        critical=x509.NameConstraints(
            permitted_subtrees=[x509.DNSName("a")], excluded_subtrees=None
        )
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: str) -> None:
    """Each way for a chain not to hold is refused, with one reason code."""
    text = REFUSED[case]()
    with pytest.raises(TokenChainError):
        verifier().verify(text, NOON, REVISIONS)


def test_refuses_a_chain_longer_than_its_root_allows() -> None:
    """A root with a path length of 0 vouches for leaves only."""
    root = Authority.make(path_length=0)
    middle = Authority.make("middle", above=root)
    with pytest.raises(TokenChainError, match="longer"):
        verifier(root).verify(token(middle.vouch(MINT), middle.certificate), NOON, REVISIONS)
    verifier(root).verify(token(root.vouch(MINT)), NOON, REVISIONS)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_refuses_every_flipped_bit_of_a_certificate(mask: int) -> None:
    """What is signed in a leaf cannot be changed."""
    der = bytearray(LEAF.public_bytes(Encoding.DER))
    signed = LEAF.tbs_certificate_bytes
    start, checked = der.index(signed), verifier()
    for position in range(start, start + len(signed)):
        der[position] ^= mask
        chain = [base64.b64encode(der).decode(), *x5c(MIDDLE.certificate)]
        with pytest.raises(TokenChainError):
            checked.verify(MINT.sign(CLAIMS, jwk=MINT.jwk(x5c=chain)), NOON, REVISIONS)
        der[position] ^= mask


@given(st.binary(max_size=400))
@settings(max_examples=100)
def test_refuses_noise_for_a_certificate(noise: bytes) -> None:
    """Nothing that is no certificate breaks the parser."""
    chain = [base64.b64encode(noise).decode()]
    with pytest.raises(TokenChainError):
        verifier().verify(MINT.sign(CLAIMS, jwk=MINT.jwk(x5c=chain)), NOON, REVISIONS)


def accepted(text: str, *anchors: Authority) -> VerifiedToken:
    """The verified token."""
    return verifier(*anchors).verify(text, NOON, REVISIONS)


def test_accepts_a_chain_up_to_a_pinned_root() -> None:
    """Leaf and authority in the token, the root from settings; the root may come along."""
    assert accepted(token(LEAF, MIDDLE.certificate)).token_id == "token-1"
    assert accepted(token(LEAF, MIDDLE.certificate, ROOT.certificate)).token_id == "token-1"


def test_accepts_a_pinned_authority_in_the_middle() -> None:
    """What is pinned is trusted, whoever stands above it."""
    assert accepted(token(LEAF), MIDDLE).token_id == "token-1"
    assert accepted(token(LEAF, MIDDLE.certificate), MIDDLE).token_id == "token-1"


def test_accepts_a_pinned_certificate_itself() -> None:
    """An operator may pin the signer's own certificate."""
    keys = CertifiedKeys([LEAF])
    issuer = Issuer(name="as", iss="https://as.example", kind=IssuerKind.CA_CERTIFICATES, keys=keys)
    TokenVerifier(Issuers([issuer])).verify(token(LEAF), NOON, REVISIONS)


def test_a_kid_changes_nothing_for_a_certified_key() -> None:
    """The chain decides, not the name."""
    text = MINT.sign(CLAIMS, kid="x", jwk=MINT.jwk(x5c=x5c(LEAF, MIDDLE.certificate)))
    assert accepted(text).token_id == "token-1"


def test_the_certified_key_must_have_signed() -> None:
    """Someone else's good chain does not help a forger."""
    stolen = MINT.jwk(x5c=x5c(LEAF, MIDDLE.certificate))
    with pytest.raises(TokenSignatureError):
        verifier().verify(Mint().sign(CLAIMS, kid=None, jwk=stolen), NOON, REVISIONS)


def test_checks_signatures_once_a_chain_and_dates_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A remembered chain is not checked again, and still expires."""
    text, checked = token(LEAF, MIDDLE.certificate), verifier()
    checked.verify(text, NOON, REVISIONS)
    monkeypatch.setattr(key_chains, "_build_path", None)
    checked.verify(text, NOON + DAY, REVISIONS)
    with pytest.raises(TokenChainError, match="dates"):
        checked.verify(text, NOON + DAY + timedelta(seconds=1), REVISIONS)


def test_remembers_a_bounded_number_of_chains() -> None:
    """Whoever has a certificate cannot fill the memory with variations of its chain."""
    keys = CertifiedKeys([ROOT.certificate])
    issuer = Issuer(name="as", iss="https://as.example", kind=IssuerKind.CA_CERTIFICATES, keys=keys)
    checked = TokenVerifier(Issuers([issuer]))
    for number in range(70):
        checked.verify(token(LEAF, MIDDLE.certificate, note=number), NOON, REVISIONS)
    assert len(keys._vouched) == 64


def test_loads_anchors_from_files(tmp_path: Path) -> None:
    """A file may hold several certificates, and every bad file is named."""
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_bytes(b"".join(a.certificate.public_bytes(Encoding.PEM) for a in (ROOT, MIDDLE)))
    bad.write_text("no certificate")
    assert len(CertifiedKeys.load([good]).anchors) == 2
    with pytest.raises(ConfigError) as caught:
        CertifiedKeys.load([bad, tmp_path / "missing.pem", good])
    assert len(caught.value.faults) == 2
    with pytest.raises(ConfigError):
        CertifiedKeys.load([])
