"""What the guest, or its token, would have to be."""

from __future__ import annotations

from collections.abc import Iterator

from app.attestation.claim_dictionary import Direction, find_claim
from app.console.candidates.compared import Compared, plain
from app.console.claims_at import Found, holds
from app.console.remedies import GuestRemedy, Place, Rank, Remedy
from app.console.worlds import DERIVED, EVIDENCE, Part, World
from app.trust.json_types import JSONValue
from app.trust.policy_conditions import DATA, Path, Reference


def guest_of_part(world: World, part: Part, each: Compared, place: Place) -> Iterator[Remedy]:
    """Another claim of the evidence, as an attestation policy wants it."""
    expected, rank = each.literal, Rank.GUEST
    if isinstance(each.other, Reference):
        if each.other.steps:
            return
        expected = world.values.get(each.other.name)
        if expected is None:
            return
        rank = _rank_of_update(each, expected)
    wanted = each.wanted(expected)
    unmet = each.unmet_by(expected)
    if wanted is not None and unmet:
        steps = tuple(found.steps for found in unmet)
        claim = str(each.path)
        yield GuestRemedy("evidence", part.name, claim, steps, plain(unmet), wanted, place, rank)


def guest_of_release(world: World, each: Compared, place: Place) -> Iterator[Remedy]:
    """Another claim of the token, or of its evidence, as a resource policy wants it."""
    expected = each.literal
    wanted = each.wanted(expected)
    judged_here = {part.name for part in world.parts}
    places: dict[tuple[str, str], list[Found]] = {}
    for found in each.unmet_by(expected):
        root, part = _root_of(each.path, found.steps, judged_here)
        if root:
            places.setdefault((root, part), []).append(found)
    for (root, part), unmet in places.items():
        if wanted is not None:
            cut = 3 if root == "evidence" else 0
            steps = tuple(found.steps[cut:] for found in unmet)
            claim = str(each.path)
            yield GuestRemedy(root, part, claim, steps, plain(unmet), wanted, place, Rank.GUEST)


def _root_of(path: Path, steps: tuple[str | int, ...], judged_here: set[str]) -> tuple[str, str]:
    """Whose a value is; nobody's when it is what an appraisal here made of the evidence."""
    if path.root == DATA:
        # Which plugin answers is a matter of the path, and of this server.
        return ("", "") if steps[:1] == ("plugin",) else ("request", "")
    if len(steps) > 2 and steps[0] == "submods" and steps[1] in judged_here:
        if steps[2] in DERIVED:
            return "", ""
        if steps[2] == EVIDENCE and len(steps) > 3:
            return "evidence", str(steps[1])
    return "token", ""


def _rank_of_update(each: Compared, expected: JSONValue) -> Rank:
    """A guest that is older than what is registered is to be updated; another one is another."""
    tee, rest = str(each.path.steps[0]), Path("", each.path.steps[1:])
    claim = find_claim(tee, str(rest).removeprefix("."))
    is_version = claim is not None and claim.direction in (Direction.HIGHER, Direction.LATER)
    values = expected if isinstance(expected, list) else [expected]
    actual = plain(each.found)
    is_older = bool(values) and all(holds("<", actual, value) for value in values)
    return Rank.GUEST if is_older and (is_version or each.operator == ">=") else Rank.OTHER_GUEST
