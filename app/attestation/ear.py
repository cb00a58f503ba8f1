"""EAT Attestation Results (EAR) with AR4SI trust vectors, as typed data.

Sources: draft-ietf-rats-ear, draft-ietf-rats-ar4si, and wire.md section 9 for what Confidential
Containers' parties read. A value of a trust claim falls into a tier; the status of an appraisal is
the worst tier of its vector.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from app.trust.json_types import JSONObject

TRUST_CLAIMS = frozenset(
    {
        "instance-identity",
        "configuration",
        "executables",
        "file-system",
        "hardware",
        "runtime-opaque",
        "storage-opaque",
        "sourced-data",
    }
)
# A trust claim is a signed octet (AR4SI, section 2.3.2).
LEAST_CLAIM, GREATEST_CLAIM = -128, 127

PROFILE = "tag:github.com,2024:confidential-containers/Trustee"
NONCE, NO_NONCE = "nonce", "none"


class TrustTier(IntEnum):
    """How good, from the least alarming to the most; the order is what makes a status."""

    NONE = 0
    AFFIRMING = 1
    WARNING = 2
    CONTRAINDICATED = 3

    @property
    def label(self) -> str:
        """As it stands in ``ear.status``."""
        return self.name.lower()

    @classmethod
    def of(cls, value: int) -> TrustTier:
        """The tier of a trust claim's value, -128 to 127 (wire.md, section 9.3)."""
        if -1 <= value <= 1:
            return cls.NONE
        if value <= -97 or value >= 96:
            return cls.CONTRAINDICATED
        if value <= -33 or value >= 32:
            return cls.WARNING
        return cls.AFFIRMING


@dataclass(frozen=True, slots=True)
class Extension:
    """A claim that a policy adds to an appraisal.

    Attributes:
        name: of the claim.
        key: its integer form in CBOR tokens; not seen in JSON.
        value: any JSON but null.
    """

    name: str
    key: int
    value: object


@dataclass(frozen=True, slots=True)
class Submodule:
    """The appraisal of one attesting environment.

    Attributes:
        name: ``cpu0``, ``gpu1`` …
        policy_id: as it was asked for, without the class.
        vector: trust claims by name.
        annotated_evidence: what the policy saw.
        extensions: what the policy added.
    """

    name: str
    policy_id: str
    vector: dict[str, int]
    annotated_evidence: JSONObject = field(repr=False)
    extensions: tuple[Extension, ...] = ()

    @property
    def tier(self) -> TrustTier:
        """The worst tier of the vector."""
        return max((TrustTier.of(value) for value in self.vector.values()), default=TrustTier.NONE)

    def as_json(self) -> JSONObject:
        """The entry of ``submods``."""
        return {
            "ear.status": self.tier.label,
            "ear.trustworthiness-vector": self.vector,
            "ear.appraisal-policy-id": self.policy_id,
            **{extension.name: extension.value for extension in self.extensions},
            "ear.veraison.annotated-evidence": self.annotated_evidence,
        }


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs, and how long it vouches.

    Attributes:
        name: ``iss``.
        audience: ``aud``; ``None`` leaves it out.
        lifetime_seconds: from ``iat`` to ``exp``.
        developer: of the verifier id.
        build: of the verifier id.
    """

    name: str
    audience: str | None
    lifetime_seconds: int
    developer: str
    build: str


@dataclass(frozen=True, slots=True)
class EARToken:
    """The payload of a token.

    Attributes:
        token_id: ``jti``.
        nonce: what makes it fresh; ``None`` when nothing does, and the token says so.
    """

    issuer: Issuer
    token_id: str
    issued_at: datetime
    submodules: tuple[Submodule, ...]
    nonce: str | None = field(repr=False)

    @property
    def tier(self) -> TrustTier:
        """The worst tier of all submodules."""
        return max(submodule.tier for submodule in self.submodules)

    def as_json(self) -> JSONObject:
        """The claims, times in whole seconds since 1970."""
        issued = int(self.issued_at.timestamp())
        claims: JSONObject = {
            "eat_profile": PROFILE,
            "iat": issued,
            "nbf": issued,
            "exp": issued + self.issuer.lifetime_seconds,
            "iss": self.issuer.name,
            "jti": self.token_id,
            "ear.verifier-id": {"developer": self.issuer.developer, "build": self.issuer.build},
            "ear.vouchgate.freshness": NO_NONCE if self.nonce is None else NONCE,
            "submods": {submodule.name: submodule.as_json() for submodule in self.submodules},
        }
        if self.nonce is not None:
            claims["eat_nonce"] = self.nonce
        if self.issuer.audience is not None:
            claims["aud"] = self.issuer.audience
        return claims
