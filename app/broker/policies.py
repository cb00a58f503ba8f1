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
from app.trust.approvals import Approval
from app.trust.audit import Actor
from app.trust.errors import (
    MalformedPolicyError,
    MalformedRequestError,
)
from app.trust.kept_policies import KeptPolicies, PolicyKeeping
from app.trust.policies import (
    CheckedPolicy,
    PolicyKind,
    PolicyVersion,
)
from app.trust.policy_engine import PolicyText
from app.trust.policy_examples import require_all_hold
from app.trust.revisions import RevisionCache, Revisions


class ResourcePolicies(KeptPolicies):
    """Sets resource policies, and knows those that decide."""

    kind = PolicyKind.RESOURCE
    permanent = frozenset({GLOBAL_POLICY_ID})

    def __init__(self, keeping: PolicyKeeping, plugins: frozenset[str]) -> None:
        """Take what they are kept with, and the names that a scope may begin with."""
        super().__init__(keeping)
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
        return self._replace(policy_id, text, actor, based_on)

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

    def install_default(self, text: str, actor: Actor) -> bool:
        """Set a text unless there is a resource policy; whether it was set.

        Raises:
            MalformedPolicyError: as ``set``.
            StoreUnavailableError: as ``set``.
        """
        if self.active_version(GLOBAL_POLICY_ID) is not None:
            return False
        checked = self.check(GLOBAL_POLICY_ID, text)
        with self._keeping.transactions():
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
        found = self._store.active(self.kind).values()
        return sorted(found, key=lambda each: Scope.of_policy(each.policy_id).segments)

    def get(self, policy_id: str = GLOBAL_POLICY_ID) -> PolicyText:
        """A policy that decides, for reading.

        Raises:
            PolicyNotFoundError: none of this id is set.
        """
        version = self.active_version(policy_id)
        if version is None:
            raise self._not_found(policy_id)
        return version.as_text()

    def ids(self) -> list[str]:
        """The ids of the policies that are set, the global one first."""
        return sorted(self._store.active(self.kind))

    def versions(self, policy_id: str = GLOBAL_POLICY_ID) -> list[PolicyVersion]:
        """Every version of a policy, newest first."""
        return self.newest_versions(policy_id)

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
        active = self._store.active(self.kind)
        known, looked_through = self._looked_through, {}
        for policy_id, version in active.items():
            key = (policy_id, version.digest)
            found = known.get(key) or ScopedPolicy.of(policy_id, version.as_text(), self._engine)
            looked_through[key] = found
        self._looked_through = looked_through
        return ScopedPolicies(looked_through.values())

    def _require_examples(self, checked: CheckedPolicy) -> None:
        examples = self._keeping.examples.all(self.kind, checked.policy_id)
        if examples:
            policy = ScopedPolicy.of(checked.policy_id, checked.text, self._engine)
            results = run_examples(policy, examples, self._engine)
            require_all_hold(checked.policy_id, results)
