"""Decisions by the hour: hours that are over are counted once, and only the last ones anew.

A month of a busy server has millions of decisions, and the overview is looked at all day.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from app.trust.decisions import DecisionCount

HOUR = timedelta(hours=1)
# A decision is written down after the moment that its id tells, and replicas' clocks differ.
GRACE = timedelta(minutes=10)


class DecisionHours(Protocol):
    """Counts of decisions, by time and sort."""

    def count(self, since: datetime, span: timedelta = HOUR) -> list[DecisionCount]:
        """How many decisions of each sort there are, span by span, in any order.

        Args:
            since: a full hour, UTC.
            span: full hours, of which the first begins then.
        """
        ...

    def close(self, before: datetime) -> int:
        """Count hours that are over, a batch of them; how many there were.

        Each is counted once, whoever asks: of workers that do so at the same time one writes.

        Args:
            before: only hours that ended by then.
        """
        ...


def full_hour(moment: datetime) -> datetime:
    """When the hour of a moment began."""
    return moment.replace(minute=0, second=0, microsecond=0)
