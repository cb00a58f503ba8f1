"""The one setup code that may be out."""

from __future__ import annotations

from datetime import datetime

from store.every_port import Stores, failing

from app.console.first_run import SetupCode


def test_what_was_not_committed_is_not_out(stores: Stores, now: datetime) -> None:
    """A code that could not be written down opens nothing."""
    with failing(stores):
        stores.setup_codes.replace(SetupCode("d", now))
    assert stores.setup_codes.find() is None


def test_a_new_code_takes_the_place_of_the_old(stores: Stores, now: datetime) -> None:
    """And can be forgotten."""
    for digest in ("one", "two"):
        with stores.transaction():
            stores.setup_codes.replace(SetupCode(digest, now))
    assert stores.setup_codes.find() == SetupCode("two", now)
    with stores.transaction():
        stores.setup_codes.clear()
    assert stores.setup_codes.find() is None
