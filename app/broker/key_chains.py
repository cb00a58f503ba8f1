"""Token keys vouched for by a certificate chain in the token's header (RFC 7517, section 4.7).

The chain is checked explicitly: every signature, every CA flag and path length, every date, up to
a certificate that the operator pinned. Signatures are checked once a chain; the outcome is kept by
the digest of the chain, and the dates are compared again at every use.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID

from app.broker.compact_tokens import UnverifiedToken
from app.broker.verification_keys import (
    UnusableKeyError,
    VerificationKey,
    parse_verification_key,
)
from app.trust.errors import ConfigError, TokenChainError
from app.trust.json_types import JSONValue
from app.trust.revisions import Revisions

E = TypeVar("E", bound=x509.ExtensionType)

# A root, two intermediates and a leaf are already a long chain for a signing key.
MAX_CERTIFICATES = 5
MAX_CERTIFICATE_BYTES = 16 * 1024
# How many distinct chains are remembered; an issuer has one a key.
_REMEMBERED_CHAINS = 64

_WEAK_HASHES = frozenset({"md5", "sha1"})
# Extensions whose meaning is checked here, or does not bear on who signed the token.
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)
# What parsing a hostile certificate can end in.
_MALFORMED = (
    ValueError,
    UnsupportedAlgorithm,
    UnusableKeyError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class _Vouched:
    key: VerificationKey
    not_before: datetime
    not_after: datetime


class CertifiedKeys:
    """Keys of whoever holds a certificate under one of the pinned ones.

    Attributes:
        anchors: the pinned ones.
    """

    def __init__(self, anchors: Sequence[x509.Certificate]) -> None:
        """Take the certificates that chains must lead to."""
        assert anchors, "without an anchor nothing can be vouched for"
        self.anchors = tuple(anchors)
        self._vouched: OrderedDict[bytes, _Vouched] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def load(cls, paths: Sequence[Path]) -> CertifiedKeys:
        """Read the anchors from PEM files, each with at least one certificate.

        Raises:
            ConfigError: listing every file that cannot be read or holds no certificate.
        """
        anchors: list[x509.Certificate] = []
        faults = [] if paths else ["no file with certificates is named"]
        for path in paths:
            try:
                anchors += x509.load_pem_x509_certificates(path.read_bytes())
            except OSError as error:
                faults.append(f"{path}: {error.strerror}")
            except ValueError:
                faults.append(f"{path}: no PEM certificates")
        if faults:
            raise ConfigError(faults)
        return cls(anchors)

    def find(self, token: UnverifiedToken, now: datetime, revisions: Revisions) -> VerificationKey:  # noqa: ARG002  (the anchors are settings)
        """The key in the token's header, once its chain vouches for it (see ``KeySource.find``)."""
        unverified_jwk = token.unverified_header.get("jwk")
        digest = hashlib.sha256(json.dumps(unverified_jwk, sort_keys=True).encode()).digest()
        vouched = self._recall(digest)
        if vouched is None:
            vouched = self._vouch(unverified_jwk)
            self._remember(digest, vouched)
        if not vouched.not_before <= now <= vouched.not_after:
            raise TokenChainError("a certificate of the token's chain is outside its dates")
        return vouched.key

    def _vouch(self, unverified_jwk: JSONValue) -> _Vouched:
        chain = _decode_chain(unverified_jwk)
        try:
            key = parse_verification_key(unverified_jwk)
            path = _build_path([x509.load_der_x509_certificate(der) for der in chain], self.anchors)
            _check_leaf(path[0], key)
        except _MALFORMED as error:
            raise TokenChainError("the token's certificate chain is malformed") from error
        return _Vouched(
            key=key,
            not_before=max(each.not_valid_before_utc for each in path),
            not_after=min(each.not_valid_after_utc for each in path),
        )

    def _recall(self, digest: bytes) -> _Vouched | None:
        with self._lock:
            vouched = self._vouched.get(digest)
            if vouched is not None:
                self._vouched.move_to_end(digest)
            return vouched

    def _remember(self, digest: bytes, vouched: _Vouched) -> None:
        with self._lock:
            self._vouched[digest] = vouched
            if len(self._vouched) > _REMEMBERED_CHAINS:
                self._vouched.popitem(last=False)


def _decode_chain(unverified_jwk: JSONValue) -> list[bytes]:
    """The DER certificates of ``x5c``, leaf first: base64, not base64url (RFC 7517, 4.7)."""
    entries = unverified_jwk.get("x5c") if isinstance(unverified_jwk, dict) else None
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_CERTIFICATES:
        raise TokenChainError(
            f"a token of this issuer carries a chain of 1 to {MAX_CERTIFICATES} certificates"
        )
    try:
        chain = [base64.b64decode(entry, validate=True) for entry in entries]
    except (binascii.Error, ValueError, TypeError) as error:
        raise TokenChainError("the token's certificates are not base64") from error
    if any(len(each) > MAX_CERTIFICATE_BYTES for each in chain):
        raise TokenChainError("a certificate of the token is too large")
    return chain


def _build_path(
    certificates: list[x509.Certificate], anchors: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """The certificates from the leaf up to an anchor, every link of it checked.

    Raises:
        TokenChainError: there is no such path.
    """
    path: list[x509.Certificate] = []
    for certificate in certificates:
        if path:
            _check_link(path[-1], certificate, below=len(path) - 1)
        _check_extensions(certificate)
        path.append(certificate)
        if certificate in anchors:
            return path
        for anchor in anchors:
            if _signed_by(certificate, anchor):
                _check_link(certificate, anchor, below=len(path) - 1)
                return [*path, anchor]
    raise TokenChainError("the token's certificate chain leads to no trusted certificate")


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _check_link(certificate: x509.Certificate, issuer: x509.Certificate, *, below: int) -> None:
    """Check that one certificate may have issued another, with ``below`` CAs beneath it."""
    if not _signed_by(certificate, issuer):
        raise TokenChainError("a certificate of the token's chain is not signed by the next")
    hash_algorithm = certificate.signature_hash_algorithm
    if hash_algorithm is not None and hash_algorithm.name in _WEAK_HASHES:
        raise TokenChainError("a certificate of the token's chain is signed over a weak hash")
    constraints = _extension(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise TokenChainError("a certificate of the token's chain was issued by no authority")
    if constraints.path_length is not None and below > constraints.path_length:
        raise TokenChainError("the token's certificate chain is longer than its authority allows")
    usage = _extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise TokenChainError("an authority of the token's chain may not sign certificates")


def _check_extensions(certificate: x509.Certificate) -> None:
    """Refuse what is critical and not understood (RFC 5280, section 4.2)."""
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise TokenChainError("a certificate of the token has an unknown critical extension")


def _check_leaf(leaf: x509.Certificate, key: VerificationKey) -> None:
    usage = _extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise TokenChainError("the token's certificate is not for signatures")
    der = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if not hmac.compare_digest(der, key.der):
        raise TokenChainError("the token's key is not the one that its certificate is for")


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
