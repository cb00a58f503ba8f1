"""What an issuer publishes: discovery and its key set, fetched with restraint.

An address comes from the settings, or from an operator in the console. The server asks it with
nothing but a GET, follows no redirect, reads a bounded answer in a bounded time, and shows nothing
of an answer that is no key set; plain HTTP is for loopback.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from app.broker.verification_keys import UnusableKeyError, VerificationKey, parse_key_set
from app.trust.errors import IssuerUnusableError
from app.trust.http_client import HTTPClient, OutsideError
from app.trust.json_types import JSONObject
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

MAX_ADDRESS = 2048
# OpenID Connect Discovery 1.0, section 4.
DISCOVERY_PATH = "/.well-known/openid-configuration"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Located:
    """Where an issuer's keys are.

    Attributes:
        key_set_url: of its JWK set.
        iss: what discovery calls it; ``None`` when the address is that of the key set itself.
    """

    key_set_url: str
    iss: str | None


@dataclass(frozen=True, slots=True)
class IssuerDocuments:
    """Fetches what an issuer publishes.

    Attributes:
        client: with the authorities that addresses are checked against.
        allows_http: whether plain HTTP may leave this machine.
    """

    client: HTTPClient
    allows_http: bool = False

    def locate(self, url: str) -> Located:
        """The key set at an address, or the one that discovery below the address names.

        Raises:
            OutsideError: there is no answer, or no key set and no discovery.
            WireError: what answers is no JSON object.
        """
        try:
            if "keys" in self._document(url):
                return Located(url, None)
        except (WireError, NotServedError):
            # An issuer's base address often answers with a page, or not at all.
            pass
        return self._discover(url)

    def key_set(self, key_set_url: str) -> list[VerificationKey]:
        """The usable keys of a JWK set.

        Raises:
            OutsideError, WireError, UnusableKeyError: there are none to be had.
        """
        return parse_key_set(self._document(key_set_url))

    def _discover(self, url: str) -> Located:
        found = self._document(url.rstrip("/") + DISCOVERY_PATH)
        address, iss = found.get("jwks_uri"), found.get("issuer")
        if not isinstance(address, str) or not isinstance(iss, str):
            raise OutsideError("discovery names no issuer, or no key set")
        if not is_safe(address, allows_http=self.allows_http):
            raise OutsideError("discovery names a key set that is not behind TLS")
        return Located(address, iss)

    def _document(self, url: str) -> JSONObject:
        reply = self.client.get(url)
        if reply.status != 200:
            raise NotServedError(f"the issuer answers {reply.status}")
        return parse_json_object(reply.body)


class NotServedError(OutsideError):
    """The issuer answered, with another status than 200."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """What is at an address, before anyone trusts it.

    Attributes:
        url: as it was asked.
        iss: what discovery calls the issuer; ``None`` when it must be told.
        key_set_url: where the keys are.
        keys: its usable keys.
    """

    url: str
    iss: str | None
    key_set_url: str
    keys: tuple[VerificationKey, ...]

    @property
    def thumbprints(self) -> tuple[str, ...]:
        """Of its keys, RFC 7638 SHA-256, base64url, in order."""
        return tuple(sorted(key.thumbprint for key in self.keys))

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What its keys may verify, in order."""
        return tuple(sorted({name for key in self.keys for name in key.algorithms}))


def discover(documents: IssuerDocuments, url: str) -> Discovered:
    """Look at what an issuer publishes; nothing is trusted by that.

    Raises:
        IssuerUnusableError: the address is none to ask, or what is there is no issuer's.
    """
    check_address(url, allows_http=documents.allows_http)
    try:
        located = documents.locate(url)
        keys = documents.key_set(located.key_set_url)
    except (OutsideError, WireError, UnusableKeyError) as error:
        raise IssuerUnusableError(f"nothing to trust at this address: {error}") from error
    return Discovered(url, located.iss, located.key_set_url, tuple(keys))


def check_address(url: str, *, allows_http: bool) -> None:
    """Refuse an address that is none to ask.

    Raises:
        IssuerUnusableError: no https, or http off loopback, a name and password in it, or a
            fragment.
    """
    if not is_safe(url, allows_http=allows_http):
        raise IssuerUnusableError(
            "an issuer's address begins with https://, or with http:// on loopback, and has no "
            "name, password or fragment in it"
        )


def is_safe(url: str, *, allows_http: bool) -> bool:
    """Whether an address may be asked."""
    if len(url) > MAX_ADDRESS or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        return False
    loopback = parts.hostname in _LOOPBACK
    return parts.scheme == "https" or (parts.scheme == "http" and (loopback or allows_http))
