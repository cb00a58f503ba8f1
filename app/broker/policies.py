"""Resource policies: who gets which secret, decided in Rego (wire.md section 5).

Versions, and what is refused when one is set; ``app/broker/scopes.py`` has what they decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.broker.examples import run_examples
from app.broker.scopes import (
    ALLOW,
    DENY,
    GLOBAL_POLICY_ID,
    Scope,
    ScopedPolicies,
    ScopedPolicy,
)
from app.trust.approvals import Approval, ChangeRule
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import (
    MalformedPolicyError,
    MalformedRequestError,
    PolicyNotFoundError,
)
from app.trust.policies import (
    CheckedPolicy,
    PolicyKind,
    PolicyStore,
    PolicyVersion,
    require_active,
    require_successor,
)
from app.trust.policy_engine import PolicyEngine, PolicyText
from app.trust.policy_examples import ExampleStore, require_all_hold
from app.trust.revisions import RevisionCache, Revisions
from app.trust.transactions import Transactions


class ResourcePolicies:
    """Sets resource policies, and knows those that decide."""

    def __init__(  # noqa: PLR0913  (collaborators, by name)
        self,
        *,
        store: PolicyStore,
        engine: PolicyEngine,
        audit: AuditLog,
        transactions: Transactions,
        clock: Clock,
        rule: ChangeRule,
        examples: ExampleStore,
        plugins: frozenset[str],
    ) -> None:
        """Take where policies live, what checks them, and what writes changes down.

        Args:
            store: where versions live.
            engine: checks them.
            audit: where changes are written down.
            transactions: opens the transactions of changes.
            clock: tells the time.
            rule: whether one person may change policies alone.
            examples: what versions must hold to.
            plugins: the names that a scope may begin with.
        """
        self._store = store
        self._engine = engine
        self._audit = audit
        self._transactions = transactions
        self._clock = clock
        self._rule = rule
        self._examples = examples
        self._plugins = plugins
        self._looked_through: dict[tuple[str, str], ScopedPolicy] = {}
        self._active = RevisionCache(self._load)

    def set(
        self,
        text: str,
        actor: Actor,
        *,
        policy_id: str = GLOBAL_POLICY_ID,
        based_on: int | None = None,
    ) -> PolicyVersion:
        """Let a text decide, once it has proved that it can.

        Args:
            text: Rego source.
            actor: who sets it.
            policy_id: of the global policy, or of the one with a scope.
            based_on: the number of the version that the text is an edit of; ``None`` replaces
                whatever is active.

        Raises:
            NeedsApprovalError: the two-person rule is on.
            MalformedRequestError, MalformedPolicyError: as ``check``.
            BrokenExamplesError: it breaks an example that is kept beside it.
            ConflictError: there is a newer version than the text is based on.
            StoreUnavailableError: it could not be written down; the old one stays.
        """
        self._rule.require(actor, None)
        checked = self.check(policy_id, text)
        with self._transactions():
            return self.install(checked, actor, based_on=based_on)

    def check(self, policy_id: str, text: str) -> CheckedPolicy:
        """Check that a text could decide.

        Raises:
            MalformedRequestError: the id is of no resource policy, or its scope could hold nothing
                that is served.
            MalformedPolicyError: it does not compile; the global policy has no rule ``allow`` in
                package ``policy``, one with a scope neither ``allow`` nor ``deny``.
        """
        scope = self._scope(policy_id)
        policy = PolicyText.of(f"{policy_id}.rego", text)
        self._engine.check(policy, rules=(), reference_values=False)
        rules = self._engine.rules(policy, reference_values=False) & {ALLOW, DENY}
        if not scope.segments and ALLOW not in rules:
            raise MalformedPolicyError(f"{policy.name} has no rule 'allow'")
        if not rules:
            raise MalformedPolicyError(f"{policy.name} has neither a rule 'allow' nor 'deny'")
        self._engine.check(policy, rules=tuple(sorted(rules)), reference_values=False)
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
            BrokenExamplesError: it breaks an example that is kept beside it.
            ConflictError: there is a newer version than the text is based on.
        """
        self._rule.require(actor, approval)
        self._require_examples(checked)
        version = self._append(checked, actor, approval)
        require_successor(version, based_on)
        return version

    def take_away(self, policy_id: str, actor: Actor, *, based_on: int | None = None) -> None:
        """Take a policy away, as ``remove`` does, in a transaction of its own."""
        with self._transactions():
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
            MalformedRequestError: it is the global policy, which every start would bring back.
            PolicyNotFoundError: there is none.
            ConflictError: another version than ``based_on`` is active.
        """
        self._rule.require(actor, approval)
        if policy_id == GLOBAL_POLICY_ID:
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
        if self.active_version(GLOBAL_POLICY_ID) is not None:
            return False
        checked = self.check(GLOBAL_POLICY_ID, text)
        with self._transactions():
            self.install(checked, actor, approval=Approval("", actor.name, actor.name))
        return True

    def applicable(self, revisions: Revisions, path: Sequence[str]) -> tuple[ScopedPolicy, ...]:
        """The policies that decide about a path, the narrowest first, as of these revisions.

        Args:
            revisions: read once for the request.
            path: the plugin, then the segments.
        """
        return self._active.get(revisions.policies).applicable(path)

    def current(self) -> ScopedPolicies:
        """Every policy that decides now, read afresh."""
        return self._load()

    def active(self) -> list[PolicyVersion]:
        """The version of each policy that decides now, by scope, read afresh."""
        found = self._store.active(PolicyKind.RESOURCE).values()
        return sorted(found, key=lambda each: Scope.of_policy(each.policy_id).segments)

    def active_version(self, policy_id: str) -> PolicyVersion | None:
        """The version that decides now, read afresh."""
        return self._store.active(PolicyKind.RESOURCE).get(policy_id)

    def get(self, policy_id: str = GLOBAL_POLICY_ID) -> PolicyText:
        """A policy that decides, for reading.

        Raises:
            PolicyNotFoundError: none of this id is set.
        """
        version = self.active_version(policy_id)
        if version is None:
            raise PolicyNotFoundError("no resource policy of this id is set")
        return version.as_text()

    def ids(self) -> list[str]:
        """The ids of the policies that are set, the global one first."""
        return sorted(self._store.active(PolicyKind.RESOURCE))

    def newest_versions(self, policy_id: str) -> list[PolicyVersion]:
        """Every version of a policy, newest first; none when there never was one."""
        return self._store.versions(PolicyKind.RESOURCE, policy_id)

    def versions(self, policy_id: str = GLOBAL_POLICY_ID) -> list[PolicyVersion]:
        """Every version of a policy, newest first."""
        return self._store.versions(PolicyKind.RESOURCE, policy_id)

    def _scope(self, policy_id: str) -> Scope:
        scope = Scope.of_policy(policy_id)
        plugin = scope.segments[:1]
        if plugin and plugin[0] not in self._plugins:
            known = ", ".join(sorted(self._plugins))
            raise MalformedRequestError(f"a scope begins with a plugin that is enabled: {known}")
        if plugin == ("resource",) and len(scope.segments) > 4:
            raise MalformedRequestError("below resource there are three segments at most")
        return scope

    def _load(self) -> ScopedPolicies:
        """Every active policy; a text that was looked through once is not again."""
        active = self._store.active(PolicyKind.RESOURCE)
        known, looked_through = self._looked_through, {}
        for policy_id, version in active.items():
            key = (policy_id, version.digest)
            found = known.get(key) or ScopedPolicy.of(policy_id, version.as_text(), self._engine)
            looked_through[key] = found
        self._looked_through = looked_through
        return ScopedPolicies(looked_through.values())

    def _require_examples(self, checked: CheckedPolicy) -> None:
        """Run the examples that are kept beside the policy; all must hold."""
        examples = self._examples.all(PolicyKind.RESOURCE, checked.policy_id)
        if examples:
            policy = ScopedPolicy.of(checked.policy_id, checked.text, self._engine)
            results = run_examples(policy, examples, self._engine)
            require_all_hold(checked.policy_id, results)

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
