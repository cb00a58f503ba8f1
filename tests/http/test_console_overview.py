"""The overview: figures of the last day, and a navigation that shows what a role may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from console_client import Console
from flask import Flask
from raw_guest import RawGuest

from app.blueprints.services import Services
from app.console.overview import overview
from app.console.permissions import Role
from app.trust.decisions import DecisionCount, DecisionKind, Outcome

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Counted:
    """Decisions of which only figures are known."""

    def __init__(self, *counts: DecisionCount) -> None:
        self.counts = counts

    def count(self, since: datetime) -> list[DecisionCount]:
        """See ``DecisionStore``."""
        return [each for each in self.counts if each.hour >= since]


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        """See ``Clock``."""
        return NOW


def test_an_empty_day_is_no_error() -> None:
    """Without decisions there are 24 empty hours."""
    figures = overview(Counted(), Still())  # type: ignore[arg-type]
    assert (figures.total, figures.most, len(figures.bars)) == (0, 0, 24)
    assert figures.since == datetime(2026, 3, 3, 6, tzinfo=UTC)


def test_figures_add_up() -> None:
    """Status of appraisals, outcome of releases, TEEs, reasons, hours."""
    hour = NOW.replace(minute=0, second=0)
    one = DecisionCount(hour, DecisionKind.APPRAISAL, Outcome.ALLOWED, "affirming", "snp", 3)
    none = replace(one, outcome=Outcome.DENIED, reason="nonce-used", tee=None, count=1)
    release = replace(
        one, kind=DecisionKind.RELEASE, outcome=Outcome.DENIED, reason="policy-denied"
    )
    old = replace(one, hour=hour - timedelta(hours=24))
    figures = overview(Counted(one, none, release, old), Still())  # type: ignore[arg-type]
    assert (figures.total, figures.denied, figures.most) == (7, 4, 7)
    assert [(f.name, f.count) for f in figures.appraisals] == [("affirming", 3), ("denied", 1)]
    assert [(f.name, f.count) for f in figures.releases] == [("denied", 3)]
    assert [(f.name, f.count) for f in figures.denials] == [("policy-denied", 3), ("nonce-used", 1)]
    assert [(t.name, t.allowed, t.denied) for t in figures.tees] == [
        ("not known", 0, 1),
        ("snp", 3, 3),
    ]
    bar = figures.bars[-1]
    assert bar.denied_top == 0
    assert bar.allowed_height + bar.denied_height == pytest.approx(100, abs=0.1)


def test_the_page_counts_what_guests_did(console: Callable[..., Console], app: Flask) -> None:
    """A refused guest shows in the figures, with its reason and a way to the records."""
    guest = RawGuest(app.test_client())
    guest.attest()
    guest.resource()
    page = console(Role.VIEWER).get("/").text
    assert "policy-denied" in page
    assert "reason=policy-denied" in page
    assert '<svg class="chart"' in page
    assert "style=" not in page


def test_the_navigation_shows_what_a_role_may_see(
    console: Callable[..., Console], services: Services
) -> None:
    """Signing keys stand on the overview of those who may see them."""
    key_id = services.token_keys.list()[0].key_id[:12]
    assert key_id not in console(Role.VIEWER).get("/").text
    assert key_id in console(Role.OPERATOR).get("/").text
