"""Examples as operators keep them: typed, or taken from a recorded decision; run, edited, removed.

An example as JSON, in the REST API and in files alike::

    {"name": "a debugged guest", "input": {…}, "reference_values": {"svn": ["1"]},
     "expected": {"outcome": "contraindicated", "trust_claims": {"hardware": 97}}}
    {"name": "another team", "input": {…}, "data": {"plugin": "resource",
     "resource-path": ["prod", "db", "password"], "query": {}}, "expected": {"outcome": "denied"}}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

from app.attestation.appraisal import trust_claim_fault
from app.attestation.examples import OUTCOMES as STATUSES
from app.attestation.examples import run_examples as run_attestation_examples
from app.broker.examples import OUTCOMES as RELEASES
from app.broker.examples import outcome_alone
from app.broker.examples import run_examples as run_resource_examples
from app.broker.scopes import GLOBAL_POLICY_ID, ScopedPolicy
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.decisions import DecisionKind, DecisionRecord
from app.trust.errors import (
    ConflictError,
    ExampleNotFoundError,
    MalformedRequestError,
    PolicyNotFoundError,
)
from app.trust.json_types import JSONObject, JSONValue
from app.trust.policies import PolicyKind, PolicyStore
from app.trust.policy_engine import PolicyEngine, PolicyText
from app.trust.policy_examples import (
    MAX_EXAMPLES,
    ExampleResult,
    ExampleStore,
    PolicyExample,
)
from app.trust.transactions import Transactions

_MAX_BYTES = 256 * 1024
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class ExampleDraft:
    """An example before it is kept.

    Attributes:
        name: 1 to 100 printable characters.
        policy_input: what the policy sees as ``input``.
        data: what a resource policy sees as ``data``.
        reference_values: by name, for an attestation policy.
        expected: see ``PolicyExample``.
    """

    name: str
    policy_input: JSONObject
    data: JSONObject
    reference_values: JSONObject
    expected: JSONObject

    def as_json(self) -> JSONObject:
        """See the module."""
        return {
            "name": self.name,
            "input": self.policy_input,
            "data": self.data,
            "reference_values": self.reference_values,
            "expected": self.expected,
        }


@dataclass(frozen=True, slots=True)
class PolicyExamples:
    """Keeps and runs examples."""

    store: ExampleStore
    policies: PolicyStore
    engine: PolicyEngine
    audit: AuditLog
    transactions: Transactions
    clock: Clock

    def all(self, kind: PolicyKind, policy_id: str) -> list[PolicyExample]:
        """The examples of a policy, by name."""
        return self.store.all(kind, policy_id)

    def get(self, kind: PolicyKind, policy_id: str, name: str) -> PolicyExample:
        """One of them.

        Raises:
            ExampleNotFoundError: there is none of this name.
        """
        for example in self.all(kind, policy_id):
            if example.name == name:
                return example
        raise ExampleNotFoundError("there is no example of this name")

    def run(self, kind: PolicyKind, policy_id: str, text: str) -> list[ExampleResult]:
        """What a text makes of the examples of a policy.

        Raises:
            MalformedPolicyError: it does not compile.
        """
        examples = self.all(kind, policy_id)
        policy = PolicyText.of(f"{policy_id}.rego", text)
        if kind is PolicyKind.ATTESTATION:
            self.engine.rules(policy, reference_values=True)
            return run_attestation_examples(policy, examples, self.engine)
        scoped = ScopedPolicy.of(policy_id, policy, self.engine)
        return run_resource_examples(scoped, examples, self.engine)

    def save(
        self, kind: PolicyKind, policy_id: str, draft: ExampleDraft, actor: Actor, *, seen: int
    ) -> PolicyExample:
        """Keep an example, in place of the one of its name that was seen.

        Args:
            kind: of the policy.
            policy_id: of the policy.
            draft: the example.
            actor: who keeps it.
            seen: the revision that it is an edit of, 0 for a new one.

        Raises:
            PolicyNotFoundError: there is no such policy.
            MalformedRequestError: it is no example, or there are too many.
            ConflictError: there is another revision than was seen.
        """
        self._require_policy(kind, policy_id)
        check_draft(kind, draft)
        if len(self.all(kind, policy_id)) >= MAX_EXAMPLES and not seen:
            raise MalformedRequestError(f"a policy has at most {MAX_EXAMPLES} examples")
        example = PolicyExample(
            kind=kind,
            policy_id=policy_id,
            name=draft.name,
            policy_input=draft.policy_input,
            data=draft.data,
            reference_values=draft.reference_values,
            expected=draft.expected,
            revision=seen + 1,
            changed_at=self.clock.now(),
            changed_by=actor.name,
        )
        with self.transactions():
            if not self.store.put(example, seen=seen):
                raise ConflictError(f"the example {draft.name!r} was changed by someone else")
            self._write_down("set", example, actor)
        return example

    def remove(self, example: PolicyExample, actor: Actor) -> None:
        """Remove an example as it was seen.

        Raises:
            ConflictError: it was changed or removed meanwhile.
        """
        with self.transactions():
            found = self.store.remove(
                example.kind, example.policy_id, example.name, seen=example.revision
            )
            if not found:
                raise ConflictError(f"the example {example.name!r} was changed by someone else")
            self._write_down("remove", example, actor)

    def from_decision(
        self, record: DecisionRecord, kind: PolicyKind, policy_id: str
    ) -> ExampleDraft:
        """The example that a recorded decision makes, with what came out of it as expected.

        Nonces in it are digests, as the record has them.

        Raises:
            MalformedRequestError: this policy did not take part in the decision, or did not come to
                a result.
        """
        name = f"decision {record.decision_id}"
        if kind is PolicyKind.RESOURCE and record.kind is DecisionKind.RELEASE:
            return self._from_release(name, record, policy_id)
        if kind is PolicyKind.ATTESTATION and record.kind is DecisionKind.APPRAISAL:
            return _from_appraisal(name, record, policy_id)
        raise _took_no_part()

    def _from_release(self, name: str, record: DecisionRecord, policy_id: str) -> ExampleDraft:
        old = [{"id": GLOBAL_POLICY_ID, "digest": record.policy_digest}]
        applied = cast("list[JSONObject]", record.inputs.get("policies") or old)
        digest = next((each["digest"] for each in applied if each["id"] == policy_id), None)
        text = self.policies.by_digest(digest) if digest else None
        if text is None:
            raise _took_no_part()
        claims, data = record.inputs.get("claims", {}), record.inputs.get("data", {})
        policy = ScopedPolicy.of(policy_id, text, self.engine)
        outcome = outcome_alone(policy, claims, data, self.engine)
        if outcome not in RELEASES:
            raise MalformedRequestError("the policy failed then, so there is nothing to expect")
        return ExampleDraft(name, claims, data, {}, {"outcome": outcome})

    def _require_policy(self, kind: PolicyKind, policy_id: str) -> None:
        if policy_id not in self.policies.active(kind):
            raise PolicyNotFoundError("there is no policy of this id")

    def _write_down(self, verb: str, example: PolicyExample, actor: Actor) -> None:
        self.audit.append(
            AuditEntry(
                at=self.clock.now(),
                actor=actor,
                action=f"policy:example:{verb}",
                subject=f"{example.policy_id} {example.name}",
            )
        )


def draft_of_example(example: PolicyExample) -> ExampleDraft:
    """An example as it would be typed."""
    return ExampleDraft(
        example.name,
        example.policy_input,
        example.data,
        example.reference_values,
        example.expected,
    )


def draft_of_json(document: JSONValue) -> ExampleDraft:
    """An example from its JSON; members that are missing are empty.

    Raises:
        MalformedRequestError: it is of another form.
    """
    if not isinstance(document, dict):
        raise MalformedRequestError("an example is a JSON object")
    name = document.get("name")
    members = [document.get(each, {}) for each in ("input", "data", "reference_values", "expected")]
    if not isinstance(name, str) or not all(isinstance(member, dict) for member in members):
        raise MalformedRequestError(
            "an example has the text name, and the objects input, data, reference_values, expected"
        )
    return ExampleDraft(name.strip(), *members)


def check_draft(kind: PolicyKind, draft: ExampleDraft) -> None:
    """Refuse what is no example.

    Raises:
        MalformedRequestError: naming the member.
    """
    if not 1 <= len(draft.name) <= _MAX_NAME or not draft.name.isprintable():
        raise MalformedRequestError(f"the name of an example has 1 to {_MAX_NAME} characters")
    if len(json.dumps(draft.as_json())) > _MAX_BYTES:
        raise MalformedRequestError(f"an example has at most {_MAX_BYTES} bytes")
    outcomes = STATUSES if kind is PolicyKind.ATTESTATION else RELEASES
    if draft.expected.get("outcome") not in outcomes:
        raise MalformedRequestError(f"expected has an outcome: {', '.join(outcomes)}")
    if kind is PolicyKind.ATTESTATION:
        _check_attestation(draft)
    else:
        _check_resource(draft)


def _check_attestation(draft: ExampleDraft) -> None:
    if draft.data:
        raise MalformedRequestError("an attestation policy sees no data")
    claims = draft.expected.get("trust_claims", {})
    if draft.expected.keys() - {"outcome", "trust_claims"} or not isinstance(claims, dict):
        raise MalformedRequestError("expected has outcome, and maybe the object trust_claims")
    for name, value in claims.items():
        fault = trust_claim_fault(name, value)
        if fault is not None:
            raise MalformedRequestError(f"expected: {fault}")


def _check_resource(draft: ExampleDraft) -> None:
    if draft.reference_values:
        raise MalformedRequestError("a resource policy sees no reference values")
    if draft.expected.keys() - {"outcome"}:
        raise MalformedRequestError("expected has outcome, and nothing else")
    plugin, path = draft.data.get("plugin"), draft.data.get("resource-path")
    query = draft.data.get("query")
    is_path = isinstance(path, list) and all(isinstance(each, str) for each in path)
    if not isinstance(plugin, str) or not is_path or not isinstance(query, dict):
        raise MalformedRequestError(
            "data has plugin, a text; resource-path, a list of texts; and query, an object"
        )
    if draft.data.keys() - {"plugin", "resource-path", "query"}:
        raise MalformedRequestError("data has plugin, resource-path and query, and nothing else")


def _from_appraisal(name: str, record: DecisionRecord, policy_id: str) -> ExampleDraft:
    for part, entry in cast("JSONObject", record.inputs.get("submods", {})).items():
        if entry["policy"] == policy_id and part in record.result:
            result = record.result[part]
            expected = {"outcome": result["status"], "trust_claims": dict(result["trust_vector"])}
            values = {
                each: value
                for each, value in record.inputs.get("reference_values", {}).items()
                if value is not None
            }
            return ExampleDraft(name, entry["input"], {}, values, expected)
    raise _took_no_part()


def _took_no_part() -> MalformedRequestError:
    return MalformedRequestError("this policy took no part in that decision")
