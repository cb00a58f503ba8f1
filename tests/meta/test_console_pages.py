"""Pages of the console: each can be opened by the tests that look at every page."""

from __future__ import annotations

from console_pages import addresses
from flask import Flask


def test_every_page_has_values_for_its_address(full_app: Flask) -> None:
    """A page that asks for more than ``tests/console_pages.py`` knows is one that nobody tests."""
    assert len(addresses(full_app)) > 40
