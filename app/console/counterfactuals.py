"""The smallest remedies under which a decision would have come out otherwise, each tried out.

What is offered was tested: the decision was made again with the remedy, and came out as wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from app.console.remedies import GuestRemedy, Rank, Remedy, Risk, RollBack, applied, risk_of
from app.console.worlds import World, judge
from app.trust.policy_engine import PolicyEngine

# More together are no advice any more, and smaller sets are sought by trying them all.
_MOST_TOGETHER = 12
_MOST_TRIALS = 300
_MOST_WAYS = 8


@dataclass(frozen=True, slots=True)
class Way:
    """Changes that together make a decision come out as wanted; none of them can be left out.

    Attributes:
        remedies: in the order in which they give trust away.
        risk: the worst of theirs.
    """

    remedies: tuple[Remedy, ...]

    @property
    def risk(self) -> Risk:
        """The worst risk of its remedies."""
        return risk_of(self.remedies)


class Trials:
    """Makes a world again with remedies, and remembers how that came out."""

    def __init__(self, world: World, engine: PolicyEngine) -> None:
        """Take what is changed and what decides."""
        self._world, self._engine = world, engine
        self._known: dict[tuple[int, ...], bool] = {}

    def reach(self, remedies: Sequence[Remedy]) -> bool:
        """Whether these remedies together lead to what is wanted."""
        key = tuple(map(id, remedies))
        if key not in self._known:
            self._known[key] = judge(applied(self._world, remedies), self._engine).reached
        return self._known[key]


def ways(candidates: Sequence[Remedy], trials: Trials) -> tuple[Way, ...]:
    """The ways that lead to what is wanted, smallest and least risky first.

    Args:
        candidates: by rank.
        trials: of the same remedies.
    """
    found: list[tuple[Remedy, ...]] = [
        (remedy,) for remedy in candidates if trials.reach((remedy,))
    ]
    if not any(remedies[0].rank < Rank.LINE for remedies in found):
        found += _together(candidates, trials)
    ordered = sorted(found, key=_order)
    return tuple(Way(remedies) for remedies in ordered[:_MOST_WAYS])


def _order(remedies: tuple[Remedy, ...]) -> tuple[bool, int, int]:
    """Whoever loosens a policy for one guest does so for all: that comes last, however small."""
    worst = max(remedy.rank for remedy in remedies)
    return worst >= Rank.LINE, len(remedies), worst


def _together(candidates: Sequence[Remedy], trials: Trials) -> list[tuple[Remedy, ...]]:
    """One smallest set of the least risky remedies that suffice together."""
    kinds = [remedy for remedy in candidates if not isinstance(remedy, RollBack)]
    registered = [remedy for remedy in kinds if not isinstance(remedy, GuestRemedy)]
    pools = (
        [remedy for remedy in registered if remedy.rank < Rank.LINE],
        [remedy for remedy in kinds if remedy.rank < Rank.OTHER_GUEST],
        [remedy for remedy in kinds if remedy.rank < Rank.LINE],
        kinds,
    )
    for pool in pools:
        if pool and trials.reach(pool):
            least = _smallest(pool, trials)
            return [least] if 1 < len(least) <= _MOST_TOGETHER else []
    return []


def _smallest(pool: Sequence[Remedy], trials: Trials) -> tuple[Remedy, ...]:
    """What is left when everything is left out that can be; then smaller sets, if few."""
    kept = list(pool)
    for remedy in reversed(pool):
        without = [each for each in kept if each is not remedy]
        if trials.reach(without):
            kept = without
    for size in range(2, len(kept)):
        sets = list(combinations(pool, size))
        if len(sets) > _MOST_TRIALS:
            break
        smaller = next((each for each in sets if trials.reach(each)), None)
        if smaller is not None:
            return smaller
    return tuple(kept)
