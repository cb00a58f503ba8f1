"""Who is trusted to vouch for guests: issuers of tokens, chosen by what a token says of itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from app.broker.compact_tokens import UnverifiedToken
from app.broker.issuer_keys import KeySource
from app.broker.verification_keys import SIGNATURE_ALGORITHMS
from app.trust.errors import ConfigError, UntrustedIssuerError
from app.trust.revisions import Revisions

# Where an EAR of the built-in service has the key (wire.md 9.4).
_EAR_KEY_PATH = "/submods/cpu0/ear.veraison.annotated-evidence/runtime_data_claims/tee-pubkey"


class IssuerKind(StrEnum):
    """Where an issuer's keys come from."""

    BUILTIN = "builtin"
    JWKS_URL = "jwks_url"
    JWKS_FILE = "jwks_file"
    # A key set that an operator gave in the console.
    JWKS = "jwks"
    CA_CERTIFICATES = "ca_certificates"


# Where the TEE key is looked for when settings do not say; the first that is there counts (wire.md
# 4.4). The built-in service has it in one place, others are known to use any of these.
_USUAL_KEY_PATHS = (
    "/tdx/attester_runtime_data/tee-pubkey",
    "/tdx/attester_user_data/tee-pubkey",
    "/customized_claims/runtime_data/tee-pubkey",
    _EAR_KEY_PATH,
    "/tee-pubkey",
)
DEFAULT_TEE_KEY_PATHS = {
    IssuerKind.BUILTIN: (_EAR_KEY_PATH,),
    IssuerKind.JWKS_URL: _USUAL_KEY_PATHS,
    IssuerKind.JWKS_FILE: _USUAL_KEY_PATHS,
    IssuerKind.JWKS: _USUAL_KEY_PATHS,
    IssuerKind.CA_CERTIFICATES: _USUAL_KEY_PATHS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """A token issuer that this KBS trusts.

    Attributes:
        name: what decisions and logs call it.
        iss: the claim by which its tokens name it.
        kind: where its keys come from.
        keys: finds them.
        algorithms: accepted signature algorithms.
        audience: required ``aud``; ``None`` checks none.
        leeway: accepted clock skew.
        tee_key_paths: JSON pointers (RFC 6901), tried in order before the usual ones.
    """

    name: str
    iss: str
    kind: IssuerKind
    keys: KeySource
    algorithms: frozenset[str] = frozenset({"ES256"})
    audience: str | None = None
    leeway: timedelta = timedelta(seconds=60)
    tee_key_paths: tuple[str, ...] = ()

    @property
    def all_tee_key_paths(self) -> tuple[str, ...]:
        """Where the TEE key is looked for."""
        return self.tee_key_paths + DEFAULT_TEE_KEY_PATHS[self.kind]


class IssuerSource(Protocol):
    """Knows who is trusted at any moment."""

    def at(self, revisions: Revisions) -> Issuers:
        """The issuers that are trusted as of these revisions."""
        ...


class Issuers:
    """All trusted issuers, each known by its ``iss``."""

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        """Take the issuers.

        Raises:
            ConfigError: listing every fault: two with one ``iss``, algorithms that no public key
                verifies, a path that is no JSON pointer.
        """
        self._by_iss: dict[str, Issuer] = {}
        faults: list[str] = []
        for issuer in issuers:
            other = self._by_iss.setdefault(issuer.iss, issuer)
            if other is not issuer:
                faults.append(f"the issuers {other.name} and {issuer.name} have the same iss")
            faults += issuer_faults(issuer)
        if faults:
            raise ConfigError(faults)

    def at(self, revisions: Revisions) -> Issuers:  # noqa: ARG002  (a list that never changes)
        """These (see ``IssuerSource.at``)."""
        return self

    def of(self, token: UnverifiedToken) -> Issuer:
        """The issuer that the token says it is from; its signature has still to prove it.

        Raises:
            UntrustedIssuerError: it names none, or one that is not trusted here.
        """
        issuer = self._by_iss.get(token.issuer) if token.issuer is not None else None
        if issuer is None:
            raise UntrustedIssuerError("the token's issuer is not trusted here")
        return issuer


def issuer_faults(issuer: Issuer) -> list[str]:
    """Why an issuer cannot be: algorithms that no public key verifies, paths that are none."""
    faults = []
    unknown = sorted(issuer.algorithms - SIGNATURE_ALGORITHMS)
    if unknown or not issuer.algorithms:
        known = ", ".join(sorted(SIGNATURE_ALGORITHMS))
        faults.append(f"the algorithms of the issuer {issuer.name} are to be among {known}")
    faults += [
        f"{path!r} of the issuer {issuer.name} is no JSON pointer"
        for path in issuer.tee_key_paths
        if not path.startswith("/")
    ]
    return faults
