"""Trusting another issuer: what is at an address is shown first, and trusted when confirmed."""

from __future__ import annotations

from dataclasses import dataclass

from app.broker.issuer_documents import Discovered, IssuerDocuments, discover
from app.broker.issuers import IssuerKind
from app.broker.stored_issuers import Clients, StoredIssuer
from app.broker.trusted_issuers import TrustedIssuers
from app.trust.audit import Actor
from app.trust.clock import Clock
from app.trust.errors import ConflictError, IssuerUnusableError, MalformedRequestError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

MAX_TEXT = 256 * 1024
_MAX_ENTRIES = 64
_MEMBERS = frozenset(
    {
        *("name", "issuer", "url", "tls_ca", "key_set", "certificates", "thumbprints"),
        *("algorithms", "audience", "leeway_seconds", "tee_key_paths"),
    }
)


@dataclass(frozen=True, slots=True)
class IssuerDesk:
    """Where operators decide whom to trust."""

    issuers: TrustedIssuers
    clients: Clients
    clock: Clock

    def discover(self, url: str, tls_ca: str = "") -> Discovered:
        """What an issuer publishes at an address; nothing is trusted by that.

        Raises:
            IssuerUnusableError: the address is none to ask, or what is there is no issuer's.
        """
        documents = IssuerDocuments(
            self.clients.client(tls_ca), allows_http=self.clients.allows_http
        )
        return discover(documents, url)

    def add(self, body: JSONObject, actor: Actor) -> StoredIssuer:
        """Trust an issuer, by exactly one of ``url``, ``key_set`` and ``certificates``.

        An address is asked once more, and what answers has to be what was confirmed: its keys by
        ``thumbprints``, and its name where discovery tells one.

        Raises:
            MalformedRequestError, IssuerUnusableError: it could never vouch.
            ConflictError: the keys are others than those that were confirmed, or the issuer is
                known already.
        """
        unknown = sorted(body.keys() - _MEMBERS)
        if unknown:
            raise MalformedRequestError(f"there is no member {unknown[0][:40]!r}")
        kind = _kind(body)
        iss = text_of(body, "issuer")
        if kind is IssuerKind.JWKS_URL:
            iss = self._confirmed(body, iss)
        issuer = StoredIssuer(
            name=text_of(body, "name"),
            iss=iss,
            kind=kind,
            url=text_of(body, "url"),
            tls_ca=text_of(body, "tls_ca"),
            key_set=_key_set(body.get("key_set")),
            certificates=text_of(body, "certificates"),
            algorithms=texts_of(body, "algorithms") or ("ES256",),
            audience=text_of(body, "audience") or None,
            leeway_seconds=_leeway(body.get("leeway_seconds", 60)),
            tee_key_paths=texts_of(body, "tee_key_paths"),
            created_at=self.clock.now(),
            created_by=actor.name,
        )
        return self.issuers.add(issuer, actor)

    def _confirmed(self, body: JSONObject, iss: str) -> str:
        found = self.discover(text_of(body, "url"), text_of(body, "tls_ca"))
        if tuple(sorted(texts_of(body, "thumbprints"))) != found.thumbprints:
            raise ConflictError("the issuer's keys are not those that were confirmed")
        if found.iss is not None and iss not in ("", found.iss):
            raise ConflictError("discovery names another issuer than the one that was confirmed")
        return iss or found.iss or ""


def text_of(body: JSONObject, name: str) -> str:
    """A text of a request; empty when it is not there.

    Raises:
        MalformedRequestError: it is of another type, or too long.
    """
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise MalformedRequestError(f"{name} is a text of at most {MAX_TEXT} characters")
    return value.strip()


def texts_of(body: JSONObject, name: str) -> tuple[str, ...]:
    """A list of texts of a request; empty when it is not there.

    Raises:
        MalformedRequestError: it is of another type, or too long.
    """
    value = body.get(name)
    if value is None:
        return ()
    if (
        not isinstance(value, list)
        or len(value) > _MAX_ENTRIES
        or not all(isinstance(each, str) and each for each in value)
    ):
        raise MalformedRequestError(f"{name} is a list of at most {_MAX_ENTRIES} texts")
    return tuple(value)


def parse_key_set_text(text: str) -> JSONObject:
    """A JWK set that was pasted.

    Raises:
        IssuerUnusableError: it is no JSON object.
    """
    try:
        return parse_json_object(text)
    except WireError as error:
        raise IssuerUnusableError(f"the key set is no JSON: {error}") from error


def _kind(body: JSONObject) -> IssuerKind:
    kinds = {
        "url": IssuerKind.JWKS_URL,
        "key_set": IssuerKind.JWKS,
        "certificates": IssuerKind.CA_CERTIFICATES,
    }
    given = [kind for name, kind in kinds.items() if body.get(name)]
    if len(given) != 1:
        raise MalformedRequestError("name exactly one of url, key_set and certificates")
    return given[0]


def _key_set(value: JSONValue) -> JSONObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedRequestError("key_set is a JWK set")
    return _public(value)


def _public(key_set: JSONObject) -> JSONObject:
    """The public members of the keys: what is pasted by mistake is not kept."""
    keys = key_set.get("keys")
    if not isinstance(keys, list):
        return key_set
    private = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
    return {
        "keys": [
            {name: value for name, value in key.items() if name not in private}
            if isinstance(key, dict)
            else key
            for key in keys
        ]
    }


def _leeway(value: JSONValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedRequestError("leeway_seconds is a whole number")
    return value
