"""Counts of attempts: one row a bucket, which begins afresh when its window is over."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from store.every_port import Stores, failing

from app.console.attempts import Count

WINDOW = timedelta(minutes=15)


def test_what_was_not_committed_was_not_counted(stores: Stores, now: datetime) -> None:
    """An attempt that was refused leaves the count as it was."""
    with failing(stores):
        stores.attempts.add("b", now, WINDOW)
    assert stores.attempts.find("b", now) is None


def test_attempts_are_counted_within_the_first_ones_window(stores: Stores, now: datetime) -> None:
    """Later ones do not move its end."""
    later = now + timedelta(minutes=14)
    with stores.transaction():
        assert stores.attempts.add("b", now, WINDOW) == Count(1, now + WINDOW)
        assert stores.attempts.add("b", later, WINDOW) == Count(2, now + WINDOW)
        assert stores.attempts.add("c", later, WINDOW) == Count(1, later + WINDOW)
    assert stores.attempts.find("b", later) == Count(2, now + WINDOW)


def test_a_window_that_is_over_counts_nothing(stores: Stores, now: datetime) -> None:
    """The next attempt is the first of another."""
    after = now + WINDOW
    with stores.transaction():
        stores.attempts.add("b", now, WINDOW)
    assert stores.attempts.find("b", after) is None
    with stores.transaction():
        assert stores.attempts.add("b", after, WINDOW) == Count(1, after + WINDOW)


def test_counts_are_given_back_and_cleared(stores: Stores, now: datetime) -> None:
    """Never below nothing; what was never counted is no error."""
    with stores.transaction():
        stores.attempts.add("b", now, WINDOW)
        stores.attempts.give_back("b")
        stores.attempts.give_back("b")
        stores.attempts.give_back("never")
        stores.attempts.clear("never")
    assert stores.attempts.find("b", now) == Count(0, now + WINDOW)
    with stores.transaction():
        stores.attempts.clear("b")
    assert stores.attempts.find("b", now) is None


def test_old_counts_are_forgotten(stores: Stores, now: datetime) -> None:
    """Those whose window is over, and no others."""
    with stores.transaction():
        stores.attempts.add("old", now - WINDOW, WINDOW)
        stores.attempts.add("new", now, WINDOW)
        assert stores.attempts.forget_expired(now) == 1
    assert stores.attempts.find("new", now) is not None


def test_no_attempt_of_many_at_once_is_lost(sql: Stores, now: datetime) -> None:
    """Guessing in parallel gains nothing."""

    def attempt() -> None:
        with sql.transaction():
            sql.attempts.add("b", now, WINDOW)

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sql.attempts.find("b", now) == Count(6, now + WINDOW)
