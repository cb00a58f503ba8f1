"""Examples kept beside a policy: an input, and what must come out. All hold, or nothing is set.

Each service runs the examples of its own policies (``app/attestation/examples.py``,
``app/broker/examples.py``) where a version becomes the active one, so whatever asks for a change
keeps what the examples promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from app.trust.errors import BrokenExamplesError
from app.trust.json_types import JSONObject
from app.trust.policies import PolicyKind

MAX_EXAMPLES = 100
# What stands in a message; the pages tell all of them.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class PolicyExample:
    """One example.

    Attributes:
        name: 1 to 100 characters, one of each policy.
        policy_input: what the policy sees as ``input``.
        data: what a resource policy sees as ``data``; empty for an attestation policy.
        reference_values: by name, for an attestation policy; a name that is not there is ``null``.
        expected: ``outcome``: of an attestation policy a status, of a resource policy ``allowed``,
            ``denied`` or ``undecided``; and of an attestation policy maybe ``trust_claims``, the
            ones that must have a certain value.
        revision: 1, raised by each edit.
        changed_by: the actor's name.
    """

    kind: PolicyKind
    policy_id: str
    name: str
    policy_input: JSONObject = field(repr=False)
    data: JSONObject
    reference_values: JSONObject
    expected: JSONObject
    revision: int
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """What became of an example.

    Attributes:
        holds: whether what came out is what was expected.
        came_out: in words, such as ``denied`` or ``warning; hardware is 97, not 2``.
    """

    name: str
    expected: str
    holds: bool
    came_out: str


class ExampleStore(Protocol):
    """Where examples live."""

    def all(self, kind: PolicyKind, policy_id: str) -> list[PolicyExample]:
        """The examples of a policy, by name."""
        ...

    def put(self, example: PolicyExample, *, seen: int) -> bool:
        """Store it in place of the one of its name and this revision, 0 for a new one.

        Whether that could be done; inside the caller's transaction.
        """
        ...

    def remove(self, kind: PolicyKind, policy_id: str, name: str, *, seen: int) -> bool:
        """Remove the example of this revision; whether there was one."""
        ...


def require_all_hold(policy_id: str, results: Sequence[ExampleResult]) -> None:
    """Refuse a text that breaks an example.

    Raises:
        BrokenExamplesError: naming the first few.
    """
    broken = [result for result in results if not result.holds]
    if not broken:
        return
    named = "; ".join(
        f"{result.name!r} expects {result.expected}, and is {result.came_out}"
        for result in broken[:_NAMED]
    )
    more = f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    raise BrokenExamplesError(f"{policy_id} breaks its examples: {named}{more}")
