"""Three issuers at once, each trusted in its own way; each refusal with its own reason code."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask.testing import FlaskClient
from joserfc.jwk import ECKey, RSAKey
from live import Live
from minting import Authority, Mint, ear_claims, segment, x5c
from raw_guest import PATH, SECRET, RawGuest
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.broker.secrets import ResourceID
from app.factory import build
from app.trust.audit import Actor
from app.wiring import prepare
from guest.wire.encoding import b64url_encode

AUDIENCE = "https://kbs.example"
NOW = datetime.now(UTC)
VALID: dict[str, Any] = {
    "not_before": NOW - timedelta(days=1),
    "not_after": NOW + timedelta(days=1),
}


class KeySet:
    """A JWK set behind a URL."""

    def __init__(self, keys: list[dict[str, Any]]) -> None:
        self._body = json.dumps({"keys": keys}).encode()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer every path with the set."""
        start_response("200 OK", [("Content-Type", "application/json")])
        return [self._body]


@dataclass
class Issuers:
    """Who signs, and for whom.

    Attributes:
        url: signs as the issuer whose keys are behind a URL.
        file: … whose keys are in a file.
        chain: … whose keys are vouched for by a certificate in the token.
        stranger: is trusted by nobody.
    """

    authority: Authority = field(default_factory=lambda: Authority.make(**VALID))
    url: Mint = field(default_factory=Mint)
    file: Mint = field(default_factory=Mint)
    chain: Mint = field(default_factory=Mint)
    stranger: Mint = field(default_factory=Mint)

    def __post_init__(self) -> None:
        self.chain.header = {"jwk": self.certified(self.authority)}

    def certified(self, authority: Authority, **dates: Any) -> dict[str, Any]:
        """The third issuer's key with a chain from this authority."""
        leaf = authority.vouch(self.chain, **(VALID | dates))
        return self.chain.jwk(x5c=x5c(leaf, authority.certificate))

    def mint(self, kind: str) -> Mint:
        """Who signs for an issuer of this kind."""
        found: Mint = getattr(self, kind)
        return found


@pytest.fixture(scope="module")
def issuers() -> Issuers:
    """The keys of all issuers."""
    return Issuers()


@pytest.fixture(scope="module")
def client(issuers: Issuers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A KBS that trusts the three, and has a secret."""
    folder = tmp_path_factory.mktemp("kbs")
    AdminKey.make(folder)
    with Live(KeySet([issuers.url.jwk()])) as live:
        settings = make_settings(
            folder,
            roles=["kbs"],
            attestation={"verifiers": [], "insecure_allow_sample": False},
            broker={"issuers": trusted(folder, issuers, live.url)},
        )
        prepare(settings)
        app = build(settings)
        with closing(app.extensions[EXTENSION]) as services:
            with app.app_context():
                services.custody.write(
                    ResourceID.of(PATH.split("/")), SECRET, Actor("tests", "owner")
                )
            yield app.test_client()


def trusted(folder: Path, issuers: Issuers, url: str) -> list[dict[str, Any]]:
    """The settings of the three issuers."""
    (folder / "keys.json").write_text(json.dumps({"keys": [issuers.file.jwk()]}))
    pem = issuers.authority.certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    sources: dict[str, dict[str, Any]] = {
        "url": {"jwks_url": f"{url}/keys"},
        "file": {"jwks_file": str(folder / "keys.json")},
        "chain": {"ca_files": [str(folder / "ca.pem")]},
    }
    return [
        {"name": kind, "issuer": issuer(kind), "audience": AUDIENCE, "leeway_seconds": 5, **source}
        for kind, source in sources.items()
    ]


def issuer(kind: str) -> str:
    """``iss`` of an issuer."""
    return f"https://{kind}.example"


def public_pem(mint: Mint) -> bytes:
    """The public key as it would be confused with a shared secret."""
    key = mint.key.public_key
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.fixture
def guest(client: FlaskClient) -> RawGuest:
    """A guest with tokens from elsewhere."""
    return RawGuest(client)


def claims(guest: RawGuest, kind: str, **changes: Any) -> dict[str, Any]:
    """Claims of a token that is accepted; a claim that is changed to ``None`` is left out."""
    now = int(time.time())
    good = ear_claims(guest.key, iss=issuer(kind), aud=AUDIENCE) | {
        "iat": now,
        "nbf": now,
        "exp": now + 300,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


KINDS = ["url", "file", "chain"]
CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "an issuer that is not trusted": ({"iss": "https://evil.example"}, "token-issuer-untrusted"),
    "no issuer": ({"iss": None}, "token-issuer-untrusted"),
    "an issuer that is no text": ({"iss": ["https://url.example"]}, "token-issuer-untrusted"),
    "expired": ({"exp": int(time.time()) - 60}, "token-expired"),
    "without an end": ({"exp": None}, "malformed-token"),
    "not yet valid": ({"nbf": int(time.time()) + 600}, "token-not-yet-valid"),
    "for someone else": ({"aud": "https://other.example"}, "token-audience-mismatch"),
    "for nobody": ({"aud": None}, "token-audience-mismatch"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CLAIMS)
def test_claims_that_do_not_hold_are_refused(
    guest: RawGuest, issuers: Issuers, name: str, kind: str
) -> None:
    """Rightly signed, and refused all the same, by every way to trust."""
    changes, code = CLAIMS[name]
    response = guest.resource(token=issuers.mint(kind).sign(claims(guest, kind, **changes)))
    assert (response.status_code, response.json["code"]) == (401, code)


@pytest.mark.parametrize("kind", KINDS)
def test_no_issuer_speaks_for_another(guest: RawGuest, issuers: Issuers, kind: str) -> None:
    """Each is trusted with its own name and its own keys."""
    for other in [*KINDS, "stranger"]:
        if other != kind:
            response = guest.resource(token=issuers.mint(other).sign(claims(guest, kind)))
            expected = {"token-key-unknown", "token-chain-invalid"}
            assert response.json["code"] in expected, other
            assert response.status_code == 401


@pytest.mark.parametrize("kind", ["url", "file"])
def test_an_unknown_key_id_is_refused(guest: RawGuest, issuers: Issuers, kind: str) -> None:
    """The key set decides which keys there are, not the token."""
    mint = issuers.mint(kind)
    for header in ({"kid": "another"}, {"kid": None}, {"kid": issuers.stranger.key_id}):
        response = guest.resource(token=mint.sign(claims(guest, kind), **header))
        assert response.json["code"] == "token-key-unknown"


@pytest.mark.parametrize("kind", ["url", "file"])
def test_a_key_in_the_header_vouches_for_nothing(
    guest: RawGuest, issuers: Issuers, kind: str
) -> None:
    """A token that brings its own key is a token of nobody's."""
    mint = issuers.stranger
    for key_id in (None, issuers.mint(kind).key_id):
        token = mint.sign(claims(guest, kind), kid=key_id, jwk=mint.jwk())
        assert guest.resource(token=token).json["code"] in {
            "token-key-unknown",
            "token-signature-invalid",
        }


@pytest.mark.parametrize("kind", KINDS)
def test_algorithms_are_not_confused(guest: RawGuest, issuers: Issuers, kind: str) -> None:
    """Neither none, nor the public key as a shared secret, nor another algorithm than accepted."""
    mint = issuers.mint(kind)
    body = segment(claims(guest, kind))
    for algorithm in ("none", "None", "HS256", "RS256", "ES384", "", None, 7):
        head = {"alg": algorithm, "kid": mint.key_id, **mint.header}
        signing_input = f"{segment(head)}.{body}"
        code = hmac.digest(public_pem(mint), signing_input.encode(), "sha256")
        for signature in (b64url_encode(code), ""):
            response = guest.resource(token=f"{signing_input}.{signature}")
            assert response.status_code == 401
            assert response.json["code"] in {"token-algorithm-refused", "malformed-token"}
    rsa = Mint(RSAKey.generate_key(2048), "RS256")
    response = guest.resource(token=rsa.sign(claims(guest, kind), kid=mint.key_id))
    assert response.json["code"] == "token-algorithm-refused"


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_that_does_not_verify_is_refused(
    guest: RawGuest, issuers: Issuers, kind: str
) -> None:
    """A claim that was changed after the signing takes the signature's worth."""
    head, _, signature = issuers.mint(kind).sign(claims(guest, kind)).split(".")
    changed = segment(claims(guest, kind, jti="another"))
    response = guest.resource(token=f"{head}.{changed}.{signature}")
    assert response.json["code"] == "token-signature-invalid"


def test_the_tee_key_signs_no_tokens(guest: RawGuest, issuers: Issuers) -> None:
    """A key that a token names to seal to is not one that vouches."""
    mint = Mint(ECKey.import_key(guest.private))
    for key_id in (issuers.file.key_id, mint.key_id):
        response = guest.resource(token=mint.sign(claims(guest, "file"), kid=key_id))
        assert response.json["code"] in {"token-signature-invalid", "token-key-unknown"}


CHAINS: dict[str, Callable[[Issuers], Any]] = {
    "stripped": lambda issuers: issuers.chain.jwk(),
    "empty": lambda issuers: issuers.chain.jwk(x5c=[]),
    "no key at all": lambda issuers: None,
    "of another authority": lambda issuers: issuers.certified(Authority.make(**VALID)),
    "of another key": lambda issuers: issuers.chain.jwk(
        x5c=x5c(issuers.authority.vouch(issuers.stranger, **VALID))
    ),
    "that has expired": lambda issuers: issuers.certified(
        issuers.authority, not_after=NOW - timedelta(hours=1)
    ),
    "that is no certificate": lambda issuers: issuers.chain.jwk(x5c=["AAAA"]),
    "that is no list": lambda issuers: issuers.chain.jwk(x5c="AAAA"),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_that_does_not_lead_to_the_anchor_is_refused(
    guest: RawGuest, issuers: Issuers, name: str
) -> None:
    """Without its certificates, or with others, a token is worth nothing (wire.md 14.1, 10)."""
    token = issuers.chain.sign(claims(guest, "chain"), jwk=CHAINS[name](issuers))
    response = guest.resource(token=token)
    assert (response.status_code, response.json["code"]) == (401, "token-chain-invalid")


def test_a_token_without_a_tee_key_releases_nothing(guest: RawGuest, issuers: Issuers) -> None:
    """There is nothing to seal the answer to."""
    bare = claims(guest, "file")
    del bare["submods"]["cpu0"]["ear.veraison.annotated-evidence"]["runtime_data_claims"]
    response = guest.resource(token=issuers.file.sign(bare))
    assert (response.status_code, response.json["code"]) == (401, "token-tee-key-missing")


def test_an_issuer_that_cannot_be_reached_is_an_outage(tmp_path: Path, issuers: Issuers) -> None:
    """503, until its keys can be fetched: a fresh attestation would not help."""
    AdminKey.make(tmp_path)
    live = Live(KeySet([issuers.url.jwk()]))
    settings = make_settings(
        tmp_path, roles=["kbs"], broker={"issuers": trusted(tmp_path, issuers, live.url)}
    )
    prepare(settings)
    app = build(settings)
    with closing(app.extensions[EXTENSION]):
        guest = RawGuest(app.test_client())
        response = guest.resource(token=issuers.url.sign(claims(guest, "url")))
        assert (response.status_code, response.json["code"]) == (503, "issuer-unavailable")
        assert int(response.headers["Retry-After"]) > 0
        # The other issuers are not its hostages.
        response = guest.resource(token=issuers.file.sign(claims(guest, "file")))
        assert response.json["code"] == "resource-not-found"


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_token_of_each_opens_the_secret(
    guest: RawGuest, issuers: Issuers, kind: str
) -> None:
    """Side by side, each in its own way."""
    token = issuers.mint(kind).sign(claims(guest, kind))
    response = guest.resource(token=token)
    assert response.status_code == 200, response.json
    assert guest.open(response.json) == SECRET
