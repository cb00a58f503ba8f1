"""Scopes: where a resource policy applies, and what several policies decide together.

A scope is a prefix of what a guest asks for, segment by segment and plugin first: ``resource/prod``
is every secret of the repository ``prod``. The global policy, ``resource-policy``, applies to
everything; it is the one that Trustee's clients set.

What several policies decide (docs/decisions, "several resource policies"):

1. Every policy whose scope holds the request applies.
2. An applicable policy whose rule ``deny`` says yes denies, whatever the others say.
3. Otherwise the rule ``allow`` of the policy with the narrowest scope that has such a rule decides;
   only ``true`` allows.
4. A rule that fails, or gives what it must not, denies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from app.trust.errors import MalformedRequestError, PolicyFailedError
from app.trust.json_types import JSONObject, JSONValue
from app.trust.policy_engine import PolicyEngine, PolicyText, Undefined

GLOBAL_POLICY_ID = "resource-policy"
ALLOW, DENY = "allow", "deny"

_PREFIX = "scope:"
# As in wire.md 6.2, whatever the plugin: a scope is also part of a policy id and of addresses.
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}", re.ASCII)
_MAX_SEGMENTS = 8
_MAX_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Scope:
    """A prefix of what a guest asks for.

    Attributes:
        segments: the plugin first; none at all is everything.
    """

    segments: tuple[str, ...] = ()

    @classmethod
    def parse(cls, path: str) -> Scope:
        """The scope of ``resource/prod/db``.

        Raises:
            MalformedRequestError: it is no such path.
        """
        segments = tuple(path.split("/"))
        well_formed = all(_SEGMENT.fullmatch(segment) for segment in segments)
        if not well_formed or len(segments) > _MAX_SEGMENTS or len(path) > _MAX_LENGTH:
            raise MalformedRequestError(
                "a scope is a path that begins with a plugin, such as resource/prod/db: one to "
                "eight segments of letters, digits, '_', '-' and '.', not starting with '.'"
            )
        return cls(segments)

    @classmethod
    def of_policy(cls, policy_id: str) -> Scope:
        """The scope that an id stands for: everything, or that of ``scope:resource:prod``.

        Raises:
            MalformedRequestError: it is of no resource policy.
        """
        if policy_id == GLOBAL_POLICY_ID:
            return cls()
        if not policy_id.startswith(_PREFIX) or "/" in policy_id:
            raise MalformedRequestError(
                f"the id of a resource policy is {GLOBAL_POLICY_ID}, or "
                f"{_PREFIX}resource:repository:type:tag, as many of them as its scope has"
            )
        return cls.parse(policy_id.removeprefix(_PREFIX).replace(":", "/"))

    @property
    def policy_id(self) -> str:
        """The id of the policy with this scope; there is one at most."""
        return _PREFIX + ":".join(self.segments) if self.segments else GLOBAL_POLICY_ID

    def holds(self, path: Sequence[str]) -> bool:
        """Whether a request for this path lies within."""
        return tuple(path[: len(self.segments)]) == self.segments

    def __str__(self) -> str:
        """``resource/prod/db``; nothing for everything."""
        return "/".join(self.segments)


def is_resource_policy_id(policy_id: str) -> bool:
    """Whether an id can only be that of a resource policy; no attestation policy's has a colon."""
    return policy_id == GLOBAL_POLICY_ID or policy_id.startswith(_PREFIX)


@dataclass(frozen=True, slots=True)
class ScopedPolicy:
    """A resource policy with where it applies and what it has to say.

    Attributes:
        rules: those of ``allow`` and ``deny`` that it defines.
    """

    scope: Scope
    text: PolicyText
    rules: frozenset[str]

    @classmethod
    def of(cls, policy_id: str, text: PolicyText, engine: PolicyEngine) -> ScopedPolicy:
        """The policy, with its text looked through once.

        Raises:
            MalformedRequestError: the id is of no resource policy.
            MalformedPolicyError: it does not compile.
        """
        rules = engine.rules(text, reference_values=False) & {ALLOW, DENY}
        return cls(Scope.of_policy(policy_id), text, rules)

    def as_record(self) -> JSONObject:
        """What decision records keep of it."""
        return {
            "id": self.scope.policy_id,
            "scope": str(self.scope),
            "digest": self.text.digest,
        }


class ScopedPolicies:
    """The policies that are active, found by what is asked for."""

    def __init__(self, policies: Iterable[ScopedPolicy]) -> None:
        """Take every active policy."""
        self._by_segments = {policy.scope.segments: policy for policy in policies}

    def applicable(self, path: Sequence[str]) -> tuple[ScopedPolicy, ...]:
        """The policies whose scope holds a path, the narrowest first."""
        whole = tuple(path)
        prefixes = (whole[:length] for length in range(len(whole), -1, -1))
        return tuple(
            self._by_segments[prefix] for prefix in prefixes if prefix in self._by_segments
        )

    def all(self) -> tuple[ScopedPolicy, ...]:
        """Every policy, by scope."""
        return tuple(policy for _, policy in sorted(self._by_segments.items()))

    def with_policy(self, policy: ScopedPolicy) -> ScopedPolicies:
        """The same with another policy for one scope."""
        return ScopedPolicies((*self._by_segments.values(), policy))

    def without(self, scope: Scope) -> ScopedPolicies:
        """The same without a policy for one scope."""
        return ScopedPolicies(p for p in self._by_segments.values() if p.scope != scope)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The policies allow the release.

    Attributes:
        decided_by: the id of the policy whose rule decided.
    """

    decided_by: str


@dataclass(frozen=True, slots=True)
class Denied:
    """The policies do not allow the release.

    Attributes:
        why: a sentence that names the rule, never the secret.
        decided_by: the id of the policy whose rule decided, when one did.
    """

    why: str
    decided_by: str | None


Decision: TypeAlias = Allowed | Denied


def decide(
    engine: PolicyEngine, policies: Sequence[ScopedPolicy], claims: JSONObject, data: JSONObject
) -> Decision:
    """What the applicable policies say together.

    Args:
        engine: evaluates.
        policies: the applicable ones, the narrowest scope first.
        claims: of the verified token; what a policy sees as ``input``.
        data: what is asked for; what a policy sees as ``data``.

    Raises:
        PolicyFailedError: an evaluation failed; that is a no as well.
    """
    deciding = next((policy for policy in policies if ALLOW in policy.rules), None)
    allow: JSONValue | Undefined = False
    for policy in policies:
        # Each policy is asked once, for both rules where both count.
        asked = policy.rules if policy is deciding else policy.rules - {ALLOW}
        if not asked:
            continue
        values = engine.evaluate(policy.text, tuple(sorted(asked)), claims, data=data)
        if DENY in asked and _denies(values[DENY]):
            return Denied(f"{_named(policy)} denies by its rule deny", policy.scope.policy_id)
        if policy is deciding:
            allow = values[ALLOW]
    if deciding is None:
        return Denied("no resource policy that applies here allows anything", None)
    return _allows(deciding, allow)


def _denies(value: JSONValue | Undefined) -> bool:
    """Whether a rule ``deny`` says yes: true, or a set of reasons with at least one."""
    if isinstance(value, list):
        return bool(value)
    if value is True or value is False or isinstance(value, Undefined):
        return value is True
    raise PolicyFailedError("the resource policy's rule deny gives neither a boolean nor a set")


def _allows(policy: ScopedPolicy, value: JSONValue | Undefined) -> Decision:
    policy_id = policy.scope.policy_id
    if value is True:
        return Allowed(policy_id)
    if value is False:
        return Denied(f"{_named(policy)}'s rule allow says no", policy_id)
    if isinstance(value, Undefined):
        return Denied(f"{_named(policy)}'s rule allow is not defined for this request", policy_id)
    return Denied(f"{_named(policy)}'s rule allow gives no boolean", policy_id)


def _named(policy: ScopedPolicy) -> str:
    """What messages call a policy; the scope is a prefix of what the guest itself asked for."""
    return (
        f"the resource policy of {policy.scope}"
        if policy.scope.segments
        else ("the resource policy")
    )
