"""The resource policy: who gets which secret, decided in Rego (wire.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from app.trust.approvals import Approval, ChangeRule
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import MalformedRequestError, PolicyNotFoundError
from app.trust.json_types import JSONObject
from app.trust.policies import (
    CheckedPolicy,
    PolicyKind,
    PolicyStore,
    PolicyVersion,
    require_active,
    require_successor,
)
from app.trust.policy_engine import PolicyEngine, PolicyText, Undefined
from app.trust.revisions import RevisionCache, Revisions
from app.trust.transactions import Transactions

RESOURCE_POLICY_ID = "resource-policy"

_RULE = "allow"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The policy allows the release."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The policy does not allow the release.

    Attributes:
        why: a sentence that names the rule, never the secret.
    """

    why: str


Decision: TypeAlias = Allowed | Denied


def decide(
    engine: PolicyEngine, policy: PolicyText, claims: JSONObject, data: JSONObject
) -> Decision:
    """Evaluate ``data.policy.allow``; only the value ``true`` allows.

    Args:
        engine: evaluates.
        policy: the resource policy.
        claims: of the verified token; what the policy sees as ``input``.
        data: what is asked for; what the policy sees as ``data``.

    Raises:
        PolicyFailedError: the evaluation failed; that is a no as well.
    """
    value = engine.evaluate(policy, (_RULE,), claims, data=data)[_RULE]
    if value is True:
        return Allowed()
    if value is False:
        return Denied("the resource policy's rule allow says no")
    if isinstance(value, Undefined):
        return Denied("the resource policy's rule allow is not defined for this request")
    return Denied("the resource policy's rule allow gives no boolean")


class ResourcePolicies:
    """Sets the resource policy, and knows the one that decides."""

    def __init__(
        self,
        *,
        store: PolicyStore,
        engine: PolicyEngine,
        audit: AuditLog,
        transactions: Transactions,
        clock: Clock,
        rule: ChangeRule,
    ) -> None:
        """Take where policies live, what checks them, and what writes changes down."""
        self._store = store
        self._engine = engine
        self._audit = audit
        self._transactions = transactions
        self._clock = clock
        self._rule = rule
        self._active = RevisionCache(self._load)

    def set(self, text: str, actor: Actor, *, based_on: int | None = None) -> PolicyVersion:
        """Make a text the resource policy, once it has proved that it can decide.

        Args:
            text: Rego source.
            actor: who sets it.
            based_on: the number of the version that the text is an edit of; ``None`` replaces
                whatever is active.

        Raises:
            NeedsApprovalError: the two-person rule is on.
            MalformedPolicyError: it does not compile, or has no rule ``allow`` in
                package ``policy``.
            ConflictError: there is a newer version than the text is based on.
            StoreUnavailableError: it could not be written down; the old one stays.
        """
        self._rule.require(actor, None)
        checked = self.check(RESOURCE_POLICY_ID, text)
        with self._transactions():
            return self.install(checked, actor, based_on=based_on)

    def check(self, policy_id: str, text: str) -> CheckedPolicy:
        """Check that a text could decide.

        Raises:
            PolicyNotFoundError: the id is of no resource policy.
            MalformedPolicyError: it does not compile, or has no rule ``allow`` in
                package ``policy``.
        """
        if policy_id != RESOURCE_POLICY_ID:
            raise PolicyNotFoundError("there is no resource policy of this id")
        policy = PolicyText.of(f"{policy_id}.rego", text)
        self._engine.check(policy, rules=(_RULE,), reference_values=False)
        return CheckedPolicy(policy_id, policy)

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
            ConflictError: there is a newer version than the text is based on.
        """
        self._rule.require(actor, approval)
        version = self._append(checked, actor, approval)
        require_successor(version, based_on)
        return version

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
            MalformedRequestError: it is the global policy, which every start would bring back.
            PolicyNotFoundError: there is none.
            ConflictError: another version than ``based_on`` is active.
        """
        self._rule.require(actor, approval)
        if policy_id == RESOURCE_POLICY_ID:
            raise MalformedRequestError("the global policy is replaced, and never taken away")
        before = self._store.deactivate(PolicyKind.RESOURCE, policy_id)
        if before is None:
            raise PolicyNotFoundError("there is no resource policy of this id")
        require_active(before, based_on)
        entry = AuditEntry(
            at=self._clock.now(),
            actor=actor,
            action="policy:resource:remove",
            subject=policy_id,
            before=before.digest,
        )
        self._audit.append(entry)
        self._rule.note_bypass(entry, approval, self._audit)

    def install_default(self, text: str, actor: Actor) -> bool:
        """Set a text unless there is a resource policy; whether it was set.

        Raises:
            MalformedPolicyError: as ``set``.
            StoreUnavailableError: as ``set``.
        """
        if self._load() is not None:
            return False
        checked = self.check(RESOURCE_POLICY_ID, text)
        with self._transactions():
            self.install(checked, actor, approval=Approval("", actor.name, actor.name))
        return True

    def active(self, revisions: Revisions) -> PolicyText | None:
        """The policy that decides, as of these revisions."""
        return self._active.get(revisions.policies)

    def active_version(self, policy_id: str) -> PolicyVersion | None:
        """The version that decides now, read afresh."""
        return self._store.active(PolicyKind.RESOURCE).get(policy_id)

    def get(self) -> PolicyText:
        """The policy that decides, for reading.

        Raises:
            PolicyNotFoundError: none is set.
        """
        policy = self._load()
        if policy is None:
            raise PolicyNotFoundError("no resource policy is set")
        return policy

    def ids(self) -> list[str]:
        """The ids of the policies that are set."""
        return sorted(self._store.active(PolicyKind.RESOURCE))

    def versions(self) -> list[PolicyVersion]:
        """Every version, newest first."""
        return self._store.versions(PolicyKind.RESOURCE, RESOURCE_POLICY_ID)

    def _load(self) -> PolicyText | None:
        version = self._store.active(PolicyKind.RESOURCE).get(RESOURCE_POLICY_ID)
        return None if version is None else version.as_text()

    def _append(
        self, checked: CheckedPolicy, actor: Actor, approval: Approval | None
    ) -> PolicyVersion:
        now, policy_id = self._clock.now(), checked.policy_id
        author = approval.author if approval else actor.name
        before = self._store.active(PolicyKind.RESOURCE).get(policy_id)
        version = self._store.append(PolicyKind.RESOURCE, checked.text, policy_id, now, author)
        entry = AuditEntry(
            at=now,
            actor=actor,
            action="policy:resource:set",
            subject=policy_id,
            before=before.digest if before else None,
            after=checked.text.digest,
        )
        self._audit.append(entry)
        self._rule.note_bypass(entry, approval, self._audit)
        return version
