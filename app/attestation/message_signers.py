"""Who may sign messages with reference values: named keys and authorities, each for some names.

Certificates are checked along a path as RFC 5280, section 6, has it. The leaf has to be made for
signing code, so that no server's certificate of the same authority speaks for its builds.
Revocation is not looked at: what is withdrawn is taken out of the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from app.trust.errors import (
    ChainError,
    ExpiredCertificateError,
    MalformedReferenceValueError,
    SignatureError,
    UntrustedRootError,
    UntrustedSignerError,
)

SigningKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

MAX_CERTIFICATES = 5
# Each key goes with one hash: whoever signs does not choose.
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
MESSAGE_CURVES = frozenset(_HASHES)
_LIBRARY_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Someone whose messages are accepted; by a key, or by an authority's certificates.

    Attributes:
        name: what the settings call it.
        name_prefixes: what the names of its values begin with.
        key: that it signs with, or
        roots: one of which its certificates lead to.
    """

    name: str
    name_prefixes: tuple[str, ...]
    key: SigningKey | None = None
    roots: tuple[x509.Certificate, ...] = field(default=(), repr=False)

    def may_name(self, value_name: str) -> bool:
        """Whether a value of this name is its to give."""
        return value_name.startswith(self.name_prefixes)


@dataclass(frozen=True, slots=True)
class TrustedSigners:
    """The signers of one moment.

    Attributes:
        signers: in the order of the settings.
        now: judges the dates of certificates.
    """

    signers: tuple[Signer, ...]
    now: datetime

    def find(
        self, unverified_chain: Sequence[bytes], verify: Callable[[SigningKey], None]
    ) -> Signer:
        """The first signer who made a signature.

        Args:
            unverified_chain: the certificates beside it, DER, leaf first; none is a list, too.
            verify: raises SignatureError when another key than the given one made it.

        Raises:
            MalformedReferenceValueError: a certificate does not parse, or there are too many.
            UntrustedSignerError: nobody who is trusted, and there are no certificates.
            ExpiredCertificateError: a certificate is outside its dates.
            UntrustedRootError: the certificates lead to nobody who is trusted.
            ChainError: the certificate is not made for this.
            SignatureError: the certificate's key did not make it.
        """
        for signer in self.signers:
            if signer.key is not None and _is_made_by(signer.key, verify):
                return signer
        if not unverified_chain:
            raise UntrustedSignerError("the message is signed by nobody who is trusted here")
        chain = _load(unverified_chain)
        signer = self._find_authority(chain)
        key = chain[0].public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            raise ChainError("the certificate of the signer has a key of another kind")
        verify(key)
        return signer

    def _find_authority(self, chain: list[x509.Certificate]) -> Signer:
        for certificate in chain:
            _check_dates(certificate, self.now)
        for signer in self.signers:
            if signer.roots and self._is_issued(chain, signer.roots):
                return signer
        raise UntrustedRootError("the certificates of the signer lead to nobody trusted here")

    def _is_issued(
        self, chain: list[x509.Certificate], roots: tuple[x509.Certificate, ...]
    ) -> bool:
        verifier = (
            PolicyBuilder()
            .store(Store(list(roots)))
            .time(self.now)
            .max_chain_depth(MAX_CERTIFICATES)
            .extension_policies(ca_policy=_AUTHORITIES, ee_policy=_SIGNERS)
            .build_client_verifier()
        )
        try:
            verifier.verify(chain[0], chain[1:])
        except VerificationError:
            return False
        return True


def verify_signature(key: SigningKey, signature: bytes, signed: bytes) -> None:
    """A key made a signature: ECDSA (DER) with the hash of its curve, or Ed25519.

    Raises:
        SignatureError: not so.
    """
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        elif key.curve.name in _HASHES:
            key.verify(signature, signed, ec.ECDSA(_HASHES[key.curve.name]))
        else:
            raise SignatureError("no signature is made with a key on this curve")
    except InvalidSignature as error:
        raise SignatureError("the signature over the message does not verify") from error


def _is_made_by(key: SigningKey, verify: Callable[[SigningKey], None]) -> bool:
    try:
        verify(key)
    except SignatureError:
        return False
    return True


def _load(unverified_chain: Sequence[bytes]) -> list[x509.Certificate]:
    if len(unverified_chain) > MAX_CERTIFICATES:
        raise MalformedReferenceValueError(f"more than {MAX_CERTIFICATES} certificates")
    try:
        chain = [x509.load_der_x509_certificate(each) for each in unverified_chain]
        for certificate in chain:
            # Both are read when they are asked for; here they may fail.
            _ = certificate.extensions, certificate.public_key()
    except _LIBRARY_ERRORS as error:
        raise MalformedReferenceValueError("a certificate of the signer does not parse") from error
    return chain


def _check_dates(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise ExpiredCertificateError("a certificate of the signer is out of date")


def _check_authority(
    policy: Policy, certificate: x509.Certificate, constraints: x509.BasicConstraints
) -> None:
    del policy, certificate
    if not constraints.ca:
        raise ValueError("no authority")


def _check_issuing(policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    del policy, certificate
    if not usage.key_cert_sign:
        raise ValueError("not made for signing certificates")


def _check_no_authority(
    policy: Policy, certificate: x509.Certificate, constraints: x509.BasicConstraints | None
) -> None:
    del policy, certificate
    if constraints is not None and constraints.ca:
        raise ValueError("an authority does not sign messages itself")


def _check_purpose(
    policy: Policy, certificate: x509.Certificate, purposes: x509.ExtendedKeyUsage
) -> None:
    del policy, certificate
    if ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise ValueError("not made for signing code")


_AUTHORITIES = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_authority)
    .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_issuing)
)
_SIGNERS = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_no_authority)
    .require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_purpose)
)
