"""Certificates that this server stands on, and when each of them expires."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app.trust.sentences import Text

# Long enough to get another one.
SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CertificateText:
    """PEM from somewhere.

    Attributes:
        purpose: what the certificates are for.
        where: the setting or the place that they come from.
        pem: the text, or the file that holds it.
    """

    purpose: Text
    where: str
    pem: str | Path


@dataclass(frozen=True, slots=True)
class CertificateLine:
    """One certificate.

    Attributes:
        state: ``valid``, ``expiring`` within ``SOON``, ``expired``, ``pending`` before its time, or
            ``missing`` when the text cannot be read.
        fingerprint: SHA-256 of its DER, hex.
        days: whole days until it expires; negative afterwards.
    """

    purpose: Text
    where: str
    state: str
    subject: str = ""
    issuer: str = ""
    fingerprint: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    days: int | None = None


def certificate_lines(texts: Iterable[CertificateText], now: datetime) -> list[CertificateLine]:
    """Every certificate, the one that expires first before the others."""
    lines = [line for text in texts for line in _lines(text, now)]
    # What cannot be read is more urgent than anything that has a date.
    return sorted(lines, key=lambda line: (line.not_after is not None, line.days or 0, line.where))


def _lines(text: CertificateText, now: datetime) -> Iterator[CertificateLine]:
    try:
        pem = text.pem.read_bytes() if isinstance(text.pem, Path) else text.pem.encode()
        found = x509.load_pem_x509_certificates(pem)
    except (OSError, ValueError):
        yield CertificateLine(text.purpose, text.where, "missing")
        return
    for each in found:
        yield CertificateLine(
            purpose=text.purpose,
            where=text.where,
            state=_state(each, now),
            subject=written(each.subject),
            issuer=written(each.issuer),
            fingerprint=each.fingerprint(hashes.SHA256()).hex(),
            not_before=each.not_valid_before_utc,
            not_after=each.not_valid_after_utc,
            days=(each.not_valid_after_utc - now).days,
        )


def written(name: x509.Name) -> str:
    """A distinguished name as people read it: RFC 4514, with serial numbers by their name too."""
    return name.rfc4514_string({NameOID.SERIAL_NUMBER: "serialNumber"})


def _state(certificate: x509.Certificate, now: datetime) -> str:
    if now < certificate.not_valid_before_utc:
        return "pending"
    if now > certificate.not_valid_after_utc:
        return "expired"
    return "expiring" if certificate.not_valid_after_utc - now < SOON else "valid"


def server_root(path: Path | None) -> str:
    """The certificate that others check this server against, PEM; ``""`` when it is not known.

    Args:
        path: the server's chain, leaf first.
    """
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes()) if path else []
    except (OSError, ValueError):
        return ""
    for each in reversed(chain):
        # Only what signed itself is a root; an intermediate anchors nothing by itself.
        if each.subject == each.issuer:
            return each.public_bytes(Encoding.PEM).decode("ascii")
    return ""
