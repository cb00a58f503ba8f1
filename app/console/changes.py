"""Changes of what guests are judged by, as values: checked, written to JSON, carried out.

A change as JSON, in the database and in the REST API alike::

    {"kind": "attestation-policy", "policy_id": "default_cpu", "text": "package policy …",
     "based_on": 3}
    {"kind": "resource-policy", "policy_id": "resource-policy", "text": null, "based_on": 2}
    {"kind": "reference-values", "source": "console", "withdraw": ["old"],
     "register": [{"name": "svn", "value": ["1"], "expires_at": "2027-01-01T00:00:00+00:00"}]}

``text`` is ``null`` to take a policy away; ``based_on`` is the version that was looked at, 0 for a
new policy. Of reference values the server itself adds ``before``: each name with the value that it
had when the change was proposed; and beside a value that came in a message ``provenance``, with
``extractor``, ``signer`` and ``message_digest``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from app.attestation.policies import AttestationPolicies
from app.attestation.reference_value_messages import Provenance
from app.attestation.reference_values import DraftReferenceValue, ReferenceValues
from app.broker.policies import ResourcePolicies
from app.trust.approvals import Approval
from app.trust.audit import Actor
from app.trust.clock import Clock
from app.trust.errors import ConflictError, MalformedRequestError, ReferenceValueNotFoundError
from app.trust.json_types import JSONObject, JSONValue
from app.trust.policies import PolicyKind

REFERENCE_VALUES = "reference-values"
KINDS = (f"{PolicyKind.ATTESTATION}-policy", f"{PolicyKind.RESOURCE}-policy", REFERENCE_VALUES)
_POLICY_KINDS = {f"{kind}-policy": kind for kind in PolicyKind}
_MAX_BASED_ON = 10**9


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """Another text for a policy, or none at all.

    Attributes:
        text: Rego; ``None`` takes the policy away.
        based_on: the version that the text is an edit of, 0 for a new policy.
    """

    policy_kind: PolicyKind
    policy_id: str
    text: str | None
    based_on: int

    @property
    def kind(self) -> str:
        """One of ``KINDS``."""
        return f"{self.policy_kind}-policy"

    @property
    def subject(self) -> str:
        """What is changed, for lists."""
        return self.policy_id

    def as_json(self) -> JSONObject:
        """See the module."""
        return {
            "kind": self.kind,
            "policy_id": self.policy_id,
            "text": self.text,
            "based_on": self.based_on,
        }


@dataclass(frozen=True, slots=True)
class ReferenceValuesChange:
    """Reference values registered and withdrawn, all or none.

    Attributes:
        before: the value of each name when the change was proposed, ``None`` where there was none;
            ``Changes.complete`` fills it in.
        source: how the values came, for whoever reads them later.
    """

    register: tuple[DraftReferenceValue, ...] = ()
    withdraw: tuple[str, ...] = ()
    before: Mapping[str, JSONValue] = field(default_factory=dict)
    source: str = "console"

    @property
    def kind(self) -> str:
        """One of ``KINDS``."""
        return REFERENCE_VALUES

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that is touched."""
        return (*(draft.name for draft in self.register), *self.withdraw)

    @property
    def subject(self) -> str:
        """What is changed, for lists."""
        others = f" and {len(self.names) - 1} more" if len(self.names) > 1 else ""
        return self.names[0] + others

    def as_json(self) -> JSONObject:
        """See the module."""
        return {
            "kind": REFERENCE_VALUES,
            "source": self.source,
            "register": [_draft_as_json(draft) for draft in self.register],
            "withdraw": list(self.withdraw),
            "before": dict(self.before),
        }


Change: TypeAlias = PolicyChange | ReferenceValuesChange


def change_of_caller(document: JSONValue) -> Change:
    """A change that somebody sends.

    Only reading a message tells who signed for a value, so what they say of that is not believed.

    Raises:
        MalformedRequestError: it is of no form that the module names.
    """
    change = change_of_json(document)
    if isinstance(change, PolicyChange):
        return change
    drafts = tuple(replace(draft, provenance=None) for draft in change.register)
    return replace(change, register=drafts, before={}, source="proposal")


def change_of_json(document: JSONValue) -> Change:
    """A change from its JSON, as this server wrote it.

    Raises:
        MalformedRequestError: it is of no form that the module names.
    """
    if not isinstance(document, dict):
        raise MalformedRequestError("a change is a JSON object")
    kind = document.get("kind")
    if kind == REFERENCE_VALUES:
        return _reference_values_change(document)
    if isinstance(kind, str) and kind in _POLICY_KINDS:
        return _policy_change(_POLICY_KINDS[kind], document)
    raise MalformedRequestError(f"the kind of a change is one of: {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class Changes:
    """Checks changes, and carries them out inside of a transaction of the caller."""

    attestation: AttestationPolicies
    resource: ResourcePolicies
    reference_values: ReferenceValues
    clock: Clock

    def complete(self, change: Change) -> Change:
        """The change, checked, with what it replaces.

        Raises:
            MalformedRequestError, MalformedPolicyError, MalformedReferenceValueError: it could not
                be carried out.
            ReferenceValueNotFoundError: a name to withdraw is not registered.
        """
        if isinstance(change, PolicyChange):
            if change.text is not None:
                self._policies(change).check(change.policy_id, change.text)
            return change
        if change.register:
            self.reference_values.check(change.register, change.source)
        before = {name: self._value(name) for name in change.names}
        for name in change.withdraw:
            if before[name] is None:
                raise ReferenceValueNotFoundError(f"there is no reference value {name[:128]!r}")
        return replace(change, before=before)

    def carry_out(self, change: Change, actor: Actor, approval: Approval) -> None:
        """Write the change down, inside the caller's transaction.

        Raises:
            ConflictError: what it replaces is not what it was when it was proposed.
            DomainError: as ``complete``.
        """
        if isinstance(change, PolicyChange):
            self._set_policy(change, actor, approval)
            return
        for name, value in change.before.items():
            if self._value(name) != value:
                raise ConflictError(f"the reference value {name} has changed since")
        if change.register:
            checked = self.reference_values.check(change.register, change.source)
            self.reference_values.install(checked, actor, approval)
        for name in change.withdraw:
            self.reference_values.remove(name, actor, approval)

    def is_overtaken(self, change: Change) -> bool:
        """Whether what the change replaces is not what it was when it was proposed."""
        if isinstance(change, PolicyChange):
            versions = self._policies(change).newest_versions(change.policy_id)
            return (versions[0].version if versions else 0) != change.based_on
        return any(self._value(name) != value for name, value in change.before.items())

    def active_text(self, change: PolicyChange) -> str:
        """The text that decides now; nothing when there is none."""
        active = self._policies(change).active_version(change.policy_id)
        return active.text if active else ""

    def _set_policy(self, change: PolicyChange, actor: Actor, approval: Approval) -> None:
        policies, based_on = self._policies(change), change.based_on
        if change.text is None:
            policies.remove(change.policy_id, actor, based_on=based_on, approval=approval)
            return
        checked = policies.check(change.policy_id, change.text)
        policies.install(checked, actor, based_on=based_on, approval=approval)

    def _policies(self, change: PolicyChange) -> AttestationPolicies | ResourcePolicies:
        return self.attestation if change.policy_kind is PolicyKind.ATTESTATION else self.resource

    def _value(self, name: str) -> JSONValue:
        found = self.reference_values.find(name)
        expired = found is not None and found.expires_at <= self.clock.now()
        return None if found is None or expired else found.value


def _policy_change(kind: PolicyKind, document: JSONObject) -> PolicyChange:
    policy_id, text = document.get("policy_id"), document.get("text")
    based_on = document.get("based_on")
    if not isinstance(policy_id, str):
        raise MalformedRequestError("policy_id must be there and be text")
    if "text" not in document or not (text is None or isinstance(text, str)):
        raise MalformedRequestError("text must be there and be Rego, or null to take it away")
    if type(based_on) is not int or not 0 <= based_on < _MAX_BASED_ON:
        raise MalformedRequestError("based_on is the number of a version, 0 for a new policy")
    return PolicyChange(kind, policy_id, text, based_on)


def _reference_values_change(document: JSONObject) -> ReferenceValuesChange:
    register, withdraw = document.get("register", []), document.get("withdraw", [])
    source, before = document.get("source", "console"), document.get("before", {})
    if not isinstance(register, list) or not isinstance(withdraw, list):
        raise MalformedRequestError("register and withdraw are lists")
    if not all(isinstance(name, str) for name in withdraw):
        raise MalformedRequestError("withdraw is a list of names")
    if not isinstance(source, str) or not isinstance(before, dict):
        raise MalformedRequestError("source is text, and before is an object")
    drafts = tuple(_draft(entry) for entry in register)
    names = [*(draft.name for draft in drafts), *withdraw]
    if not names or len(set(names)) != len(names):
        raise MalformedRequestError("a change names at least one value, and each of them once")
    return ReferenceValuesChange(drafts, tuple(withdraw), before, source)


def _draft(entry: JSONValue) -> DraftReferenceValue:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise MalformedRequestError("each value to register is an object with a name")
    if entry.get("value") is None:
        raise MalformedRequestError("each value to register has a value, which is not null")
    return DraftReferenceValue(
        entry["name"],
        entry["value"],
        _moment(entry.get("expires_at")),
        _provenance(entry.get("provenance")),
    )


def _draft_as_json(draft: DraftReferenceValue) -> JSONObject:
    return {
        "name": draft.name,
        "value": draft.value,
        "expires_at": draft.expires_at.isoformat() if draft.expires_at else None,
        "provenance": asdict(draft.provenance) if draft.provenance else None,
    }


def _provenance(document: JSONValue) -> Provenance | None:
    if document is None:
        return None
    try:
        return Provenance(**document)
    except TypeError as error:
        raise MalformedRequestError("provenance has another form") from error


def _moment(text: JSONValue) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise MalformedRequestError("expires_at is a time as in RFC 3339") from error
    if moment.tzinfo is None:
        raise MalformedRequestError("expires_at names its time zone")
    return moment
