"""Attestation policies and resource policies behind one face, for pages that treat both alike."""

from __future__ import annotations

from dataclasses import dataclass

from app.attestation.policies import AttestationPolicies
from app.broker.policies import ResourcePolicies
from app.broker.scopes import Scope, ScopedPolicy
from app.console.policy_checks import PolicyWarning, Probe, probes, warnings
from app.console.policy_examples import PolicyExamples
from app.trust.audit import Actor
from app.trust.errors import MalformedRequestError, PolicyNotFoundError
from app.trust.policies import PolicyKind, PolicyVersion
from app.trust.policy_engine import PolicyEngine, PolicyText
from app.trust.policy_examples import ExampleResult


@dataclass(frozen=True, slots=True)
class PolicyHistory:
    """A policy with all its versions.

    Attributes:
        versions: newest first, never empty.
    """

    kind: PolicyKind
    policy_id: str
    versions: tuple[PolicyVersion, ...]

    @property
    def newest(self) -> PolicyVersion:
        """The version that an edit begins with."""
        return self.versions[0]

    @property
    def active(self) -> PolicyVersion | None:
        """The version that decides; ``None`` when the policy was taken away."""
        return self.newest if self.newest.active else None

    @property
    def scope(self) -> str:
        """Of a resource policy, as a path; nothing for the global one."""
        return str(Scope.of_policy(self.policy_id)) if self.kind is PolicyKind.RESOURCE else ""

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
class PolicyReview:
    """What to know about a text before it decides.

    Attributes:
        probes: what a resource policy says of typical guests; none of an attestation policy.
    """

    warnings: tuple[PolicyWarning, ...]
    probes: tuple[Probe, ...]
    examples: tuple[ExampleResult, ...]

    @property
    def broken(self) -> tuple[ExampleResult, ...]:
        """The examples that do not hold."""
        return tuple(result for result in self.examples if not result.holds)


@dataclass(frozen=True, slots=True)
class PolicyShelf:
    """Lists, finds, reviews and saves policies of both kinds."""

    attestation: AttestationPolicies
    resource: ResourcePolicies
    examples: PolicyExamples
    engine: PolicyEngine

    def all(self) -> list[PolicyVersion]:
        """The active version of every policy: attestation by id, then resource by scope."""
        return [*self.attestation.active(), *self.resource.active()]

    def history(self, kind: PolicyKind, policy_id: str) -> PolicyHistory:
        """A policy with its versions, taken away or not.

        Raises:
            PolicyNotFoundError: there never was one of this id.
        """
        versions = self._of(kind).newest_versions(policy_id)
        if not versions:
            raise PolicyNotFoundError("there is no policy of this id")
        return PolicyHistory(kind, policy_id, tuple(versions))

    def review(self, kind: PolicyKind, policy_id: str, text: str) -> PolicyReview:
        """What to know about a text that could be set.

        Raises:
            MalformedRequestError: the id is of no policy of this kind.
            MalformedPolicyError: it could not be set.
        """
        self._of(kind).check(policy_id, text)
        return PolicyReview(
            warnings=warnings(kind, policy_id, text, self.engine),
            probes=self.probes(kind, policy_id, text),
            examples=tuple(self.examples.run(kind, policy_id, text)),
        )

    def probes(self, kind: PolicyKind, policy_id: str, text: str) -> tuple[Probe, ...]:
        """What a resource policy says of typical guests; nothing of an attestation policy.

        Raises:
            MalformedPolicyError: it does not compile.
        """
        if kind is PolicyKind.ATTESTATION:
            return ()
        policy = PolicyText.of(f"{policy_id}.rego", text)
        return probes(ScopedPolicy.of(policy_id, policy, self.engine), self.engine)

    def save(
        self, kind: PolicyKind, policy_id: str, text: str, actor: Actor, *, based_on: int | None
    ) -> PolicyVersion:
        """Check a text and make it the active version.

        Args:
            kind: of the policy.
            policy_id: of the policy.
            text: Rego source.
            actor: who saves it.
            based_on: the version that the text is an edit of, 0 for a new policy; ``None`` replaces
                whatever is active.

        Raises:
            NeedsApprovalError: the two-person rule is on.
            MalformedRequestError: the id is not one.
            MalformedPolicyError: the text cannot serve.
            BrokenExamplesError: it breaks an example.
            ConflictError: someone else saved a version meanwhile.
        """
        if kind is PolicyKind.ATTESTATION:
            return self.attestation.set(policy_id, text, actor, based_on=based_on)
        return self.resource.set(text, actor, policy_id=policy_id, based_on=based_on)

    def roll_back(
        self, kind: PolicyKind, policy_id: str, version: int, actor: Actor, *, based_on: int | None
    ) -> PolicyVersion:
        """Make an old text the active version again.

        Raises:
            PolicyNotFoundError: there is no such version.
            DomainError: as ``save``.
        """
        old = self.history(kind, policy_id).version(version)
        return self.save(kind, policy_id, old.text, actor, based_on=based_on)

    def take_away(
        self, kind: PolicyKind, policy_id: str, actor: Actor, *, based_on: int | None
    ) -> None:
        """Take a policy away; its versions stay to be read.

        Raises:
            NeedsApprovalError: the two-person rule is on.
            MalformedRequestError: it is one that is only ever replaced.
            PolicyNotFoundError: there is none.
            ConflictError: another version is active than was seen.
        """
        self._of(kind).take_away(policy_id, actor, based_on=based_on)

    def versions(self, kind: PolicyKind, policy_id: str) -> list[PolicyVersion]:
        """Every version of a policy, newest first; none when there never was one."""
        return self._of(kind).newest_versions(policy_id)

    def newest_number(self, kind: PolicyKind, policy_id: str) -> int:
        """The number of the newest version, taken away or not; 0 when there never was one."""
        versions = self.versions(kind, policy_id)
        return versions[0].version if versions else 0

    def _of(self, kind: PolicyKind) -> AttestationPolicies | ResourcePolicies:
        return self.attestation if kind is PolicyKind.ATTESTATION else self.resource


def policy_kind(text: str) -> PolicyKind:
    """``attestation`` or ``resource``.

    Raises:
        MalformedRequestError: it is neither.
    """
    try:
        return PolicyKind(text)
    except ValueError as error:
        raise MalformedRequestError("a policy is of the kind attestation or resource") from error
