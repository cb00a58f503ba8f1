"""Policies as stored things: named, versioned, one version active. Both services build on this."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.trust.errors import ConflictError
from app.trust.policy_engine import PolicyText


class PolicyKind(StrEnum):
    """Whose policy it is."""

    ATTESTATION = "attestation"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a policy; versions are appended and never changed.

    Attributes:
        policy_id: ``default_cpu`` of an attestation policy; ``resource-policy`` of the global
            resource policy, ``scope:resource:prod`` of one with a scope.
        version: 1, 2, 3 … per policy.
        created_by: the actor's name.
        active: whether this version decides.
    """

    kind: PolicyKind
    policy_id: str
    version: int
    text: str
    digest: str
    created_at: datetime
    created_by: str
    active: bool

    def as_text(self) -> PolicyText:
        """What the engine takes."""
        return PolicyText(f"{self.policy_id}.rego", self.text, self.digest)


@dataclass(frozen=True, slots=True)
class CheckedPolicy:
    """A policy that its service has checked; what is written down is always one of these."""

    policy_id: str
    text: PolicyText


class PolicyStore(Protocol):
    """Where policies live."""

    def active(self, kind: PolicyKind) -> dict[str, PolicyVersion]:
        """The active version of every policy of a kind, by policy id."""
        ...

    def append(
        self, kind: PolicyKind, policy: PolicyText, policy_id: str, at: datetime, by: str
    ) -> PolicyVersion:
        """Add a version and make it the active one; raises the ``policies`` revision."""
        ...

    def deactivate(self, kind: PolicyKind, policy_id: str) -> PolicyVersion | None:
        """Let no version of a policy decide any more; the one that did, or ``None``.

        Raises the ``policies`` revision; what was appended stays.
        """
        ...

    def by_digest(self, digest: str) -> PolicyText | None:
        """Any version with this text, active or not; for replay."""
        ...

    def versions(self, kind: PolicyKind, policy_id: str) -> list[PolicyVersion]:
        """All versions of a policy, newest first."""
        ...


def require_successor(version: PolicyVersion, based_on: int | None) -> None:
    """Refuse a version that would silently replace one that its author has not seen.

    Asked after the version was appended and before its transaction ends: only then does its number
    tell for certain what it follows.

    Raises:
        ConflictError: a newer version than ``based_on`` was active; ``None`` asks for nothing.
    """
    if based_on is not None and version.version != based_on + 1:
        raise ConflictError(
            f"{version.policy_id} has changed: version {version.version - 1} is active, "
            f"the edit began with version {based_on}"
        )


def require_active(version: PolicyVersion, based_on: int | None) -> None:
    """Refuse to take a version away that whoever asks has not seen.

    Raises:
        ConflictError: another version than ``based_on`` is active; ``None`` asks for nothing.
    """
    if based_on is not None and version.version != based_on:
        raise ConflictError(
            f"{version.policy_id} has changed: version {version.version} is active, "
            f"what was seen was version {based_on}"
        )


def policies_digest(policies: Mapping[str, str]) -> str | None:
    """The digest of the one policy, or SHA-256 of the sorted lines ``id digest`` of several, hex.

    Args:
        policies: digests of texts by policy id.
    """
    if len(policies) < 2:
        return next(iter(policies.values()), None)
    lines = "".join(f"{policy_id} {digest}\n" for policy_id, digest in sorted(policies.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
