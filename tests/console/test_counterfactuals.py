"""Ways out: the smallest that suffice, none with a part too many, loosened policies last."""

from __future__ import annotations

from collections.abc import Sequence

from app.console.counterfactuals import Trials, ways
from app.console.remedies import (
    Place,
    PolicyRemedy,
    Rank,
    ReferenceValueRemedy,
    Remedy,
    Risk,
    edited,
)
from app.trust.policies import PolicyKind

PLACE = Place(PolicyKind.RESOURCE, "resource-policy", 1, "x", "allow")


def value(name: str, rank: Rank = Rank.REGISTER) -> Remedy:
    """A reference value to register."""
    return ReferenceValueRemedy(name, [1], None, "missing", "input.x", 1, PLACE, rank)


def line(rank: Rank = Rank.LINE, start: int = 0, text: str = "true") -> PolicyRemedy:
    """A line that asks for less."""
    return PolicyRemedy(PLACE, "d", start, start + 1, text, "input.x", 1, rank)


class Told(Trials):
    """Trials whose outcome is told: the sets of names that suffice."""

    def __init__(self, *sufficient: set[str]) -> None:
        """Take the sets; more than one of them is no harm."""
        self.sufficient = sufficient
        self.tried = 0

    def reach(self, changes: Sequence[Remedy]) -> bool:
        """Whether a sufficient set is among the changes."""
        self.tried += 1
        names = {getattr(each, "name", "line") for each in changes}
        return any(each <= names for each in self.sufficient)


def test_nothing_is_offered_that_does_not_lead_there() -> None:
    """Candidates are only candidates."""
    assert ways([value("a"), line()], Told()) == ()


def test_none_of_a_set_can_be_left_out() -> None:
    """Two of five suffice, so two are offered."""
    remedies = [value(name) for name in "abcde"]
    (way,) = ways(remedies, Told({"b", "d"}))
    assert [getattr(each, "name", "") for each in way.remedies] == ["b", "d"]


def test_a_smaller_set_is_found_beside_a_larger_one() -> None:
    """Leaving out greedily can end in three where two would do."""
    remedies = [value(name) for name in "abcde"]
    (way,) = ways(remedies, Told({"a", "b", "c"}, {"d", "e"}))
    assert len(way.remedies) == 2


def test_a_loosened_policy_comes_last_however_small() -> None:
    """Five values before one line, and a verdict that is loosened after any other line."""
    remedies = [value("a"), value("b"), line(Rank.VERDICT_LINE), line(Rank.LINE)]
    found = ways(sorted(remedies, key=lambda r: r.rank), Told({"a", "b"}, {"line"}))
    assert [len(way.remedies) for way in found] == [2, 1, 1]
    assert [way.remedies[0].rank for way in found[1:]] == [Rank.LINE, Rank.VERDICT_LINE]
    assert [way.risk for way in found] == [Risk.MEDIUM, Risk.HIGH, Risk.HIGH]


def test_many_values_are_not_tried_for_ever() -> None:
    """The number of trials is bounded, whatever a policy asks for."""
    trials = Told({f"v{number}" for number in range(12)})
    (way,) = ways([value(f"v{number}") for number in range(40)], trials)
    assert len(way.remedies) == 12
    assert trials.tried < 1500


def test_edits_do_not_move_each_other() -> None:
    """Places are of the text before any of them."""
    assert edited("ä b c", [line(start=3, text="bb"), line(start=5, text="cc")]) == "ä bb cc"
