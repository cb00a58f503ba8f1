"""The keys that sign tokens: made, published, rotated with overlap, opened once.

A key is published as *next* before it signs, signs as *current*, and stays published as *retired*
until the last token it signed has expired, so no verifier ever meets a token of a key that it
cannot know. All of them live in the database, sealed; replicas notice a change by its revision.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey, Key

from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import ConfigError, ConflictError
from app.trust.json_types import JSONObject
from app.trust.jws import ALGORITHM, JWSSigner
from app.trust.revisions import RevisionCache, Revisions, RevisionStore
from app.trust.sealing import Sealer
from app.trust.signing_keys import KeyPurpose, KeyState, KeyStore, StoredKey
from app.trust.token_certificates import authority_certificate, leaf_certificate
from app.trust.transactions import Transactions

# How long a retired key stays published: longer than any token lives and than verifiers cache.
DEFAULT_OVERLAP = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """The current key, opened.

    Attributes:
        key_id: RFC 7638 SHA-256 thumbprint, base64url; the ``kid`` of its tokens.
    """

    key_id: str
    signer: JWSSigner = field(repr=False)


class TokenKeys:
    """Keys of the Attestation Service as a service."""

    def __init__(  # noqa: PLR0913  (collaborators, by name)
        self,
        *,
        store: KeyStore,
        sealer: Sealer,
        revisions: RevisionStore,
        transactions: Transactions,
        audit: AuditLog,
        clock: Clock,
        embed_certificate_chain: bool = True,
        overlap: timedelta = DEFAULT_OVERLAP,
    ) -> None:
        """Take the collaborators.

        Args:
            store: where keys live.
            sealer: what opens them.
            revisions: says when they changed.
            transactions: opens the transactions of changes.
            audit: where changes are written down.
            clock: tells the time.
            embed_certificate_chain: whether tokens carry ``jwk`` with ``x5c`` in their header.
            overlap: how long a retired key stays published; longer than a token lives.
        """
        self._store = store
        self._sealer = sealer
        self._revisions = revisions
        self._transactions = transactions
        self._audit = audit
        self._clock = clock
        self._embed_certificate_chain = embed_certificate_chain
        self._overlap = overlap
        self._signer = RevisionCache(self._load_signer)
        self._published = RevisionCache(self._load_published)

    def signer(self, revision: int) -> TokenSigner:
        """The current key as of a revision of ``signing_keys``.

        Raises:
            ConfigError: there is no current key.
            SealingError: the current key does not open.
        """
        return self._signer.get(revision)

    def key_set(self) -> JSONObject:
        """The published JWK set: current, next and retired keys (RFC 7517, section 5)."""
        now, revision = self._clock.now(), self._revisions.current().signing_keys
        published = self._published.get(revision)
        return {"keys": [jwk for until, jwk in published if until is None or until > now]}

    def verification_keys(self, revisions: Revisions) -> dict[str, Key]:
        """Public keys by ``kid``: current, next, and retired while their tokens may be valid."""
        now = self._clock.now()
        published = self._published.get(revisions.signing_keys)
        return {
            jwk["kid"]: ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")})
            for until, jwk in published
            if until is None or until > now
        }

    def list(self) -> list[StoredKey]:
        """Every signing key, newest first."""
        return self._store.all(KeyPurpose.TOKEN)

    def authority(self) -> str:
        """The certificate to pin, PEM.

        Raises:
            ConfigError: there is no authority yet.
        """
        return self._authority().certificates

    def prepare(self) -> None:
        """Make what is missing: the authority, a current and a next key. Safe to repeat."""
        try:
            with self._transactions():
                self._add_missing()
        except ConflictError:
            # Another process that starts now made them a moment ago, all of them.
            return

    def rotate(self, actor: Actor) -> None:
        """Let the next key sign, retire the current one, make a new next, drop what is over.

        Raises:
            ConfigError: there are no keys to rotate.
            ConflictError: someone rotates at the same time.
        """
        now = self._clock.now()
        with self._transactions():
            current, upcoming = self._only(KeyState.CURRENT), self._only(KeyState.NEXT)
            self._store.set_state(current.key_id, KeyState.RETIRED, now + self._overlap)
            self._store.set_state(upcoming.key_id, KeyState.CURRENT)
            self._store.add(self._new_key(KeyState.NEXT))
            for key in self.list():
                if key.retires_at is not None and key.retires_at <= now:
                    self._store.remove(key.key_id)
            entry = AuditEntry(
                at=now,
                actor=actor,
                action="key:token:rotate",
                subject=upcoming.key_id,
                before=current.key_id,
                after=upcoming.key_id,
            )
            self._audit.append(entry)

    def _add_missing(self) -> None:
        if not self._store.all(KeyPurpose.TOKEN_CA):
            self._store.add(self._new_authority())
        states = {key.state for key in self.list()}
        for state in (KeyState.CURRENT, KeyState.NEXT):
            if state not in states:
                self._store.add(self._new_key(state))

    def _only(self, state: KeyState) -> StoredKey:
        for key in self.list():
            if key.state is state:
                return key
        raise ConfigError([f"the database holds no {state.value} key that signs tokens"])

    def _authority(self) -> StoredKey:
        for key in self._store.all(KeyPurpose.TOKEN_CA):
            if key.state is KeyState.CURRENT:
                return key
        raise ConfigError(["the database holds no authority for keys that sign tokens"])

    def _load_signer(self) -> TokenSigner:
        stored = self._only(KeyState.CURRENT)
        der = self._sealer.open(stored.sealed_private, _associated(stored))
        header: JSONObject = {"typ": "JWT", "kid": stored.key_id}
        if self._embed_certificate_chain:
            header["jwk"] = _published_form(stored)
        key = ECKey.import_key(_private_key(der))
        return TokenSigner(stored.key_id, JWSSigner(key, header))

    def _load_published(self) -> Sequence[tuple[datetime | None, JSONObject]]:
        return [(key.retires_at, _published_form(key)) for key in self.list()]

    def _new_authority(self) -> StoredKey:
        private = ec.generate_private_key(ec.SECP256R1())
        certificate = authority_certificate(private, self._clock.now())
        return self._sealed(private, KeyPurpose.TOKEN_CA, KeyState.CURRENT, [certificate])

    def _new_key(self, state: KeyState) -> StoredKey:
        stored = self._authority()
        der = self._sealer.open(stored.sealed_private, _associated(stored))
        authority = x509.load_pem_x509_certificate(stored.certificates.encode())
        private = ec.generate_private_key(ec.SECP256R1())
        leaf = leaf_certificate(
            private.public_key(), authority, _private_key(der), self._clock.now()
        )
        return self._sealed(private, KeyPurpose.TOKEN, state, [leaf, authority])

    def _sealed(
        self,
        private: ec.EllipticCurvePrivateKey,
        purpose: KeyPurpose,
        state: KeyState,
        certificates: Sequence[x509.Certificate],
    ) -> StoredKey:
        jwk = ECKey.import_key(private.public_key())
        key_id = jwk.thumbprint()
        der = private.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        pem = [each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates]
        return StoredKey(
            key_id=key_id,
            purpose=purpose,
            state=state,
            sealed_private=self._sealer.seal(der, f"key/{purpose.value}/{key_id}".encode()),
            public_jwk={
                **jwk.as_dict(private=False),
                "kid": key_id,
                "use": "sig",
                "alg": ALGORITHM,
            },
            certificates="".join(pem),
            created_at=self._clock.now(),
        )


def _associated(key: StoredKey) -> bytes:
    return f"key/{key.purpose.value}/{key.key_id}".encode()


def _private_key(der: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_der_private_key(der, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "only P-256 keys are sealed here"
    return key


def _published_form(key: StoredKey) -> JSONObject:
    """The public JWK with its certificate chain, leaf first, base64 of DER (RFC 7517, 4.7)."""
    chain = [
        base64.b64encode(each.public_bytes(serialization.Encoding.DER)).decode("ascii")
        for each in x509.load_pem_x509_certificates(key.certificates.encode())
    ]
    return {**key.public_jwk, "x5c": chain}
