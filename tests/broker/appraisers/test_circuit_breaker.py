"""What does not answer is left alone, and asked again by one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import NOON

from app.broker.appraisers.circuit_breaker import (
    FAILURES_TO_OPEN,
    OPEN_FOR,
    CircuitBreaker,
    OpenCircuitError,
)


@pytest.fixture
def opened() -> CircuitBreaker:
    """A breaker that opened at noon."""
    breaker = CircuitBreaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.enter(NOON)
        breaker.failed(NOON)
    return breaker


def test_an_open_circuit_says_when_to_come_back(opened: CircuitBreaker) -> None:
    """Whole seconds, rounded up, and at least one."""
    for before_end, seconds in ((OPEN_FOR, 10), (timedelta(milliseconds=1), 1)):
        with pytest.raises(OpenCircuitError) as caught:
            opened.enter(NOON + OPEN_FOR - before_end)
        assert caught.value.retry_after == seconds


def test_one_probe_goes_through_at_a_time(opened: CircuitBreaker) -> None:
    """The first after the pause asks; the others wait for what it reports."""
    at = NOON + OPEN_FOR
    opened.enter(at)
    with pytest.raises(OpenCircuitError):
        opened.enter(at)


def test_a_failed_probe_opens_again_at_once(opened: CircuitBreaker) -> None:
    """It does not take another row of failures."""
    at = NOON + OPEN_FOR
    opened.enter(at)
    opened.failed(at)
    with pytest.raises(OpenCircuitError):
        opened.enter(at + OPEN_FOR - timedelta(seconds=1))


def test_a_lost_probe_does_not_keep_the_circuit_open_for_ever(opened: CircuitBreaker) -> None:
    """A probe that never reports is replaced after another pause."""
    opened.enter(NOON + OPEN_FOR)
    opened.enter(NOON + OPEN_FOR * 2)


def test_a_good_probe_closes(opened: CircuitBreaker) -> None:
    """And failures are counted from the beginning."""
    opened.enter(NOON + OPEN_FOR)
    opened.succeeded()
    for _ in range(FAILURES_TO_OPEN - 1):
        opened.enter(NOON + OPEN_FOR)
        opened.failed(NOON + OPEN_FOR)
    opened.enter(NOON + OPEN_FOR)


def test_failures_count_in_a_row_only() -> None:
    """An answer in between starts the count anew."""
    breaker = CircuitBreaker()
    for _ in range(FAILURES_TO_OPEN * 3):
        breaker.enter(NOON)
        breaker.failed(NOON)
        breaker.succeeded()
    breaker.enter(NOON)
