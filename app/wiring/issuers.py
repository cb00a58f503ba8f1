"""Whose tokens are believed, and what operators may do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.broker.issuer_keys import BuiltInKeys
from app.broker.issuers import Issuer, IssuerKind
from app.broker.trusted_issuers import TrustedIssuers
from app.console.certificates import CertificateLine, CertificateText, certificate_lines
from app.console.issuer_requests import IssuerDesk
from app.named.issuers import open_issuers
from app.store.issuers import SQLIssuerStore
from app.trust.errors import ConfigError, IssuerUnusableError
from app.trust.http_client import PooledHTTPClient
from app.trust.sentences import Text
from app.trust.signing_keys import KeyState
from app.wiring.foundations import Foundations

_TIMEOUT_SECONDS = 3.0
# Key sets and discovery are some kilobytes.
_MAX_DOCUMENT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class IssuerClients:
    """Makes clients for the addresses of added issuers; fits the port ``Clients``."""

    allows_http: bool

    def client(self, tls_ca: str) -> PooledHTTPClient:
        """One that believes these authorities, with short times and small answers."""
        try:
            return PooledHTTPClient(
                timeout_seconds=_TIMEOUT_SECONDS,
                ca_text=tls_ca,
                max_reply_bytes=_MAX_DOCUMENT_BYTES,
            )
        except (OSError, ValueError, TypeError) as error:
            raise IssuerUnusableError("the authorities of the address are no PEM") from error


def trusted_issuers(base: Foundations) -> TrustedIssuers:
    """Whose tokens the KBS believes: its own AS, what settings name, what operators added."""
    return TrustedIssuers(
        configured=_configured(base),
        store=SQLIssuerStore(base.database),
        clients=_clients(base),
        transactions=base.database.transaction,
        audit=base.audit,
        clock=base.clock,
    )


def issuer_desk(base: Foundations, issuers: TrustedIssuers) -> IssuerDesk:
    """Where operators decide whom to trust."""
    return IssuerDesk(issuers, _clients(base), base.clock)


def certificates(base: Foundations, issuers: TrustedIssuers) -> list[CertificateLine]:
    """Every certificate that this server stands on."""
    return certificate_lines(_certificate_texts(base, issuers), base.clock.now())


def _clients(base: Foundations) -> IssuerClients:
    return IssuerClients(base.settings.broker.insecure_http_issuers)


def _configured(base: Foundations) -> list[Issuer]:
    trusted = open_issuers(base.settings.broker)
    if "as" in base.settings.roles:
        keys = BuiltInKeys(base.token_keys)
        issuer = base.settings.token_issuer
        trusted.append(Issuer(name="builtin", iss=issuer, kind=IssuerKind.BUILTIN, keys=keys))
    return trusted


_SIGNING_KEYS = {
    KeyState.NEXT: Text("signing key, next"),
    KeyState.CURRENT: Text("signing key, current"),
    KeyState.RETIRED: Text("signing key, retired"),
}


def _of_issuer(name: str) -> Text:
    return Text("issuer %(name)s", {"name": name})


def _certificate_texts(base: Foundations, issuers: TrustedIssuers) -> Iterator[CertificateText]:
    settings = base.settings
    if settings.server.tls_certificate:
        where = "server.tls_certificate"
        yield CertificateText(Text("this server"), where, settings.server.tls_certificate)
    remote = settings.broker.remote_appraiser
    if remote is not None and remote.ca_file:
        where = "broker.remote_appraiser.ca_file"
        yield CertificateText(Text("remote appraiser"), where, remote.ca_file)
    for issuer in settings.broker.issuers:
        for path in (*issuer.ca_files, *((issuer.tls_ca_file,) if issuer.tls_ca_file else ())):
            yield CertificateText(_of_issuer(issuer.name), str(path), path)
    for each in issuers.all():
        stored = each.stored
        for pem in (stored.certificates, stored.tls_ca) if stored else ():
            if pem:
                yield CertificateText(_of_issuer(each.issuer.name), "console", pem)
    if "as" in settings.roles:
        yield from _signing_chain(base)


def _signing_chain(base: Foundations) -> Iterator[CertificateText]:
    try:
        authority = base.token_keys.authority()
        yield CertificateText(Text("token authority"), "database", authority)
    except ConfigError:
        return
    for key in base.token_keys.list():
        # The first of the chain is the key's own; the authority stands above already.
        leaf = key.certificates.partition("-----END CERTIFICATE-----")
        yield CertificateText(_SIGNING_KEYS[key.state], "database", leaf[0] + leaf[1])
