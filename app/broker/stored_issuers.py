"""Issuers that operators trust in the console: as they rest, and where.

What the settings file names and what the console added are two lists. Of an issuer in both, the
settings count: whoever may write that file has the last word.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509

from app.broker.fetched_keys import FetchedKeys
from app.broker.issuer_documents import check_address
from app.broker.issuer_keys import FileKeys, KeySource
from app.broker.issuers import Issuer, IssuerKind, issuer_faults
from app.broker.key_chains import CertifiedKeys
from app.broker.verification_keys import UnusableKeyError, parse_key_set
from app.trust.errors import IssuerUnusableError, MalformedRequestError
from app.trust.http_client import HTTPClient
from app.trust.json_types import JSONObject
from guest.wire.canonical import canonical_json

MAX_LEEWAY_SECONDS = 600
MAX_ANCHORS = 16

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_MAX_ISS = 2048
_MAX_PATHS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIssuer:
    """An issuer that was added in the console.

    Attributes:
        name: what decisions and logs call it; 1 to 64 letters, digits, ``_``, ``.``, ``-``.
        iss: the claim by which its tokens name it.
        kind: ``JWKS_URL``, ``JWKS`` or ``CA_CERTIFICATES``; says which of the next ones is there.
        url: of its key set, or its base address when it publishes discovery.
        tls_ca: PEM; the only authorities that ``url`` is checked against; ``""`` for the system's.
        key_set: its JWK set.
        certificates: PEM; tokens carry a chain that leads to one of them.
        algorithms: accepted signature algorithms.
        audience: required ``aud``; ``None`` checks none.
        leeway_seconds: accepted clock skew.
        tee_key_paths: JSON pointers, tried before the usual ones.
        enabled: whether its tokens are believed now.
    """

    name: str
    iss: str
    kind: IssuerKind
    url: str = ""
    tls_ca: str = ""
    key_set: JSONObject = field(default_factory=dict)
    certificates: str = ""
    algorithms: tuple[str, ...] = ("ES256",)
    audience: str | None = None
    leeway_seconds: int = 60
    tee_key_paths: tuple[str, ...] = ()
    enabled: bool = True
    created_at: datetime
    created_by: str

    @property
    def digest(self) -> str:
        """SHA-256, hex, of everything that decides what is believed."""
        return hashlib.sha256(
            canonical_json(
                {
                    "iss": self.iss,
                    "kind": self.kind.value,
                    "url": self.url,
                    "tls_ca": self.tls_ca,
                    "key_set": self.key_set,
                    "certificates": self.certificates,
                    "algorithms": sorted(self.algorithms),
                    "audience": self.audience,
                    "leeway_seconds": self.leeway_seconds,
                    "tee_key_paths": list(self.tee_key_paths),
                    "enabled": self.enabled,
                }
            )
        ).hexdigest()


class IssuerStore(Protocol):
    """Where added issuers live. Every write raises the ``issuers`` revision."""

    def all(self) -> list[StoredIssuer]:
        """Every issuer, by name."""
        ...

    def add(self, issuer: StoredIssuer) -> None:
        """Add one, inside the caller's transaction.

        Raises:
            ConflictError: the name or the ``iss`` is taken.
        """
        ...

    def set_enabled(self, name: str, *, enabled: bool) -> None:
        """Believe its tokens, or no longer, inside the caller's transaction."""
        ...

    def remove(self, name: str) -> None:
        """Forget it, inside the caller's transaction."""
        ...


class Clients(Protocol):
    """Makes HTTP clients for the addresses of issuers.

    Attributes:
        allows_http: whether addresses may be plain HTTP off loopback.
    """

    @property
    def allows_http(self) -> bool: ...  # noqa: D102 - described above

    def client(self, tls_ca: str) -> HTTPClient:
        """One that believes these authorities, PEM; ``""`` believes those of the system.

        Raises:
            IssuerUnusableError: the text holds no certificate.
        """
        ...


def check_stored(issuer: StoredIssuer, clients: Clients) -> None:
    """Refuse an issuer that could never vouch, before it is written down.

    Raises:
        MalformedRequestError: a name, an ``iss``, a leeway or a path that cannot be.
        IssuerUnusableError: its address, keys or certificates are of no use.
    """
    if not _NAME.fullmatch(issuer.name):
        raise MalformedRequestError(
            "a name has 1 to 64 letters, digits, '_', '.' and '-', and begins with no sign"
        )
    if not 1 <= len(issuer.iss) <= _MAX_ISS or not issuer.iss.isprintable():
        raise MalformedRequestError(f"an iss has 1 to {_MAX_ISS} printable characters")
    if not 0 <= issuer.leeway_seconds <= MAX_LEEWAY_SECONDS:
        raise MalformedRequestError(f"the leeway is 0 to {MAX_LEEWAY_SECONDS} seconds")
    if len(issuer.tee_key_paths) > _MAX_PATHS:
        raise MalformedRequestError(f"there are at most {_MAX_PATHS} paths of TEE keys")
    if issuer.kind is IssuerKind.JWKS_URL:
        check_address(issuer.url, allows_http=clients.allows_http)
    faults = issuer_faults(open_stored(issuer, clients))
    if faults:
        raise MalformedRequestError("; ".join(faults))


def open_stored(issuer: StoredIssuer, clients: Clients) -> Issuer:
    """The issuer with its keys, ready to be asked; nothing is fetched yet.

    Raises:
        IssuerUnusableError: its keys or certificates are of no use.
    """
    return Issuer(
        name=issuer.name,
        iss=issuer.iss,
        kind=issuer.kind,
        keys=_keys(issuer, clients),
        algorithms=frozenset(issuer.algorithms),
        audience=issuer.audience,
        leeway=timedelta(seconds=issuer.leeway_seconds),
        tee_key_paths=issuer.tee_key_paths,
    )


def parse_anchors(pem: str) -> Sequence[x509.Certificate]:
    """The certificates of a PEM text.

    Raises:
        IssuerUnusableError: there is none, or more than ``MAX_ANCHORS``.
    """
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise IssuerUnusableError("the text holds no PEM certificates") from error
    if len(found) > MAX_ANCHORS:
        raise IssuerUnusableError(f"there are at most {MAX_ANCHORS} certificates")
    return found


def _keys(issuer: StoredIssuer, clients: Clients) -> KeySource:
    if issuer.kind is IssuerKind.JWKS_URL:
        return FetchedKeys(
            issuer.url,
            issuer.iss,
            clients.client(issuer.tls_ca),
            allows_http=clients.allows_http,
        )
    if issuer.kind is IssuerKind.CA_CERTIFICATES:
        return CertifiedKeys(parse_anchors(issuer.certificates))
    try:
        return FileKeys(parse_key_set(issuer.key_set))
    except UnusableKeyError as error:
        raise IssuerUnusableError(str(error)) from error
