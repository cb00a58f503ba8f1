"""Reference values that would meet what is compared with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from app.console.candidates.compared import MOST_VALUES, Compared, plain
from app.console.claims_at import MISSING, Found, holds, values_at
from app.console.remedies import Place, Rank, ReferenceValueRemedy, Remedy
from app.console.worlds import World, with_value
from app.trust.json_types import JSONValue
from app.trust.policy_conditions import Each, Reference

# The value of a name that had expired when the decision was made, or ``None``.
Expired: TypeAlias = Callable[[str], JSONValue]


@dataclass(slots=True)
class Draft:
    """A reference value in the making: all that would be compared with it, met."""

    value: JSONValue
    first: tuple[str, JSONValue, Place]
    is_met: bool = True
    wanted: list[Found] = field(default_factory=list)


def register(
    world: World, compared: Compared, place: Place, drafts: dict[str, Draft], expired: Expired
) -> None:
    """Add to the draft of a reference value what would meet this comparison with it.

    Drafts go by the value's name; a new one begins with what is registered, or had expired.
    """
    reference = compared.other
    assert isinstance(reference, Reference)
    present = [each for each in compared.found if each.value is not MISSING]
    if not present or len(present) > MOST_VALUES or compared.operator in ("!=", "<", ">"):
        return
    if compared.operator == "==" and any(each.value != present[0].value for each in present):
        return
    known = world.values.get(reference.name)
    base = expired(reference.name) if known is None else known
    first = (str(compared.path), plain(present), place)
    draft = drafts.setdefault(reference.name, Draft(base, first))
    for each in present:
        steps = tuple(
            each.keys[step.number] if isinstance(step, Each) else step for step in reference.steps
        )
        if not holds(compared.operator, each.value, _at(known, steps)):
            draft.is_met = False
        draft.value = with_value(draft.value, steps, _meeting(compared, each, draft.value, steps))


def _meeting(
    compared: Compared, found: Found, value: JSONValue, steps: tuple[str | int, ...]
) -> JSONValue:
    """What would stand at a place of a reference value so that the comparison holds."""
    now = _at(value, steps)
    if compared.operator == "in":
        listed = now if isinstance(now, list) else []
        return listed if holds("in", found.value, listed) else [*listed, found.value]
    if compared.operator == "not in":
        listed = now if isinstance(now, list) else []
        return [each for each in listed if each != found.value]
    if holds(compared.operator, found.value, now):
        return now
    return found.value


def registered(world: World, name: str, draft: Draft, expired: Expired) -> Remedy:
    """The remedy that registers a draft under its name."""
    known, before = world.values.get(name), expired(name)
    claim, actual, place = draft.first
    is_renewal = known is None and before is not None and draft.value == before
    return ReferenceValueRemedy(
        name=name,
        value=draft.value,
        expected=known if known is not None else before,
        state="differs" if known is not None else "missing" if before is None else "expired",
        claim=claim,
        actual=actual,
        place=place,
        rank=Rank.RENEW if is_renewal else Rank.REGISTER,
    )


def _at(document: JSONValue, steps: tuple[str | int, ...]) -> JSONValue:
    (found,) = values_at(document, steps)
    return None if found.value is MISSING else found.value
