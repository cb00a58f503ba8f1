"""Host key documents of IBM Z: certificates whose keys wrap requests for one machine.

Sources: IBM, "Introducing IBM Secure Execution for Linux", chapter on verifying host key documents;
RFC 5280. IBM's signing key certificate and the name of the issuer in a host key document are known
to differ in their locality, so a document's signer is found by its signature and not by its name;
which certificates may sign at all, the operator says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from app.trust.errors import (
    ChainError,
    ExpiredCertificateError,
    RevokedError,
    StaleCollateralError,
    UntrustedRootError,
)

_MAX_DEPTH = 5
_LIBRARY_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


class HostKeyFormatError(ValueError):
    """A file of the operator's does not hold what it should."""


@dataclass(frozen=True, slots=True)
class HostKeyAuthorities:
    """Who may vouch for host keys, as the operator says.

    Attributes:
        certificates: signing keys and what stands between them and the root.
        root: ``None`` when a self-signed one among the certificates is the root.
        revocation_lists: of any of them.
        needs_list: whether there has to be a list of whoever signed a host key document.
    """

    certificates: tuple[x509.Certificate, ...]
    root: x509.Certificate | None
    revocation_lists: tuple[x509.CertificateRevocationList, ...]
    needs_list: bool = False

    def check(self, document: x509.Certificate, now: datetime) -> None:
        """The document's signer leads to the root, everything is in its time, nothing is revoked.

        Raises:
            ChainError: no certificate signed it, or none of their issuers is there.
            UntrustedRootError: the issuers end elsewhere.
            ExpiredCertificateError, RevokedError, StaleCollateralError: as their names say; the
                last where a list has to be and there is none, too.
        """
        if self.needs_list:
            self._check_listed(self._issuer(document))
        certificate = document
        for _ in range(_MAX_DEPTH):
            _check_dates(certificate, now)
            issuer = self._issuer(certificate)
            self._check_not_revoked(certificate, issuer, now)
            if self._is_root(issuer):
                _check_dates(issuer, now)
                return
            if issuer == certificate:
                raise UntrustedRootError("a host key document leads to another root")
            certificate = issuer
        raise ChainError("the chain of a host key document does not end")

    def _issuer(self, certificate: x509.Certificate) -> x509.Certificate:
        candidates = self.certificates if self.root is None else (self.root, *self.certificates)
        for issuer in candidates:
            if _is_signed_by(certificate, issuer):
                return issuer
        raise ChainError("nothing that the operator trusts signed a host key document")

    def _is_root(self, certificate: x509.Certificate) -> bool:
        if self.root is not None:
            return certificate == self.root
        return certificate.issuer == certificate.subject

    def _check_listed(self, issuer: x509.Certificate) -> None:
        if not any(_is_list_of(each, issuer) for each in self.revocation_lists):
            raise StaleCollateralError("there is no revocation list of who signs host keys")

    def _check_not_revoked(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> None:
        for revoked in self.revocation_lists:
            if not _is_list_of(revoked, issuer):
                continue
            if revoked.next_update_utc is None or revoked.next_update_utc < now:
                raise StaleCollateralError("a revocation list is past its next update")
            if revoked.get_revoked_certificate_by_serial_number(certificate.serial_number):
                raise RevokedError("a host key document or its signer is revoked")


def load_certificates(data: bytes) -> list[x509.Certificate]:
    """The certificates in PEM text, or the one in DER.

    Raises:
        HostKeyFormatError: there is none, or it does not parse.
    """
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except _LIBRARY_ERRORS as error:
        raise HostKeyFormatError("not a certificate") from error


def load_revocation_list(data: bytes) -> x509.CertificateRevocationList:
    """A revocation list in PEM or DER.

    Raises:
        HostKeyFormatError: it does not parse.
    """
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_crl(data)
        return x509.load_der_x509_crl(data)
    except _LIBRARY_ERRORS as error:
        raise HostKeyFormatError("not a revocation list") from error


def host_keys(documents: Sequence[x509.Certificate]) -> list[ec.EllipticCurvePublicKey]:
    """The keys of host key documents.

    Raises:
        HostKeyFormatError: one is not on P-521.
    """
    found = []
    for document in documents:
        try:
            key = document.public_key()
        except _LIBRARY_ERRORS as error:
            raise HostKeyFormatError("a host key that does not parse") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp521r1":
            raise HostKeyFormatError("a host key that is not on P-521")
        found.append(key)
    return found


def _check_dates(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise ExpiredCertificateError("a host key document or its signer is outside its dates")


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        key, parameters = issuer.public_key(), certificate.signature_algorithm_parameters
        signature, signed = certificate.signature, certificate.tbs_certificate_bytes
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA):
            key.verify(signature, signed, parameters)
        elif isinstance(key, rsa.RSAPublicKey) and isinstance(
            parameters, padding.PKCS1v15 | padding.PSS
        ):
            assert certificate.signature_hash_algorithm is not None, "RSA signs a hash"
            key.verify(signature, signed, parameters, certificate.signature_hash_algorithm)
        else:
            return False
    except (InvalidSignature, *_LIBRARY_ERRORS):
        return False
    return True


def _is_list_of(revoked: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        return False
    try:
        return revoked.is_signature_valid(key)
    except _LIBRARY_ERRORS:
        return False
