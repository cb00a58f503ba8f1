"""A token taken apart and verified: each check in its order, up to the one that fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app.attestation.ear import TrustTier
from app.broker.compact_tokens import UnverifiedToken, parse_compact_token
from app.broker.issuers import Issuer, Issuers
from app.broker.json_pointers import MISSING, resolve
from app.broker.tokens import TokenVerifier
from app.console.inspection.claims import TOKEN_CLAIMS, ClaimLine, evidence_lines
from app.console.inspection.times import RelativeTime, relative_time
from app.trust.clock import Clock
from app.trust.errors import (
    DomainError,
    EarlyTokenError,
    ExpiredTokenError,
    IssuerUnavailableError,
    TokenAlgorithmError,
    TokenAudienceError,
    TokenChainError,
    TokenSignatureError,
    UnknownKeyError,
    UntrustedIssuerError,
)
from app.trust.json_types import JSONObject, JSONValue
from app.trust.revisions import Revisions, RevisionStore
from app.trust.sentences import marked
from guest.wire.errors import WireError
from guest.wire.jwk import parse_tee_public_key
from guest.wire.tees import TEES

_TIMES = ("iat", "nbf", "exp")
_CHECKS = (
    marked("issuer"),
    marked("algorithm"),
    marked("key"),
    marked("signature"),
    marked("times"),
    marked("audience"),
)
# At which check each refusal is raised (app/broker/tokens.py); what is not here is about the times.
_FAILING: dict[type[DomainError], str] = {
    UntrustedIssuerError: "issuer",
    TokenAlgorithmError: "algorithm",
    UnknownKeyError: "key",
    TokenChainError: "key",
    IssuerUnavailableError: "key",
    TokenSignatureError: "signature",
    ExpiredTokenError: "times",
    EarlyTokenError: "times",
    TokenAudienceError: "audience",
}
_EVIDENCE = "ear.veraison.annotated-evidence"


@dataclass(frozen=True, slots=True)
class Check:
    """One step of the verification.

    Attributes:
        name: ``issuer``, ``algorithm``, ``key``, ``signature``, ``times`` or ``audience``.
        state: ``met``, ``failed`` or ``not reached``.
        why: of a failure.
    """

    name: str
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class TrustClaim:
    """One number of a trust vector, with its tier."""

    name: str
    value: int
    tier: str


@dataclass(frozen=True, slots=True)
class Appraised:
    """One submodule of a token."""

    name: str
    status: str
    policy_id: str
    tee: str | None
    vector: tuple[TrustClaim, ...]
    claims: tuple[ClaimLine, ...]


@dataclass(frozen=True, slots=True)
class BoundKey:
    """The TEE key that responses would be sealed to.

    Attributes:
        path: where in the token, a JSON pointer.
        members: ``kty``, ``crv``, ``alg`` of the JWK, as far as they are there.
        fault: why responses cannot be sealed to it; empty when they can.
    """

    path: str
    members: JSONObject
    fault: str = ""


@dataclass(frozen=True, slots=True)
class TokenReport:
    """What a token says, and whether to believe it.

    Attributes:
        code: the reason code of the refusal; empty for a token that verifies.
        why: of the refusal, in a sentence.
        issuer: the name of the trusted issuer that it names, if there is one.
        unverified_header: of the JWS.
        unverified_claims: the payload; believed only where ``is_verified``.
        members: the top members with their meaning.
    """

    code: str
    why: str
    issuer: str | None
    checks: tuple[Check, ...]
    times: tuple[RelativeTime, ...]
    tee_key: BoundKey | None
    submodules: tuple[Appraised, ...]
    members: tuple[tuple[str, JSONValue, str], ...]
    unverified_header: JSONObject = field(repr=False)
    unverified_claims: JSONObject = field(repr=False)

    @property
    def is_verified(self) -> bool:
        """Whether every check was met."""
        return not self.code


@dataclass(frozen=True, slots=True)
class TokenInspector:
    """Takes tokens apart; remembers and records nothing."""

    verifier: TokenVerifier
    revisions: RevisionStore
    clock: Clock

    def inspect(self, text: str, *, issuer: str | None = None) -> TokenReport:
        """What a token says, and the first check that it does not meet.

        Args:
            text: a compact JWS; white space around it does not count.
            issuer: the name of the issuer that it has to be from; ``None`` takes any trusted one.

        Raises:
            MalformedTokenError: it is no token at all.
            TokenAlgorithmError: it demands extensions that are not known here.
        """
        text = "".join(text.split())
        token = parse_compact_token(text)
        now, revisions = self.clock.now(), self.revisions.current()
        trusted = self._issuer(token, revisions)
        refusal = self._refusal(text, token, now, revisions, issuer)
        paths = trusted.all_tee_key_paths if trusted else ()
        claims = token.unverified_claims
        return TokenReport(
            code=refusal.code if refusal else "",
            why=refusal.message if refusal else "",
            issuer=trusted.name if trusted else None,
            checks=_checks(refusal),
            times=tuple(_times(claims, now)),
            tee_key=_bound_key(claims, paths),
            submodules=tuple(_submodules(claims)),
            members=tuple(
                (name, value, TOKEN_CLAIMS.get(name, ""))
                for name, value in claims.items()
                if name != "submods"
            ),
            unverified_header=token.unverified_header,
            unverified_claims=claims,
        )

    def _issuer(self, token: UnverifiedToken, revisions: Revisions) -> Issuer | None:
        try:
            return self.verifier.issuers.at(revisions).of(token)
        except UntrustedIssuerError:
            return None

    def _refusal(
        self,
        text: str,
        token: UnverifiedToken,
        now: datetime,
        revisions: Revisions,
        issuer: str | None,
    ) -> DomainError | None:
        try:
            if issuer is not None:
                _require(self.verifier.issuers.at(revisions), token, issuer)
            self.verifier.verify(text, now, revisions)
        except DomainError as error:
            return error
        return None


def _require(issuers: Issuers, token: UnverifiedToken, name: str) -> None:
    if issuers.of(token).name != name:
        raise UntrustedIssuerError(f"the token is from another issuer than {name}")


def _checks(refusal: DomainError | None) -> tuple[Check, ...]:
    if refusal is None:
        return tuple(Check(name, "met") for name in _CHECKS)
    failing = next((name for kind, name in _FAILING.items() if isinstance(refusal, kind)), "times")
    at = _CHECKS.index(failing)
    return tuple(
        Check(name, "failed", refusal.message)
        if name == failing
        else Check(name, "met" if index < at else "not reached")
        for index, name in enumerate(_CHECKS)
    )


def _times(claims: JSONObject, now: datetime) -> list[RelativeTime]:
    found = [relative_time(name, claims.get(name), now) for name in _TIMES]
    return [each for each in found if each is not None]


def _bound_key(claims: JSONObject, paths: tuple[str, ...]) -> BoundKey | None:
    for path in paths:
        found = resolve(claims, path)
        if found is MISSING:
            continue
        members = found if isinstance(found, dict) else {}
        told = {name: members[name] for name in ("kty", "crv", "alg") if name in members}
        try:
            parse_tee_public_key(found)
        except WireError as error:
            return BoundKey(path, told, str(error))
        return BoundKey(path, told)
    return None


def _submodules(claims: JSONObject) -> list[Appraised]:
    submodules = claims.get("submods")
    if not isinstance(submodules, dict):
        return []
    found = []
    for name, each in submodules.items():
        members = each if isinstance(each, dict) else {}
        evidence = members.get(_EVIDENCE)
        annotated = evidence if isinstance(evidence, dict) else {}
        tee = next(iter(sorted(TEES & annotated.keys())), None)
        found.append(
            Appraised(
                name=name,
                status=str(members.get("ear.status", "none")),
                policy_id=str(members.get("ear.appraisal-policy-id", "")),
                tee=tee,
                vector=tuple(_vector(members.get("ear.trustworthiness-vector"))),
                claims=tuple(evidence_lines(tee or "", annotated)),
            )
        )
    return found


def _vector(value: JSONValue) -> list[TrustClaim]:
    numbers = value if isinstance(value, dict) else {}
    return [
        TrustClaim(name, number, TrustTier.of(number).label)
        for name, number in numbers.items()
        if isinstance(number, int) and not isinstance(number, bool)
    ]
