"""Bars of a chart, in numbers that a template only prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

# Of the drawing, in units of its view box.
WIDTH, HEIGHT = 720, 100
_SHARE_OF_STEP = 0.78


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: how many of one name; ``y`` and ``height`` in units of the view box."""

    name: str
    count: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A span of time; ``x`` and ``width`` in units of the view box.

    Attributes:
        parts: from the bottom up, only those that are not empty.
    """

    begins_at: datetime
    total: int
    x: float
    width: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked bars, oldest first.

    Attributes:
        names: of the parts that are somewhere in it, in the order in which they are stacked.
        total: over all bars.
        most: the total of the highest bar.
    """

    bars: tuple[Bar, ...]
    names: tuple[str, ...]
    total: int
    most: int


def stack(spans: Sequence[tuple[datetime, Mapping[str, int]]], order: Iterable[str]) -> Chart:
    """A chart of counts by name over spans of time.

    Args:
        spans: when each begins, and how many of each name it had; at least one.
        order: the names from the bottom up; others are not drawn.
    """
    names = tuple(name for name in order if any(counts.get(name) for _, counts in spans))
    totals = [sum(counts.get(name, 0) for name in names) for _, counts in spans]
    most = max(totals)
    unit, step = HEIGHT / max(1, most), WIDTH / len(spans)
    bars = tuple(
        Bar(
            begins_at=begins_at,
            total=total,
            x=round(number * step + step * (1 - _SHARE_OF_STEP) / 2, 2),
            width=round(step * _SHARE_OF_STEP, 2),
            parts=tuple(_parts(counts, names, unit)),
        )
        for number, ((begins_at, counts), total) in enumerate(zip(spans, totals, strict=True))
    )
    return Chart(bars, names, sum(totals), most)


def _parts(counts: Mapping[str, int], names: Sequence[str], unit: float) -> Iterable[Part]:
    below = 0
    for name in names:
        count = counts.get(name, 0)
        if count:
            height = round(count * unit, 2)
            yield Part(name, count, round(HEIGHT - (below + count) * unit, 2), height)
        below += count
