"""Remedies: changes that could make a decision come out otherwise, each with what it risks.

A remedy is data; ``applied`` makes the world in which some of them are done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import TypeAlias

from app.broker.scopes import Scope, ScopedPolicy
from app.console.worlds import World, with_claim, with_value
from app.trust.json_types import JSONValue
from app.trust.policies import PolicyKind
from app.trust.policy_engine import PolicyText

Steps: TypeAlias = tuple[str | int, ...]


class Risk(StrEnum):
    """What a remedy costs in trust; the value is what pages say."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Rank(IntEnum):
    """The order in which remedies are offered: what gives nothing away comes first.

    The line of a policy that asks for something comes before the line that asks for the verdict
    of another policy: whoever loosens that one lets every guest through that was judged so.
    """

    SECRET = 0
    GUEST = 1
    RENEW = 2
    REGISTER = 3
    OTHER_GUEST = 4
    # From here on a policy is loosened for every guest.
    LINE = 5
    ROLL_BACK_ATTESTATION = 6
    VERDICT_LINE = 7
    ROLL_BACK_RELEASE = 8


_RISKS = {
    Rank.SECRET: Risk.LOW,
    Rank.GUEST: Risk.NONE,
    Rank.RENEW: Risk.LOW,
    Rank.REGISTER: Risk.MEDIUM,
    Rank.OTHER_GUEST: Risk.NONE,
    Rank.LINE: Risk.HIGH,
    Rank.ROLL_BACK_ATTESTATION: Risk.HIGH,
    Rank.VERDICT_LINE: Risk.HIGH,
    Rank.ROLL_BACK_RELEASE: Risk.HIGH,
}


@dataclass(frozen=True, slots=True)
class Place:
    """The line of a policy that asks for something.

    Attributes:
        kind: of the policy.
        policy_id: of the policy.
        line: 1-based.
        text: of the condition.
        rule: in which it stands.
    """

    kind: PolicyKind
    policy_id: str
    line: int
    text: str
    rule: str


@dataclass(frozen=True, slots=True)
class ReferenceValueRemedy:
    """Register a reference value, or renew one that has expired.

    Attributes:
        name: of the value.
        value: to register.
        expected: what was registered; ``None`` when nothing was.
        state: ``missing``, ``expired`` or ``differs``.
        claim: that is compared with it, as policies write it.
        actual: the claim's value.
        place: of the comparison.
    """

    name: str
    value: JSONValue
    expected: JSONValue
    state: str
    claim: str
    actual: JSONValue
    place: Place
    rank: Rank


@dataclass(frozen=True, slots=True)
class GuestRemedy:
    """Have the guest be, or ask for, what is expected of it; nothing changes on this server.

    Attributes:
        root: ``evidence``, ``token`` or ``request``.
        part: whose evidence it is; nothing for the token and the request.
        claim: as policies write it.
        steps: to each value that it stands for.
        actual: what it is; ``None`` when it is not there.
        wanted: what it would have to be.
        place: of the condition.
    """

    root: str
    part: str
    claim: str
    steps: tuple[Steps, ...]
    actual: JSONValue
    wanted: JSONValue
    place: Place
    rank: Rank


@dataclass(frozen=True, slots=True)
class PolicyRemedy:
    """Have one condition of a policy ask for less.

    Attributes:
        place: of the condition.
        digest: of the text that is edited.
        start: of the condition in the UTF-8 text, bytes.
        end: exclusive.
        replacement: what would stand there.
        claim: that the condition looks at first, if any.
        actual: its value.
    """

    place: Place
    digest: str
    start: int
    end: int
    replacement: str
    claim: str
    actual: JSONValue
    rank: Rank


@dataclass(frozen=True, slots=True)
class RollBack:
    """Go back to an earlier version of a policy, or set a first one.

    Attributes:
        version: its number; 0 for the default that comes with this server.
        digest: of the text that decided; nothing when none was set.
        text: of the version.
        rules: those of ``allow`` and ``deny`` that it defines, of a resource policy.
    """

    kind: PolicyKind
    policy_id: str
    version: int
    digest: str
    text: PolicyText
    rank: Rank
    rules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SecretRemedy:
    """Write the secret that is not there, or restore the one that was deleted.

    Attributes:
        path: ``repository/type/tag``.
        action: ``write`` or ``restore``.
        version: to restore.
    """

    path: str
    action: str
    version: int = 0
    rank: Rank = Rank.SECRET


Remedy: TypeAlias = ReferenceValueRemedy | GuestRemedy | PolicyRemedy | RollBack | SecretRemedy


def risk_of(remedies: Iterable[Remedy]) -> Risk:
    """The worst risk among them."""
    order = list(Risk)
    return max((_RISKS[each.rank] for each in remedies), key=order.index)


def applied(world: World, remedies: Sequence[Remedy]) -> World:
    """The world in which all of these remedies are done."""
    for remedy in remedies:
        if isinstance(remedy, ReferenceValueRemedy):
            world = replace(world, values=world.values.having(remedy.name, remedy.value))
        elif isinstance(remedy, GuestRemedy):
            world = _as_wanted(world, remedy)
        elif isinstance(remedy, RollBack):
            world = _rolled_back(world, remedy)
        elif isinstance(remedy, SecretRemedy):
            assert world.release is not None, "only releases miss secrets"
            world = replace(world, release=replace(world.release, failure=None))
    edits = [each for each in remedies if isinstance(each, PolicyRemedy)]
    for digest in dict.fromkeys(each.digest for each in edits):
        world = _edited_world(world, [each for each in edits if each.digest == digest])
    return world


def edited(text: str, remedies: Iterable[PolicyRemedy]) -> str:
    """The text of a policy with these conditions replaced."""
    source = text.encode()
    for remedy in sorted(remedies, key=lambda each: each.start, reverse=True):
        source = source[: remedy.start] + remedy.replacement.encode() + source[remedy.end :]
    return source.decode()


def _as_wanted(world: World, remedy: GuestRemedy) -> World:
    if remedy.root == "evidence":
        for steps in remedy.steps:
            # Looked up anew: it has changed with the step before.
            part = next(each for each in world.parts if each.name == remedy.part)
            world = with_claim(world, part, steps, remedy.wanted)
        return world
    release = world.release
    assert release is not None, "only releases have tokens and requests"
    member = "claims" if remedy.root == "token" else "data"
    document = getattr(release, member)
    for steps in remedy.steps:
        document = with_value(document, steps, remedy.wanted)
    return replace(world, release=replace(release, **{member: document}))


def _rolled_back(world: World, remedy: RollBack) -> World:
    if remedy.kind is PolicyKind.ATTESTATION:
        return _with_text(world, remedy.digest, remedy.text)
    release = world.release
    assert release is not None, "only releases have resource policies"
    policy_id, rules = remedy.policy_id, remedy.rules
    set_now = ScopedPolicy(Scope.of_policy(policy_id), remedy.text, rules)
    others = tuple(each for each in release.policies if each.scope != set_now.scope)
    narrowest_first = sorted((*others, set_now), key=lambda each: -len(each.scope.segments))
    return replace(world, release=replace(release, policies=tuple(narrowest_first)))


def _edited_world(world: World, edits: list[PolicyRemedy]) -> World:
    """The world in which one text has its conditions replaced; its rules stay what they are."""
    digest = edits[0].digest
    texts = [part.text for part in world.parts]
    texts += [each.text for each in world.release.policies] if world.release else []
    old = next((each for each in texts if each.digest == digest), None)
    if old is None:
        return world
    return _with_text(world, digest, PolicyText.of(old.name, edited(old.text, edits)))


def _with_text(world: World, digest: str, text: PolicyText) -> World:
    """The world in which another text stands wherever this one did."""
    parts = tuple(
        replace(part, text=text) if part.text.digest == digest else part for part in world.parts
    )
    release = world.release
    if release is not None:
        policies = tuple(
            replace(each, text=text) if each.text.digest == digest else each
            for each in release.policies
        )
        release = replace(release, policies=policies)
    return replace(world, parts=parts, release=release)
