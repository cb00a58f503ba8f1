"""Times relative to now, in words that need no arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_LATEST = datetime(9998, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class RelativeTime:
    """A time of a document.

    Attributes:
        name: of the claim or field.
        at: when.
        seconds: from now on; negative in the past.
    """

    name: str
    at: datetime
    seconds: int

    @property
    def span(self) -> timedelta:
        """How far from now, without a sign."""
        return timedelta(seconds=abs(self.seconds))

    @property
    def is_past(self) -> bool:
        """Whether it is over."""
        return self.seconds < 0


def relative_time(name: str, value: object, now: datetime) -> RelativeTime | None:
    """A NumericDate (RFC 7519, section 2) relative to now; ``None`` for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        return None
    at = datetime.fromtimestamp(value, UTC)
    return RelativeTime(name, at, int((at - now).total_seconds()))
