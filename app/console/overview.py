"""The overview: what was decided in the last 24 hours, in figures that a page only prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.trust.clock import Clock
from app.trust.decisions import DecisionCount, DecisionKind, DecisionStore, Outcome

HOURS = 24

# Of the drawing, in units of its view box.
CHART_HEIGHT = 100
_BAR_STEP, _BAR_WIDTH = 30, 22
CHART_WIDTH = HOURS * _BAR_STEP


@dataclass(frozen=True, slots=True)
class Figure:
    """How many decisions share a name."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How the decisions about one thing came out."""

    name: str
    allowed: int
    denied: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour of the chart.

    Attributes:
        x, width: of the bar, in units of the view box, as are the tops and heights.
        allowed_top, allowed_height: of the lower part.
        denied_top, denied_height: of the part on top of it.
    """

    hour: datetime
    allowed: int
    denied: int
    x: int
    width: int
    allowed_top: float
    allowed_height: float
    denied_top: float
    denied_height: float


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures of the first page.

    Attributes:
        since: the full hour at which the window begins.
        appraisals: by status, or ``denied``.
        releases: by outcome.
        tees: by wire name of the TEE.
        denials: by reason code, most frequent first.
        bars: the hours, oldest first.
        most: decisions of the busiest hour.
    """

    since: datetime
    total: int
    denied: int
    appraisals: tuple[Figure, ...]
    releases: tuple[Figure, ...]
    tees: tuple[Tally, ...]
    denials: tuple[Figure, ...]
    bars: tuple[Bar, ...]
    most: int


def overview(decisions: DecisionStore, clock: Clock) -> Overview:
    """Count what was decided in this hour and the 23 before it, with one statement."""
    this_hour = clock.now().replace(minute=0, second=0, microsecond=0)
    since = this_hour - timedelta(hours=HOURS - 1)
    counts = decisions.count(since)
    bars = _bars(since, counts)
    return Overview(
        since=since,
        total=sum(each.count for each in counts),
        denied=sum(each.count for each in counts if each.outcome is Outcome.DENIED),
        appraisals=_figures(counts, DecisionKind.APPRAISAL),
        releases=_figures(counts, DecisionKind.RELEASE),
        tees=_tees(counts),
        denials=_ranked(
            (each.reason, each.count) for each in counts if each.outcome is Outcome.DENIED
        ),
        bars=bars,
        most=max(bar.allowed + bar.denied for bar in bars),
    )


def _figures(counts: list[DecisionCount], kind: DecisionKind) -> tuple[Figure, ...]:
    """Appraisals that were allowed differ by their status, releases do not."""
    return _ranked(
        (
            each.reason
            if kind is DecisionKind.APPRAISAL and each.outcome is Outcome.ALLOWED
            else each.outcome.value,
            each.count,
        )
        for each in counts
        if each.kind is kind
    )


def _ranked(named: Iterable[tuple[str, int]]) -> tuple[Figure, ...]:
    sums: Counter[str] = Counter()
    for name, count in named:
        sums[name] += count
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Figure(name, count) for name, count in ranked)


def _tees(counts: list[DecisionCount]) -> tuple[Tally, ...]:
    sums: Counter[tuple[str, Outcome]] = Counter()
    for each in counts:
        sums[each.tee or "not known", each.outcome] += each.count
    return tuple(
        Tally(tee, sums[tee, Outcome.ALLOWED], sums[tee, Outcome.DENIED])
        for tee in sorted({tee for tee, _ in sums})
    )


def _bars(since: datetime, counts: list[DecisionCount]) -> tuple[Bar, ...]:
    sums: Counter[tuple[datetime, Outcome]] = Counter()
    for each in counts:
        sums[each.hour, each.outcome] += each.count
    hours = [since + timedelta(hours=number) for number in range(HOURS)]
    tallies = [(hour, sums[hour, Outcome.ALLOWED], sums[hour, Outcome.DENIED]) for hour in hours]
    unit = CHART_HEIGHT / max(1, *(allowed + denied for _, allowed, denied in tallies))
    return tuple(
        Bar(
            hour=hour,
            allowed=allowed,
            denied=denied,
            x=number * _BAR_STEP + (_BAR_STEP - _BAR_WIDTH) // 2,
            width=_BAR_WIDTH,
            allowed_top=round(CHART_HEIGHT - allowed * unit, 2),
            allowed_height=round(allowed * unit, 2),
            denied_top=round(CHART_HEIGHT - (allowed + denied) * unit, 2),
            denied_height=round(denied * unit, 2),
        )
        for number, (hour, allowed, denied) in enumerate(tallies)
    )
