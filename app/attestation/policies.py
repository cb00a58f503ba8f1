"""Attestation policies: versions, what is refused when one is set, and the defaults."""

from __future__ import annotations

import re
from importlib import resources

import structlog

from app.attestation.appraisal import (
    EXTENSIONS_RULE,
    TRUST_RULE,
    extensions,
    trust_claim_fault,
    trust_vector,
)
from app.attestation.examples import run_examples
from app.trust.approvals import Approval, ChangeRule
from app.trust.audit import Actor, AuditEntry, AuditLog, LocalActor
from app.trust.clock import Clock
from app.trust.errors import (
    ConflictError,
    MalformedPolicyError,
    MalformedRequestError,
    PolicyFailedError,
    PolicyNotFoundError,
)
from app.trust.json_types import JSONValue
from app.trust.policies import (
    CheckedPolicy,
    PolicyKind,
    PolicyStore,
    PolicyVersion,
    require_active,
    require_successor,
)
from app.trust.policy_engine import UNDEFINED, PolicyEngine, PolicyText, Undefined
from app.trust.policy_examples import ExampleStore, require_all_hold
from app.trust.revisions import RevisionCache, RevisionStore
from app.trust.transactions import Transactions

_log = structlog.get_logger(__name__)

DEFAULT_POLICY_IDS = (
    "default_cpu",
    "default_gpu",
    "default_switch",
    "default_ppcie",
    "default_dcu",
    "default_nvidia-dpu",
)

# wire.md, section 6.3: what every storage of Trustee can name.
_POLICY_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_INSTALLER = LocalActor("vouchgate", "system")
_AT_START = Approval("", _INSTALLER.name, _INSTALLER.name)


class AttestationPolicies:
    """Sets, shows and finds attestation policies."""

    def __init__(  # noqa: PLR0913  (collaborators, by name)
        self,
        *,
        store: PolicyStore,
        engine: PolicyEngine,
        revisions: RevisionStore,
        transactions: Transactions,
        audit: AuditLog,
        clock: Clock,
        rule: ChangeRule,
        examples: ExampleStore,
    ) -> None:
        """Take the collaborators."""
        self._store = store
        self._engine = engine
        self._revisions = revisions
        self._transactions = transactions
        self._audit = audit
        self._clock = clock
        self._rule = rule
        self._examples = examples
        self._active = RevisionCache(self._load_active)

    def ids(self) -> list[str]:
        """The ids of all policies, sorted."""
        return sorted(self._active.get(self._revisions.current().policies))

    def get(self, policy_id: str) -> PolicyVersion:
        """The active version of a policy.

        Raises:
            PolicyNotFoundError: there is none.
        """
        return self._find(policy_id, self._revisions.current().policies)

    def newest_versions(self, policy_id: str) -> list[PolicyVersion]:
        """Every version of a policy, newest first; none when there never was one."""
        return self._store.versions(PolicyKind.ATTESTATION, policy_id)

    def versions(self, policy_id: str) -> list[PolicyVersion]:
        """Every version of a policy, newest first.

        Raises:
            PolicyNotFoundError: there is none.
        """
        versions = self.newest_versions(policy_id)
        if not versions:
            raise _not_found(policy_id)
        return versions

    def current(self) -> dict[str, PolicyText]:
        """The texts that decide now, by policy id, read afresh."""
        return {each: version.as_text() for each, version in self._load_active().items()}

    def active(self) -> list[PolicyVersion]:
        """The version of each policy that decides now, by id, read afresh."""
        return [version for _, version in sorted(self._load_active().items())]

    def active_version(self, policy_id: str) -> PolicyVersion | None:
        """The version that decides now, read afresh."""
        return self._load_active().get(policy_id)

    def active_text(self, policy_id: str, revision: int) -> PolicyText:
        """The text that decides, as of a revision of ``policies``.

        Raises:
            PolicyNotFoundError: there is none.
        """
        return self._find(policy_id, revision).as_text()

    def set(
        self, policy_id: str, text: str, actor: Actor, *, based_on: int | None = None
    ) -> PolicyVersion:
        """Check a policy and make it the active version.

        Args:
            policy_id: which policy.
            text: Rego source.
            actor: who sets it.
            based_on: the number of the version that the text is an edit of, 0 for a new policy;
                ``None`` replaces whatever is active.

        Raises:
            NeedsApprovalError: the two-person rule is on.
            MalformedRequestError: the id is not one.
            MalformedPolicyError: the policy cannot serve; with line and column where known.
            BrokenExamplesError: it breaks an example that is kept beside it.
            ConflictError: there is a newer version than the text is based on.
        """
        self._rule.require(actor, None)
        checked = self.check(policy_id, text)
        with self._transactions():
            return self.install(checked, actor, based_on=based_on)

    def check(self, policy_id: str, text: str) -> CheckedPolicy:
        """Check that a text could be the active version of a policy.

        Raises:
            MalformedRequestError: the id is not one.
            MalformedPolicyError: the policy cannot serve; with line and column where known.
        """
        if not _POLICY_ID.fullmatch(policy_id):
            raise MalformedRequestError(
                "a policy id is 1 to 128 letters, digits, '_', '.' and '-', and begins with none "
                "of the last two"
            )
        policy = PolicyText.of(f"{policy_id}.rego", text)
        check_attestation_policy(policy, self._engine)
        return CheckedPolicy(policy_id, policy)

    def install(
        self,
        checked: CheckedPolicy,
        actor: Actor,
        *,
        based_on: int | None = None,
        approval: Approval | None = None,
    ) -> PolicyVersion:
        """Make a checked policy the active version, inside the caller's transaction.

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
            MalformedRequestError: it is a default policy, which every start would bring back.
            PolicyNotFoundError: there is none.
            ConflictError: another version than ``based_on`` is active.
        """
        self._rule.require(actor, approval)
        if policy_id in DEFAULT_POLICY_IDS:
            raise MalformedRequestError("a default policy is replaced, and never taken away")
        before = self._store.deactivate(PolicyKind.ATTESTATION, policy_id)
        if before is None:
            raise _not_found(policy_id)
        require_active(before, based_on)
        entry = AuditEntry(
            at=self._clock.now(),
            actor=actor,
            action="policy:attestation:remove",
            subject=policy_id,
            before=before.digest,
        )
        self._audit.append(entry)
        self._rule.note_bypass(entry, approval, self._audit)

    def prepare(self) -> None:
        """Install the default policies that are missing. Safe to repeat."""
        missing = [each for each in DEFAULT_POLICY_IDS if each not in self._load_active()]
        if not missing:
            return
        try:
            with self._transactions():
                for policy_id in missing:
                    text = PolicyText.of(f"{policy_id}.rego", default_policy(policy_id))
                    self._append(CheckedPolicy(policy_id, text), _INSTALLER, _AT_START)
        except ConflictError:
            # Another process that starts now installed them a moment ago.
            return
        _log.info("default attestation policies installed", policies=missing)

    def _require_examples(self, checked: CheckedPolicy) -> None:
        """Run the examples that are kept beside the policy; all must hold."""
        examples = self._examples.all(PolicyKind.ATTESTATION, checked.policy_id)
        require_all_hold(checked.policy_id, run_examples(checked.text, examples, self._engine))

    def _append(
        self, checked: CheckedPolicy, actor: Actor, approval: Approval | None
    ) -> PolicyVersion:
        now = self._clock.now()
        policy_id, policy = checked.policy_id, checked.text
        author = approval.author if approval else actor.name
        before = self._store.versions(PolicyKind.ATTESTATION, policy_id)
        version = self._store.append(PolicyKind.ATTESTATION, policy, policy_id, now, author)
        entry = AuditEntry(
            at=now,
            actor=actor,
            action="policy:attestation:set",
            subject=policy_id,
            before=before[0].digest if before else None,
            after=policy.digest,
        )
        self._audit.append(entry)
        self._rule.note_bypass(entry, approval, self._audit)
        return version

    def _find(self, policy_id: str, revision: int) -> PolicyVersion:
        version = self._active.get(revision).get(policy_id)
        if version is None:
            raise _not_found(policy_id)
        return version

    def _load_active(self) -> dict[str, PolicyVersion]:
        return self._store.active(PolicyKind.ATTESTATION)


def check_attestation_policy(policy: PolicyText, engine: PolicyEngine) -> None:
    """Refuse a policy that cannot serve, or that could ever yield a wrong trust vector.

    Raises:
        MalformedPolicyError: it does not compile, lacks ``trust_claims``, names an unknown trust
            claim, or may yield a value that is no whole number of -128 to 127.
    """
    engine.check(policy, rules=(TRUST_RULE,), reference_values=True)
    members = engine.literal_members(policy, TRUST_RULE)
    for member in members:
        # What only an evaluation tells is taken for a good one here, and judged when it is made.
        name = "hardware" if member.name is UNDEFINED else member.name
        value = 0 if member.value is UNDEFINED else member.value
        fault = trust_claim_fault(name, value)
        if fault is not None:
            raise MalformedPolicyError(
                f"{policy.name}: {fault}", line=member.line, column=member.column
            )
    # A rule with members can yield none of them for an empty input; one without never has any.
    _try_out(policy, engine, nothing_yet=(UNDEFINED, {}) if members else (UNDEFINED,))


def _try_out(
    policy: PolicyText, engine: PolicyEngine, nothing_yet: tuple[JSONValue | Undefined, ...]
) -> None:
    """Judge what the policy yields for an empty input, if it yields anything then."""
    try:
        results = engine.evaluate(
            policy, (TRUST_RULE, EXTENSIONS_RULE), {}, lookup=lambda _name: None
        )
    except PolicyFailedError:
        return
    try:
        if results[TRUST_RULE] not in nothing_yet:
            trust_vector(results[TRUST_RULE])
        extensions(results[EXTENSIONS_RULE])
    except PolicyFailedError as error:
        raise MalformedPolicyError(f"{policy.name}: {error.message}") from error


def default_policy(policy_id: str) -> str:
    """The text of a default policy, as it comes with this version of Vouchgate."""
    folder = resources.files("app.attestation") / "default_policies"
    return (folder / f"{policy_id}.rego").read_text(encoding="utf-8")


def _not_found(policy_id: str) -> PolicyNotFoundError:
    return PolicyNotFoundError(f"there is no attestation policy {policy_id[:128]!r}")
