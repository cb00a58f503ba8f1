"""The overview: what was decided lately, in figures that a page only prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from app.console.charts import Chart, stack
from app.console.decision_hours import HOUR, full_hour
from app.trust.decisions import DecisionCount, DecisionKind, Outcome
from app.trust.errors import MalformedRequestError

UNKNOWN_TEE = "not known"
# From the bottom up: what is good is at the bottom.
_STATUSES = ("affirming", "warning", "none", "contraindicated", "denied")
_OUTCOMES = ("allowed", "denied")


class Window(Enum):
    """How far back the overview looks: length, and the span of one bar."""

    DAY = (timedelta(days=1), HOUR)
    WEEK = (timedelta(days=7), 6 * HOUR)
    MONTH = (timedelta(days=30), 24 * HOUR)

    @property
    def span(self) -> timedelta:
        """Of one bar."""
        return self.value[1]

    @property
    def bars(self) -> int:
        """How many there are."""
        return self.value[0] // self.value[1]

    @classmethod
    def of(cls, name: str) -> Window:
        """The window of this name, ``day``, ``week`` or ``month``.

        Raises:
            MalformedRequestError: there is none.
        """
        try:
            return cls[name.upper()]
        except KeyError:
            raise MalformedRequestError("window is day, week or month") from None

    def begins_at(self, now: datetime) -> datetime:
        """The full hour at which the window that ends with this hour begins."""
        return full_hour(now) + HOUR - self.value[0]


@dataclass(frozen=True, slots=True)
class Share:
    """How many share a name, and how many percent of the most frequent one that is."""

    name: str
    count: int
    percent: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the guests of one TEE.

    Attributes:
        attestations: by status, or ``denied``; in the order of ``Overview.attestations``.
    """

    tee: str
    attested: int
    affirming: int
    allowed: int
    denied: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures of the first page.

    Attributes:
        since: when the window began.
        attestations: by status, or ``denied`` where no token was signed.
        releases: by outcome.
        tees: every TEE of the window, whatever is chosen.
        denials: by reason code, most frequent first.
    """

    since: datetime
    attestations: Chart
    releases: Chart
    tees: tuple[Tally, ...]
    denials: tuple[Share, ...]

    @property
    def affirmed_percent(self) -> int | None:
        """Of the attestations; ``None`` without any."""
        good = sum(tally.affirming for tally in self.tees)
        total = sum(tally.attested for tally in self.tees)
        return round(100 * good / total) if total else None


def overview(
    counts: Iterable[DecisionCount], now: datetime, window: Window, tee: str | None = None
) -> Overview:
    """The figures of a window.

    Args:
        counts: of the window's spans, of every TEE.
        now: when it ends.
        window: how far back it goes.
        tee: draw only guests of this one; ``None`` for all.
    """
    since = window.begins_at(now)
    known = [each for each in counts if each.begins_at >= since]
    drawn = [each for each in known if tee is None or _tee(each) == tee]
    return Overview(
        since=since,
        attestations=_chart(drawn, since, window, DecisionKind.APPRAISAL),
        releases=_chart(drawn, since, window, DecisionKind.RELEASE),
        tees=_tees(known),
        denials=_shares(each for each in drawn if each.outcome is Outcome.DENIED),
    )


def _chart(
    counts: list[DecisionCount], since: datetime, window: Window, kind: DecisionKind
) -> Chart:
    name_of, order = (
        (_status, _STATUSES)
        if kind is DecisionKind.APPRAISAL
        else (lambda each: each.outcome.value, _OUTCOMES)
    )
    spans = [(since + number * window.span, Counter[str]()) for number in range(window.bars)]
    for each in counts:
        if each.kind is kind:
            number = (each.begins_at - since) // window.span
            spans[min(number, window.bars - 1)][1][name_of(each)] += each.count
    return stack(spans, order)


def _status(count: DecisionCount) -> str:
    """Attestations that were allowed differ by their status."""
    return count.reason if count.outcome is Outcome.ALLOWED else count.outcome.value


def _tee(count: DecisionCount) -> str:
    return count.tee or UNKNOWN_TEE


def _shares(counts: Iterable[DecisionCount]) -> tuple[Share, ...]:
    sums: Counter[str] = Counter()
    for each in counts:
        sums[each.reason] += each.count
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    most = ranked[0][1] if ranked else 1
    return tuple(Share(name, count, max(1, 100 * count // most)) for name, count in ranked)


def _tees(counts: list[DecisionCount]) -> tuple[Tally, ...]:
    def total(tee: str, wanted: Callable[[DecisionCount], bool]) -> int:
        return sum(each.count for each in counts if _tee(each) == tee and wanted(each))

    return tuple(
        Tally(
            tee=tee,
            attested=total(tee, lambda each: each.kind is DecisionKind.APPRAISAL),
            affirming=total(tee, lambda each: _status(each) == "affirming"),
            allowed=total(tee, _is_released),
            denied=total(tee, lambda each: each.outcome is Outcome.DENIED),
        )
        for tee in sorted({_tee(each) for each in counts})
    )


def _is_released(count: DecisionCount) -> bool:
    return count.kind is DecisionKind.RELEASE and count.outcome is Outcome.ALLOWED
