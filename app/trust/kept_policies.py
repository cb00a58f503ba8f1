"""Policies that a service keeps: versions are appended, one decides, and every change is told.

The two services differ in what a text must be to decide, and in what examples show; how a version
comes and goes is the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from app.trust.approvals import Approval, ChangeRule
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import MalformedRequestError, PolicyNotFoundError
from app.trust.policies import (
    CheckedPolicy,
    PolicyKind,
    PolicyStore,
    PolicyVersion,
    require_active,
    require_successor,
)
from app.trust.policy_engine import PolicyEngine
from app.trust.policy_examples import ExampleStore
from app.trust.transactions import Transactions

_SHOWN_CHARACTERS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKeeping:
    """What policies are kept with.

    Attributes:
        store: where versions live.
        engine: checks them.
        audit: where changes are written down.
        transactions: opens the transactions of changes.
        clock: tells the time.
        rule: whether one person may change policies alone.
        examples: what versions must hold to.
    """

    store: PolicyStore
    engine: PolicyEngine
    audit: AuditLog
    transactions: Transactions
    clock: Clock
    rule: ChangeRule
    examples: ExampleStore


class KeptPolicies(ABC):
    """The policies of one kind.

    Attributes:
        kind: of all of them.
        permanent: ids of those that every start would bring back.
    """

    kind: ClassVar[PolicyKind]
    permanent: ClassVar[frozenset[str]]

    def __init__(self, keeping: PolicyKeeping) -> None:
        """Take what they are kept with."""
        self._keeping = keeping
        self._store, self._engine = keeping.store, keeping.engine

    @abstractmethod
    def check(self, policy_id: str, text: str) -> CheckedPolicy:
        """Check that a text could decide.

        Raises:
            MalformedRequestError: the id is of no policy of this kind.
            MalformedPolicyError: the policy cannot serve; with line and column where known.
        """

    @abstractmethod
    def _require_examples(self, checked: CheckedPolicy) -> None:
        """Run the examples that are kept beside the policy; all must hold.

        Raises:
            BrokenExamplesError: one does not.
        """

    def active_version(self, policy_id: str) -> PolicyVersion | None:
        """The version that decides now, read afresh."""
        return self._store.active(self.kind).get(policy_id)

    def newest_versions(self, policy_id: str) -> list[PolicyVersion]:
        """Every version of a policy, newest first; none when there never was one."""
        return self._store.versions(self.kind, policy_id)

    def install(
        self,
        checked: CheckedPolicy,
        actor: Actor,
        *,
        based_on: int | None = None,
        approval: Approval | None = None,
    ) -> PolicyVersion:
        """Let a checked policy decide, inside the caller's transaction.

        Raises:
            NeedsApprovalError: the two-person rule is on, and there is no approval.
            BrokenExamplesError: it breaks an example that is kept beside it.
            ConflictError: there is a newer version than the text is based on.
        """
        self._keeping.rule.require(actor, approval)
        self._require_examples(checked)
        version = self._append(checked, actor, approval)
        require_successor(version, based_on)
        return version

    def take_away(self, policy_id: str, actor: Actor, *, based_on: int | None = None) -> None:
        """Take a policy away, as ``remove`` does, in a transaction of its own."""
        with self._keeping.transactions():
            self.remove(policy_id, actor, based_on=based_on)

    def remove(
        self,
        policy_id: str,
        actor: Actor,
        *,
        based_on: int | None = None,
        approval: Approval | None = None,
    ) -> None:
        """Take a policy away, inside the caller's transaction; its versions stay to be read.

        Raises:
            NeedsApprovalError: the two-person rule is on, and there is no approval.
            MalformedRequestError: every start would bring it back.
            PolicyNotFoundError: there is none.
            ConflictError: another version than ``based_on`` is active.
        """
        self._keeping.rule.require(actor, approval)
        if policy_id in self.permanent:
            raise MalformedRequestError(f"{policy_id} is replaced, and never taken away")
        before = self._store.deactivate(self.kind, policy_id)
        if before is None:
            raise self._not_found(policy_id)
        require_active(before, based_on)
        entry = AuditEntry(
            at=self._keeping.clock.now(),
            actor=actor,
            action=f"policy:{self.kind}:remove",
            subject=policy_id,
            before=before.digest,
        )
        self._tell(entry, approval)

    def _replace(
        self, policy_id: str, text: str, actor: Actor, based_on: int | None
    ) -> PolicyVersion:
        """Check a text and let it decide, in a transaction of its own."""
        self._keeping.rule.require(actor, None)
        checked = self.check(policy_id, text)
        with self._keeping.transactions():
            return self.install(checked, actor, based_on=based_on)

    def _append(
        self, checked: CheckedPolicy, actor: Actor, approval: Approval | None
    ) -> PolicyVersion:
        now, policy_id = self._keeping.clock.now(), checked.policy_id
        author = approval.author if approval else actor.name
        before = self.active_version(policy_id)
        version = self._store.append(self.kind, checked.text, policy_id, now, author)
        entry = AuditEntry(
            at=now,
            actor=actor,
            action=f"policy:{self.kind}:set",
            subject=policy_id,
            before=before.digest if before else None,
            after=checked.text.digest,
        )
        self._tell(entry, approval)
        return version

    def _tell(self, entry: AuditEntry, approval: Approval | None) -> None:
        self._keeping.audit.append(entry)
        self._keeping.rule.note_bypass(entry, approval, self._keeping.audit)

    def _not_found(self, policy_id: str) -> PolicyNotFoundError:
        told = repr(policy_id[:_SHOWN_CHARACTERS])
        return PolicyNotFoundError(f"there is no {self.kind} policy {told}")
