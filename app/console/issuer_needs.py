"""What a token of an issuer needs to be believed, for whoever has to make one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.broker.issuer_keys import ListedKeys
from app.broker.key_chains import CertifiedKeys
from app.broker.trusted_issuers import TrustedIssuer
from app.broker.verification_keys import VerificationKey
from app.console.certificates import written
from app.trust.errors import IssuerUnavailableError
from app.trust.json_types import JSONObject
from app.trust.revisions import Revisions


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """The keys of an issuer, as far as they can be told.

    Attributes:
        keys: that verify its tokens now.
        anchors: subjects of the certificates that chains must lead to.
        fault: why the keys cannot be told; empty when they can.
    """

    keys: tuple[VerificationKey, ...] = ()
    anchors: tuple[str, ...] = ()
    fault: str = ""


def keys_of(each: TrustedIssuer, now: datetime, revisions: Revisions) -> IssuerKeys:
    """The keys of an issuer; one elsewhere is asked when its keys are not fresh."""
    source = each.issuer.keys
    if isinstance(source, CertifiedKeys):
        names = tuple(written(anchor.subject) for anchor in source.anchors)
        return IssuerKeys(anchors=names)
    if not isinstance(source, ListedKeys):
        return IssuerKeys()
    try:
        return IssuerKeys(keys=tuple(source.known(now, revisions)))
    except IssuerUnavailableError as error:
        return IssuerKeys(fault=error.message)


def issuer_as_json(each: TrustedIssuer) -> JSONObject:
    """An issuer and how it came to be trusted, without its keys."""
    issuer, stored = each.issuer, each.stored
    return {
        "name": issuer.name,
        "issuer": issuer.iss,
        "kind": issuer.kind.value,
        "origin": "settings" if stored is None else "console",
        "believed": each.is_believed,
        "enabled": stored.enabled if stored else True,
        "overruled": each.overruled,
        "url": stored.url if stored else "",
        "algorithms": sorted(issuer.algorithms),
        "audience": issuer.audience,
        "leeway_seconds": int(issuer.leeway.total_seconds()),
        "tee_key_paths": list(issuer.all_tee_key_paths),
        "created_at": stored.created_at.isoformat() if stored else None,
        "created_by": stored.created_by if stored else None,
    }


def keys_as_json(keys: IssuerKeys) -> JSONObject:
    """The keys as the REST interface gives them."""
    return {
        "keys": [key_as_json(key) for key in keys.keys],
        "anchors": list(keys.anchors),
        "fault": keys.fault or None,
    }


def key_as_json(key: VerificationKey) -> JSONObject:
    """A key by its names: what a person compares."""
    return {
        "kid": key.key_id,
        "thumbprint": key.thumbprint,
        "algorithms": sorted(key.algorithms),
    }
