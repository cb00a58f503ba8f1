"""Changes accepted evidence, bit by bit and length by length, and counts how it is refused.

What is tried is a function of the evidence and of ``effort`` alone: two runs try the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil

from app.trust.errors import DomainError, UnavailableError

ACCEPTED = "accepted"
CRASHED = "crashed"


@dataclass(frozen=True)
class Part:
    """Bytes of evidence, or of collateral, that somebody signed.

    Attributes:
        name: what the report calls them.
        data: as they are accepted.
        attempt: verifies the same evidence with other bytes in their place.
        spans: the bytes in which nothing may change; all of them when empty.
        end: every length below it is refused; the length of the data when ``None``, and 0 for
            bytes that have no length of their own (numbers).
        outage_ok: whether 503 is an honest answer: a vendor's document that does not parse is not
            the guest's fault.
    """

    name: str
    data: bytes
    attempt: Callable[[bytes], object]
    spans: tuple[range, ...] = ()
    end: int | None = None
    outage_ok: bool = False

    def bits(self) -> list[tuple[int, int]]:
        """Every place and bit that must not change."""
        spans = self.spans or (range(len(self.data)),)
        return [(at, bit) for span in spans for at in span for bit in range(8)]

    def lengths(self) -> range:
        """Every length to which it must not be cut."""
        return range(len(self.data) if self.end is None else self.end)


@dataclass(frozen=True)
class Case:
    """One accepted piece of evidence.

    Attributes:
        tee: whose verifier accepts it.
        name: of the vector, or of the simulated machine.
        cost: about how many milliseconds a full verification takes; slow ones are tried less.
        parts: makes what is changed; called in the process that changes it.
    """

    tee: str
    name: str
    cost: float
    parts: Callable[[], list[Part]]


@dataclass
class Tally:
    """How often something was tried, of how many ways, and what came of it."""

    possible: int = 0
    tried: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, possible: int, outcomes: list[str]) -> None:
        """Count a sweep."""
        self.possible += possible
        self.tried += len(outcomes)
        self.reasons.update(outcomes)


@dataclass
class Result:
    """What became of one part.

    Attributes:
        faults: what should not have happened: accepted, a crash, or an outage where evidence is
            to blame.
    """

    tee: str
    case: str
    part: str
    flips: Tally = field(default_factory=Tally)
    cuts: Tally = field(default_factory=Tally)
    faults: list[str] = field(default_factory=list)


def sweep(case: Case, effort: float) -> list[Result]:
    """Change each part of a case.

    Args:
        case: what is accepted.
        effort: about how many seconds one part may take; decides how many of the bits are tried.
    """
    tries = max(16, int(effort * 1000 / case.cost))
    return [_sweep_part(case, part, tries) for part in case.parts()]


def _sweep_part(case: Case, part: Part, tries: int) -> Result:
    result = Result(case.tee, case.name, part.name)
    first = outcome(part, part.data)
    if first != ACCEPTED:
        result.faults.append(f"the unchanged evidence is refused: {first}")
        return result
    bits, lengths = part.bits(), part.lengths()
    result.flips.add(len(bits), list(_flip(part, bits, tries, result)))
    result.cuts.add(len(lengths), list(_cut(part, lengths, tries, result)))
    return result


def _flip(part: Part, bits: list[tuple[int, int]], tries: int, result: Result) -> Iterator[str]:
    for at, bit in bits[:: stride(len(bits), tries)]:
        changed = part.data[:at] + bytes([part.data[at] ^ 1 << bit]) + part.data[at + 1 :]
        yield _judged(part, changed, f"bit {bit} of byte {at}", result)


def _cut(part: Part, lengths: range, tries: int, result: Result) -> Iterator[str]:
    for length in lengths[:: stride(len(lengths), tries)]:
        yield _judged(part, part.data[:length], f"cut to {length} bytes", result)


def _judged(part: Part, changed: bytes, what: str, result: Result) -> str:
    found = outcome(part, changed)
    if found.startswith((ACCEPTED, CRASHED)) or (found.startswith("503 ") and not part.outage_ok):
        result.faults.append(f"{what}: {found}")
    return found


def stride(possible: int, tries: int) -> int:
    """Every how manieth is tried; odd, so that all eight bits of bytes come up."""
    every = ceil(possible / tries) if possible else 1
    return every | 1 if every > 1 else 1


def outcome(part: Part, data: bytes) -> str:
    """The reason code, ``503`` before those of outages; what else may come of it."""
    try:
        part.attempt(data)
    except UnavailableError as error:
        return f"503 {error.code}"
    except DomainError as error:
        return error.code
    except Exception as error:  # noqa: BLE001 - whatever it is, a guest would see a 500
        return f"{CRASHED}: {type(error).__name__}"
    return ACCEPTED
