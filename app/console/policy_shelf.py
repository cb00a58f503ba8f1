"""Attestation policies and the resource policy behind one face, for pages that treat both alike."""

from __future__ import annotations

from dataclasses import dataclass

from app.attestation.policies import AttestationPolicies
from app.broker.policies import ResourcePolicies
from app.trust.audit import Actor
from app.trust.errors import PolicyNotFoundError
from app.trust.policies import PolicyKind, PolicyVersion


@dataclass(frozen=True, slots=True)
class PolicyHistory:
    """A policy with all its versions.

    Attributes:
        versions: newest first, never empty; the newest is the active one.
    """

    kind: PolicyKind
    policy_id: str
    versions: tuple[PolicyVersion, ...]

    @property
    def active(self) -> PolicyVersion:
        """The version that decides."""
        return self.versions[0]

    def version(self, number: int) -> PolicyVersion:
        """One of the versions.

        Raises:
            PolicyNotFoundError: there is none of this number.
        """
        for version in self.versions:
            if version.version == number:
                return version
        raise PolicyNotFoundError(f"{self.policy_id} has no version {number}")


@dataclass(frozen=True, slots=True)
class PolicyShelf:
    """Lists, finds and saves policies of both kinds."""

    attestation: AttestationPolicies
    resource: ResourcePolicies

    def all(self) -> list[PolicyHistory]:
        """Every policy: those of attestation by id, then the one of resources."""
        listed = [(PolicyKind.ATTESTATION, policy_id) for policy_id in self.attestation.ids()]
        listed += [(PolicyKind.RESOURCE, policy_id) for policy_id in self.resource.ids()]
        return [self.history(kind, policy_id) for kind, policy_id in listed]

    def history(self, kind: PolicyKind, policy_id: str) -> PolicyHistory:
        """A policy with its versions.

        Raises:
            PolicyNotFoundError: there is none of this id.
        """
        if kind is PolicyKind.ATTESTATION:
            versions = self.attestation.versions(policy_id)
        else:
            versions = self.resource.versions(policy_id)
        if not versions:
            raise PolicyNotFoundError("there is no policy of this id")
        return PolicyHistory(kind, policy_id, tuple(versions))

    def save(
        self, kind: PolicyKind, policy_id: str, text: str, actor: Actor, *, based_on: int
    ) -> PolicyVersion:
        """Check a text and make it the active version.

        Args:
            kind: of the policy.
            policy_id: of the policy.
            text: Rego source.
            actor: who saves it.
            based_on: the version that the text is an edit of, 0 for a new policy.

        Raises:
            MalformedRequestError: the id is not one.
            MalformedPolicyError: the text cannot serve.
            ConflictError: someone else saved a version meanwhile.
        """
        if kind is PolicyKind.ATTESTATION:
            return self.attestation.set(policy_id, text, actor, based_on=based_on)
        return self.resource.set(text, actor, policy_id=policy_id, based_on=based_on)
