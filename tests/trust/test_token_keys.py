"""Keys that sign tokens: their life, their certificates, and what is published of them."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from fakes import FakeClock, MemoryAuditLog, MemoryDatabase, MemoryKeys, MemoryRevisions
from joserfc import jws
from joserfc.jwk import ECKey, KeySet

from app.trust.audit import Actor
from app.trust.errors import ConfigError, SealingError
from app.trust.sealing import KeyEncryptionKey, Sealer
from app.trust.signing_keys import KeyPurpose, KeyState
from app.trust.token_keys import TokenKeys

OWNER = Actor("alice", "owner")


class Bench:
    """Token keys on a database in memory."""

    def __init__(self, **options: Any) -> None:
        self.db, self.clock = MemoryDatabase(), FakeClock()
        self.store = MemoryKeys(self.db)
        self.keys = TokenKeys(
            store=self.store,
            sealer=Sealer([KeyEncryptionKey(b"k" * 32)]),
            revisions=MemoryRevisions(self.db),
            transactions=self.db.transactions,
            audit=MemoryAuditLog(self.db),
            clock=self.clock,
            **options,
        )

    def sign(self) -> str:
        """A token of the current key."""
        return self.keys.signer(self.db.revisions.signing_keys).signer.sign({"a": 1})

    def published(self) -> list[str]:
        """The ``kid`` of each published key."""
        return [key["kid"] for key in self.keys.key_set()["keys"]]


@pytest.fixture
def bench() -> Bench:
    """Token keys that are prepared."""
    bench = Bench()
    bench.keys.prepare()
    return bench


def verified_header(token: str, key_set: dict[str, Any]) -> dict[str, Any]:
    """The header of a token that verifies under a key set, by a library's own judgement."""
    registry = jws.JWSRegistry(algorithms=["ES256"])
    registry.max_header_length = 8192
    plain = [
        {name: key[name] for name in ("kty", "crv", "x", "y", "kid")} for key in key_set["keys"]
    ]
    keys = KeySet.import_key_set({"keys": plain})
    return dict(jws.deserialize_compact(token, keys, registry=registry).headers())


def test_nothing_signs_before_keys_are_made() -> None:
    """A server without keys says so instead of signing with one that dies with the process."""
    bench = Bench()
    for act in (bench.sign, lambda: bench.keys.rotate(OWNER), bench.keys.authority):
        with pytest.raises(ConfigError):
            act()
    assert bench.published() == []


def test_a_key_sealed_under_another_key_does_not_open(bench: Bench) -> None:
    """The database alone cannot sign."""
    bench.keys._sealer = Sealer([KeyEncryptionKey(b"x" * 32)])
    with pytest.raises(SealingError):
        bench.sign()


def test_preparing_twice_changes_nothing(bench: Bench) -> None:
    """Every start prepares; what is there stays."""
    before = list(bench.db.keys)
    bench.keys.prepare()
    assert bench.db.keys == before
    assert sorted(key.state for key in bench.keys.list()) == [KeyState.CURRENT, KeyState.NEXT]


def test_tokens_verify_under_the_published_set(bench: Bench) -> None:
    """The ``kid`` of a token is that of a published key, and its RFC 7638 thumbprint."""
    header = verified_header(bench.sign(), bench.keys.key_set())
    assert (header["typ"], header["alg"]) == ("JWT", "ES256")
    key = next(key for key in bench.keys.key_set()["keys"] if key["kid"] == header["kid"])
    assert (key["use"], key["alg"]) == ("sig", "ES256")
    assert (
        ECKey.import_key({n: key[n] for n in ("kty", "crv", "x", "y")}).thumbprint() == key["kid"]
    )
    assert header["jwk"] == key


def test_the_chain_in_the_header_can_be_left_out() -> None:
    """Tokens are half as long for verifiers that use the key set."""
    bench = Bench(embed_certificate_chain=False)
    bench.keys.prepare()
    assert set(verified_header(bench.sign(), bench.keys.key_set())) == {"typ", "alg", "kid"}


def test_certificates_lead_to_the_authority(bench: Bench) -> None:
    """Each published key has a certificate that the pinned authority issued for signatures."""
    authority = x509.load_pem_x509_certificate(bench.keys.authority().encode())
    for key in bench.keys.key_set()["keys"]:
        leaf, issuer = (x509.load_der_x509_certificate(base64.b64decode(c)) for c in key["x5c"])
        assert issuer == authority
        leaf.verify_directly_issued_by(issuer)
        public = leaf.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        assert ECKey.import_key(public).thumbprint() == key["kid"]
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        assert (usage.digital_signature, usage.key_cert_sign) == (True, False)
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert (constraints.ca, constraints.path_length) == (True, 0)
        assert leaf.not_valid_after_utc <= issuer.not_valid_after_utc


def test_rotation_overlaps(bench: Bench) -> None:
    """Old tokens still verify, the new key was known before, and a new next one is."""
    old_token, before = bench.sign(), bench.published()
    upcoming = next(key.key_id for key in bench.keys.list() if key.state is KeyState.NEXT)
    bench.keys.rotate(OWNER)
    assert verified_header(bench.sign(), bench.keys.key_set())["kid"] == upcoming
    assert upcoming in before
    verified_header(old_token, bench.keys.key_set())
    assert len(bench.published()) == 3


def test_a_retired_key_leaves_the_set_in_time(bench: Bench) -> None:
    """Not before its overlap is over, then without anyone's doing, and for good at a rotation."""
    (retired,) = [key.key_id for key in bench.keys.list() if key.state is KeyState.CURRENT]
    bench.keys.rotate(OWNER)
    bench.clock.at += timedelta(days=1) - timedelta(seconds=1)
    assert retired in bench.published()
    bench.clock.forward(seconds=1)
    assert retired not in bench.published()
    bench.keys.rotate(OWNER)
    assert retired not in [key.key_id for key in bench.keys.list()]


def test_rotation_is_written_down(bench: Bench) -> None:
    """Who rotated, and from which key to which."""
    bench.keys.rotate(OWNER)
    entry = bench.db.audit[-1].entry
    assert (entry.action, entry.actor) == ("key:token:rotate", OWNER)
    assert {entry.before, entry.after} <= set(bench.published())


def test_the_key_is_opened_once(bench: Bench) -> None:
    """Signing reads no key again until a revision says that keys changed."""
    bench.sign()
    reads = bench.store.reads
    for _ in range(5):
        bench.sign()
    assert bench.store.reads == reads
    bench.keys.rotate(OWNER)
    reads = bench.store.reads
    bench.sign()
    assert bench.store.reads == reads + 1


def test_private_keys_rest_sealed_and_hidden(bench: Bench) -> None:
    """Neither a representation nor the public form tells the private number."""
    signer = bench.keys.signer(bench.db.revisions.signing_keys)
    assert repr(signer) == f"TokenSigner(key_id={signer.key_id!r})"
    for purpose in (KeyPurpose.TOKEN, KeyPurpose.TOKEN_CA):
        for key in bench.store.all(purpose):
            assert "d" not in key.public_jwk
