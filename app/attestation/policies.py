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
from app.trust.approvals import Approval
from app.trust.audit import Actor, LocalActor
from app.trust.errors import (
    ConflictError,
    MalformedPolicyError,
    MalformedRequestError,
    PolicyFailedError,
)
from app.trust.json_types import JSONValue
from app.trust.kept_policies import KeptPolicies, PolicyKeeping
from app.trust.policies import (
    CheckedPolicy,
    PolicyKind,
    PolicyVersion,
)
from app.trust.policy_engine import UNDEFINED, PolicyEngine, PolicyText, Undefined
from app.trust.policy_examples import require_all_hold
from app.trust.revisions import RevisionCache, RevisionStore

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


class AttestationPolicies(KeptPolicies):
    """Sets, shows and finds attestation policies."""

    kind = PolicyKind.ATTESTATION
    permanent = frozenset(DEFAULT_POLICY_IDS)

    def __init__(self, keeping: PolicyKeeping, revisions: RevisionStore) -> None:
        """Take what they are kept with, and what says when they changed."""
        super().__init__(keeping)
        self._revisions = revisions
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

    def versions(self, policy_id: str) -> list[PolicyVersion]:
        """Every version of a policy, newest first.

        Raises:
            PolicyNotFoundError: there is none.
        """
        versions = self.newest_versions(policy_id)
        if not versions:
            raise self._not_found(policy_id)
        return versions

    def current(self) -> dict[str, PolicyText]:
        """The texts that decide now, by policy id, read afresh."""
        return {each: version.as_text() for each, version in self._load_active().items()}

    def active(self) -> list[PolicyVersion]:
        """The version of each policy that decides now, by id, read afresh."""
        return [version for _, version in sorted(self._load_active().items())]

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
        return self._replace(policy_id, text, actor, based_on)

    def check(self, policy_id: str, text: str) -> CheckedPolicy:
        """See ``KeptPolicies.check``."""
        if not _POLICY_ID.fullmatch(policy_id):
            raise MalformedRequestError(
                "a policy id is 1 to 128 letters, digits, '_', '.' and '-', and begins with none "
                "of the last two"
            )
        policy = PolicyText.of(f"{policy_id}.rego", text)
        check_attestation_policy(policy, self._engine)
        return CheckedPolicy(policy_id, policy)

    def prepare(self) -> None:
        """Install the default policies that are missing. Safe to repeat."""
        missing = [each for each in DEFAULT_POLICY_IDS if each not in self._load_active()]
        if not missing:
            return
        try:
            with self._keeping.transactions():
                for policy_id in missing:
                    text = PolicyText.of(f"{policy_id}.rego", default_policy(policy_id))
                    self._append(CheckedPolicy(policy_id, text), _INSTALLER, _AT_START)
        except ConflictError:
            # Another process that starts now installed them a moment ago.
            return
        _log.info("default attestation policies installed", policies=missing)

    def _require_examples(self, checked: CheckedPolicy) -> None:
        examples = self._keeping.examples.all(self.kind, checked.policy_id)
        require_all_hold(checked.policy_id, run_examples(checked.text, examples, self._engine))

    def _find(self, policy_id: str, revision: int) -> PolicyVersion:
        version = self._active.get(revision).get(policy_id)
        if version is None:
            raise self._not_found(policy_id)
        return version

    def _load_active(self) -> dict[str, PolicyVersion]:
        return self._store.active(self.kind)


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
