"""What the dictionary says about a claim."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Direction(StrEnum):
    """How a claim is meant to be judged; the value is what pages say."""

    EQUAL = "must equal what was registered"
    HIGHER = "higher is newer"
    LATER = "later is newer"
    TRUE = "must be true"
    FALSE = "must be false"
    FIXED = "has one good value"
    CHECKED = "the verifier has compared it"
    INFORMATIVE = "tells about the guest; nothing to compare"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of one TEE.

    Attributes:
        path: as written in a policy, from the TEE's member of ``input``.
        type: what the value looks like: JSON type, encoding, size.
        direction: how it is meant to be judged.
        meaning: in one sentence or two.
        source: the specification that defines it, with the section or structure.
        reference_values: names that the default policies read for it.
        good: the good value, where there is one.
        is_open: whether the claim speaks for every member below it.
    """

    path: str
    type: str
    direction: Direction
    meaning: str
    source: str
    reference_values: tuple[str, ...] = ()
    good: str = ""
    is_open: bool = False

    def read_for(self, *names: str) -> Claim:
        """The same claim where the default policies read these values for it."""
        return replace(self, reference_values=names)


def below(prefix: str, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """The same claims as members of another one."""
    return tuple(
        replace(claim, path=prefix + ("" if claim.path.startswith("[") else ".") + claim.path)
        for claim in claims
    )


def bound(what: str, source: str, kind: str) -> Claim:
    """``report_data``: the same everywhere but for the field that it is.

    Args:
        what: the field of the evidence.
        source: where that is specified.
        kind: its type.
    """
    return Claim(
        "report_data",
        kind,
        Direction.CHECKED,
        f"{what}: what the guest bound its evidence to, the digest of its runtime data.",
        source,
    )


def launched(what: str, source: str, kind: str) -> Claim:
    """``init_data``: the same everywhere but for the field that it is.

    Args:
        what: the field of the evidence.
        source: where that is specified.
        kind: its type.
    """
    return Claim(
        "init_data",
        kind,
        Direction.CHECKED,
        f"{what}: the digest of the init data that the host gave the guest at its launch; compared "
        "when the guest sends the document.",
        source,
    )
