"""The resource policy: who gets which secret, decided in Rego (wire.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import PolicyNotFoundError
from app.trust.json_types import JSONObject
from app.trust.policies import PolicyKind, PolicyStore, PolicyVersion, require_successor
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
        store: PolicyStore,
        engine: PolicyEngine,
        audit: AuditLog,
        transactions: Transactions,
        clock: Clock,
    ) -> None:
        """Take where policies live, what checks them, and what writes changes down."""
        self._store = store
        self._engine = engine
        self._audit = audit
        self._transactions = transactions
        self._clock = clock
        self._active = RevisionCache(self._load)

    def set(self, text: str, actor: Actor, *, based_on: int | None = None) -> PolicyVersion:
        """Make a text the resource policy, once it has proved that it can decide.

        Args:
            text: Rego source.
            actor: who sets it.
            based_on: the number of the version that the text is an edit of; ``None`` replaces
                whatever is active.

        Raises:
            MalformedPolicyError: it does not compile, or has no rule ``allow`` in
                package ``policy``.
            ConflictError: there is a newer version than the text is based on.
            StoreUnavailableError: it could not be written down; the old one stays.
        """
        policy = PolicyText.of(f"{RESOURCE_POLICY_ID}.rego", text)
        self._engine.check(policy, rules=(_RULE,), reference_values=False)
        before = self._load()
        with self._transactions():
            version = self._append(policy, before, actor)
            require_successor(version, based_on)
            return version

    def install_default(self, text: str, actor: Actor) -> bool:
        """Set a text unless there is a resource policy; whether it was set.

        Raises:
            MalformedPolicyError: as ``set``.
            StoreUnavailableError: as ``set``.
        """
        if self._load() is not None:
            return False
        self.set(text, actor)
        return True

    def active(self, revisions: Revisions) -> PolicyText | None:
        """The policy that decides, as of these revisions."""
        return self._active.get(revisions.policies)

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

    def _append(self, policy: PolicyText, before: PolicyText | None, actor: Actor) -> PolicyVersion:
        now = self._clock.now()
        version = self._store.append(
            PolicyKind.RESOURCE, policy, RESOURCE_POLICY_ID, now, actor.name
        )
        self._audit.append(
            AuditEntry(
                at=now,
                actor=actor,
                action="policy:resource:set",
                subject=RESOURCE_POLICY_ID,
                before=before.digest if before else None,
                after=policy.digest,
            )
        )
        return version
