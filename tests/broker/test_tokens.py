"""Tokens are refused one check at a time, each with its own reason."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey
from minting import LIFE, Mint, ear_claims, segment, tee_key

from app.broker.compact_tokens import UnverifiedToken
from app.broker.issuer_keys import FileKeys, KeyIndex, require_known
from app.broker.issuers import Issuer, IssuerKind, Issuers
from app.broker.tokens import TokenVerifier
from app.broker.verification_keys import VerificationKey, parse_key_set
from app.trust.errors import ConfigError, DomainError, MalformedError, UnverifiedError
from app.trust.revisions import Revisions
from guest.wire.encoding import b64url_encode

REVISIONS = Revisions(1, 1, 1, 1)
MINT = Mint()
_, TEE_KEY = tee_key()
CLAIMS = ear_claims(TEE_KEY.as_json(), aud="kbs.example")

REPEATED = b'{"alg":"ES256","alg":"none"}'


def issuer(*mints: Mint, **how: Any) -> Issuer:
    """An issuer with the keys of these mints."""
    keys = FileKeys(parse_key_set({"keys": [mint.jwk() for mint in mints]}))
    members = {
        "name": "as",
        "iss": "https://as.example",
        "kind": IssuerKind.JWKS_FILE,
        "audience": "kbs.example",
        **how,
    }
    return Issuer(keys=keys, **members)


def verifier(*mints: Mint, **how: Any) -> TokenVerifier:
    """A verifier that trusts one issuer."""
    return TokenVerifier(Issuers([issuer(*(mints or (MINT,)), **how)]))


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims with some changed; one that is ``None`` is left out."""
    return {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}


def flipped(text: str) -> str:
    """A token whose signature has one bit flipped."""
    head, _, signature = text.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[7] ^= 1
    return f"{head}.{b64url_encode(bytes(raw))}"


def hs256_under_the_public_key() -> str:
    """The classic confusion: the public key taken for a shared secret."""
    signing_input = f"{segment({'alg': 'HS256', 'kid': MINT.key_id})}.{segment(CLAIMS)}"
    code = hmac.digest(MINT.key.as_pem(private=False), signing_input.encode(), "sha256")
    return f"{signing_input}.{b64url_encode(code)}"


def with_other_payload() -> str:
    """A good signature over other claims."""
    head, _, signature = MINT.sign(CLAIMS).split(".")
    return f"{head}.{segment(claims(jti='token-2'))}.{signature}"


def at(delta: timedelta) -> int:
    """Seconds of noon and something."""
    return int((NOON + delta).timestamp())


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "no token": (lambda: "", "malformed-token"),
    "two segments": (lambda: MINT.sign(CLAIMS).rpartition(".")[0], "malformed-token"),
    "four segments": (lambda: MINT.sign(CLAIMS) + ".", "malformed-token"),
    "padding": (lambda: MINT.sign(CLAIMS) + "=", "malformed-token"),
    "no json": (lambda: f"{b64url_encode(b'x')}.{segment({})}.", "malformed-token"),
    "repeated member": (
        lambda: f"{b64url_encode(REPEATED)}.{segment(CLAIMS)}.",
        "malformed-token",
    ),
    "claims no object": (lambda: MINT.sign(["iss"]), "malformed-token"),
    "not ascii": (lambda: MINT.sign(CLAIMS) + "ä", "malformed-token"),
    "too long": (lambda: "a" * 3_000_000, "malformed-token"),
    "critical extension": (
        lambda: MINT.sign(CLAIMS, crit=["b64"], b64=False),
        "token-algorithm-refused",
    ),
    "other issuer": (
        lambda: MINT.sign(claims(iss="https://evil.example")),
        "token-issuer-untrusted",
    ),
    "no issuer": (lambda: MINT.sign(claims(iss=None)), "token-issuer-untrusted"),
    "issuer no text": (lambda: MINT.sign(claims(iss=7)), "token-issuer-untrusted"),
    "other key": (lambda: Mint().sign(CLAIMS), "token-key-unknown"),
    "no kid": (lambda: MINT.sign(CLAIMS, kid=None), "token-key-unknown"),
    "kid no text": (lambda: MINT.sign(CLAIMS, kid=["x"]), "token-key-unknown"),
    "other key under a known kid": (
        lambda: Mint().sign(CLAIMS, kid=MINT.key_id),
        "token-signature-invalid",
    ),
    "its own key in the header": (
        lambda: (mint := Mint()).sign(CLAIMS, kid=None, jwk=mint.jwk()),
        "token-key-unknown",
    ),
    "garbage key in the header": (
        lambda: MINT.sign(CLAIMS, kid=None, jwk={"kty": ["EC"]}),
        "token-key-unknown",
    ),
    "flipped signature": (lambda: flipped(MINT.sign(CLAIMS)), "token-signature-invalid"),
    "no signature": (
        lambda: MINT.sign(CLAIMS).rpartition(".")[0] + ".",
        "token-signature-invalid",
    ),
    "other payload": (with_other_payload, "token-signature-invalid"),
    "alg none": (
        lambda: f"{segment({'alg': 'none', 'kid': MINT.key_id})}.{segment(CLAIMS)}.",
        "token-algorithm-refused",
    ),
    "alg missing": (lambda: MINT.sign(CLAIMS, alg=None), "token-algorithm-refused"),
    "alg no text": (lambda: MINT.sign(CLAIMS, alg={"a": 1}), "token-algorithm-refused"),
    "alg of a shared secret": (hs256_under_the_public_key, "token-algorithm-refused"),
    "alg of another curve": (lambda: MINT.sign(CLAIMS, alg="ES384"), "token-algorithm-refused"),
    "expired": (
        lambda: MINT.sign(claims(exp=at(-timedelta(seconds=60)))),
        "token-expired",
    ),
    "no expiry": (lambda: MINT.sign(claims(exp=None)), "malformed-token"),
    "expiry is true": (lambda: MINT.sign(claims(exp=True)), "malformed-token"),
    "expiry is text": (lambda: MINT.sign(claims(exp="9999999999")), "malformed-token"),
    "expiry is huge": (lambda: MINT.sign(claims(exp=10**300)), "malformed-token"),
    "expiry is infinite": (lambda: MINT.sign(claims(exp=1e308 * 10)), "malformed-token"),
    "expiry is negative": (lambda: MINT.sign(claims(exp=-1)), "malformed-token"),
    "not yet valid": (
        lambda: MINT.sign(claims(nbf=at(timedelta(seconds=61)))),
        "token-not-yet-valid",
    ),
    "nbf is text": (lambda: MINT.sign(claims(nbf="soon")), "malformed-token"),
    "other audience": (lambda: MINT.sign(claims(aud="evil")), "token-audience-mismatch"),
    "other audiences": (lambda: MINT.sign(claims(aud=["a", 1])), "token-audience-mismatch"),
    "no audience": (lambda: MINT.sign(claims(aud=None)), "token-audience-mismatch"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: str) -> None:
    """Each way for a token to be wrong has its own reason code."""
    make, code = REFUSED[case]
    with pytest.raises(DomainError) as caught:
        verifier().verify(make(), NOON, REVISIONS)
    assert caught.value.code == code


@given(st.text(max_size=300))
@settings(max_examples=150)
def test_refuses_noise(text: str) -> None:
    """No text breaks the parser, and none of it is a token."""
    with pytest.raises((MalformedError, UnverifiedError)):
        verifier().verify(text, NOON, REVISIONS)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.sampled_from(["alg", "kid", "jwk", "iss", "exp", "nbf", "aud", "jti", "submods"]),
)
@settings(max_examples=200)
def test_survives_any_value_anywhere(value: Any, name: str) -> None:
    """A member of any type ends in a refusal or a verified token, never in a crash."""
    header = {"alg": "ES256", "kid": MINT.key_id}
    body = dict(CLAIMS)
    (header if name in {"alg", "kid", "jwk"} else body)[name] = value
    try:
        token = Mint(MINT.key).sign(body, **{n: v for n, v in header.items() if v is not None})
        verified = verifier().verify(token, NOON, REVISIONS)
        verified.tee_public_key()
    except (MalformedError, UnverifiedError):
        pass


@pytest.mark.parametrize("segment_index", [0, 1, 2])
def test_refuses_every_truncation(segment_index: int) -> None:
    """A token that lost its end, in any segment, is refused."""
    whole = MINT.sign(CLAIMS).split(".")
    for length in range(0, len(whole[segment_index]), 7):
        parts = list(whole)
        parts[segment_index] = whole[segment_index][:length]
        with pytest.raises((MalformedError, UnverifiedError)):
            verifier().verify(".".join(parts), NOON, REVISIONS)


def test_a_verified_token_says_who_vouched_and_until_when() -> None:
    """What is kept is what the record of a release needs."""
    token = verifier().verify(MINT.sign(CLAIMS), NOON, REVISIONS)
    assert (token.issuer, token.iss, token.token_id) == ("as", "https://as.example", "token-1")
    assert token.expires_at == NOON + LIFE
    assert token.tee_public_key() == TEE_KEY


def test_leeway_is_exact() -> None:
    """A token is good until the last moment of the accepted skew."""
    text = MINT.sign(claims(exp=at(timedelta()), nbf=at(timedelta(seconds=-1))))
    end = NOON + timedelta(seconds=30)
    accepting = verifier(leeway=timedelta(seconds=30))
    accepting.verify(text, end - timedelta(microseconds=1), REVISIONS)
    with pytest.raises(DomainError, match="over"):
        accepting.verify(text, end, REVISIONS)


class WithdrawnKeys:
    """An issuer that can take its key back."""

    def __init__(self) -> None:
        self.mint = MINT

    def find(self, token: UnverifiedToken, now: datetime, revisions: Revisions) -> VerificationKey:
        """The key, while it is there."""
        return require_known(KeyIndex(parse_key_set({"keys": [self.mint.jwk()]})).find(token))


def test_a_remembered_signature_does_not_outlive_its_key_or_its_time() -> None:
    """Only the arithmetic is remembered: key, time and audience are asked each time."""
    keys = WithdrawnKeys()
    trusting = TokenVerifier(Issuers([replace(issuer(MINT), keys=keys)]))
    text = MINT.sign(CLAIMS)
    trusting.verify(text, NOON, REVISIONS)
    with pytest.raises(DomainError, match="over"):
        trusting.verify(text, NOON + timedelta(hours=1), REVISIONS)
    keys.mint = Mint()
    with pytest.raises(DomainError, match="publishes no key"):
        trusting.verify(text, NOON, REVISIONS)


def test_remembers_a_bounded_number_of_tokens() -> None:
    """Guests cannot fill the memory with tokens."""
    trusting = verifier()
    for number in range(1100):
        trusting.verify(MINT.sign(claims(jti=str(number))), NOON, REVISIONS)
    assert len(trusting._checked) == 1024


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ECKey.generate_key("P-384"), "ES384"),
        (ECKey.generate_key("P-521"), "ES512"),
        (RSAKey.generate_key(2048), "RS256"),
        (RSAKey.generate_key(2048), "PS384"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_accepts_each_algorithm_that_settings_accept(
    key: ECKey | RSAKey | OKPKey, algorithm: str
) -> None:
    """Issuers choose among the algorithms of public keys; none is on but by settings."""
    mint = Mint(key, algorithm)
    text = mint.sign(CLAIMS)
    verifier(mint, algorithms=frozenset({algorithm})).verify(text, NOON, REVISIONS)
    with pytest.raises(DomainError, match="algorithm"):
        verifier(mint).verify(text, NOON, REVISIONS)


def test_eddsa_is_ed25519_under_its_older_name() -> None:
    """Tokens from before RFC 9864 verify without a warning."""
    mint = Mint(OKPKey.generate_key("Ed25519"), "Ed25519")
    text = mint.sign(CLAIMS, alg="EdDSA")
    verifier(mint, algorithms=frozenset({"EdDSA"})).verify(text, NOON, REVISIONS)


def test_a_token_without_kid_is_found_by_the_key_it_repeats() -> None:
    """Trustee's tokens have a header key and no kid; the published key is what verifies."""
    text = MINT.sign(CLAIMS, kid=None, jwk=MINT.jwk())
    assert verifier().verify(text, NOON, REVISIONS).token_id == "token-1"


def test_of_several_issuers_each_vouches_for_itself_alone() -> None:
    """A key of one issuer is no key of another."""
    other = Mint()
    trusting = TokenVerifier(
        Issuers([issuer(MINT), issuer(other, name="other", iss="https://other.example")])
    )
    both = (MINT, "https://as.example"), (other, "https://other.example")
    for mint, iss in both:
        assert trusting.verify(mint.sign(claims(iss=iss)), NOON, REVISIONS).iss == iss
    with pytest.raises(DomainError, match="publishes no key"):
        trusting.verify(other.sign(CLAIMS), NOON, REVISIONS)


def test_refuses_a_token_without_a_tee_key_only_when_it_is_needed() -> None:
    """A token can be verified without a key; sealing to it is what fails."""
    token = verifier().verify(
        MINT.sign(claims(submods=ear_claims(None)["submods"])), NOON, REVISIONS
    )
    with pytest.raises(DomainError) as caught:
        token.tee_public_key()
    assert caught.value.code == "token-tee-key-missing"


def test_the_first_tee_key_that_is_found_counts() -> None:
    """A key that is found and unusable is an error, and no later place is tried."""
    body = claims(tdx={"attester_runtime_data": {"tee-pubkey": {"kty": "EC"}}})
    token = verifier().verify(MINT.sign(body), NOON, REVISIONS)
    with pytest.raises(DomainError) as caught:
        token.tee_public_key()
    assert caught.value.code == "malformed-tee-key"


def test_settings_say_where_else_the_tee_key_is() -> None:
    """A configured pointer is tried before the usual places."""
    _, own = tee_key()
    body = claims(deep=[{"a/b": own.as_json()}])
    token = verifier(tee_key_paths=("/deep/0/a~1b",)).verify(MINT.sign(body), NOON, REVISIONS)
    assert token.tee_public_key() == own


def test_claims_do_not_show() -> None:
    """A verified token in a log would show its nonce."""
    token = verifier().verify(MINT.sign(CLAIMS), NOON, REVISIONS)
    assert "the nonce" not in repr(token)


@pytest.mark.parametrize(
    "how",
    [
        [issuer(MINT), issuer(MINT, name="twin")],
        [issuer(MINT, algorithms=frozenset({"HS256"}))],
        [issuer(MINT, algorithms=frozenset({"none"}))],
        [issuer(MINT, algorithms=frozenset())],
        [issuer(MINT, tee_key_paths=("no-pointer",))],
    ],
    ids=["two of one iss", "shared secret", "none", "nothing", "no pointer"],
)
def test_refuses_to_start_with(how: list[Issuer]) -> None:
    """Settings that could not be meant are refused before anything is served."""
    with pytest.raises(ConfigError):
        Issuers(how)


def test_a_long_token_of_devices_is_verified() -> None:
    """Evidence of devices makes tokens of hundreds of kilobytes (wire.md 14.1, 28)."""
    text = MINT.sign(claims(devices="x" * 500_000))
    assert verifier().verify(text, NOON, REVISIONS).token_id == "token-1"
