"""From a way out of a denial to a change that can be proposed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from app.attestation.reference_values import DraftReferenceValue
from app.console.changes import Change, PolicyChange, ReferenceValuesChange
from app.console.counterfactuals import Way
from app.console.remedies import PolicyRemedy, ReferenceValueRemedy, RollBack, edited
from app.trust.policies import PolicyKind, PolicyStore, PolicyVersion

_SOURCE = "why"


def way_key(way: Way) -> str:
    """What names a way, 16 hex digits: the same way has the same key whenever it is found."""
    described = [[type(each).__name__, asdict(each)] for each in way.remedies]
    return hashlib.sha256(json.dumps(described, default=str).encode()).hexdigest()[:16]


def change_of(way: Way, policies: PolicyStore) -> Change | None:
    """The change that carries a way out; ``None`` when it cannot be one proposal.

    What the guest has to do is no change here, a secret is written on its own page, and an edit of
    a policy that has another text by now would undo what happened since.
    """
    remedies = way.remedies
    values = [each for each in remedies if isinstance(each, ReferenceValueRemedy)]
    if len(values) == len(remedies):
        drafts = tuple(DraftReferenceValue(each.name, each.value) for each in values)
        return ReferenceValuesChange(register=drafts, source=_SOURCE)
    if len(remedies) == 1 and isinstance(remedies[0], RollBack):
        return _rolled_back(remedies[0], policies)
    edits = [each for each in remedies if isinstance(each, PolicyRemedy)]
    if len(edits) == len(remedies) and len({each.digest for each in edits}) == 1:
        return _edited(edits, policies)
    return None


def _rolled_back(remedy: RollBack, policies: PolicyStore) -> Change | None:
    active = _active(policies, remedy.kind, remedy.policy_id)
    if remedy.digest and (active is None or active.digest != remedy.digest):
        return None
    based_on = active.version if active else 0
    return PolicyChange(remedy.kind, remedy.policy_id, remedy.text.text, based_on)


def _edited(edits: list[PolicyRemedy], policies: PolicyStore) -> Change | None:
    place = edits[0].place
    active = _active(policies, place.kind, place.policy_id)
    if active is None or active.digest != edits[0].digest:
        return None
    text = edited(active.text, edits)
    return PolicyChange(place.kind, place.policy_id, text, active.version)


def _active(policies: PolicyStore, kind: PolicyKind, policy_id: str) -> PolicyVersion | None:
    return policies.active(kind).get(policy_id)
