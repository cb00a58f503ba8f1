"""The overview's figures: windows, bars, shares, what expires next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.console.charts import HEIGHT, stack
from app.console.expiries import Expiring, Expiry, next_expiries
from app.console.health import Health
from app.console.overview import UNKNOWN_TEE, Window, overview
from app.trust.decisions import DecisionCount, DecisionKind, Outcome

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HOUR = NOW.replace(minute=0, second=0)
AFFIRMED = DecisionCount(HOUR, DecisionKind.APPRAISAL, Outcome.ALLOWED, "affirming", "snp", 3)
REFUSED = replace(AFFIRMED, outcome=Outcome.DENIED, reason="nonce-used", tee=None, count=1)
WITHHELD = replace(
    AFFIRMED, kind=DecisionKind.RELEASE, outcome=Outcome.DENIED, reason="policy-denied"
)
RELEASED = replace(WITHHELD, outcome=Outcome.ALLOWED, reason="policy-allowed", count=5)


def test_an_empty_day_is_no_error() -> None:
    """Without decisions there are 24 empty hours, and no share of anything."""
    figures = overview([], NOW, Window.DAY)
    assert (figures.attestations.total, len(figures.attestations.bars)) == (0, 24)
    assert (figures.affirmed_percent, figures.tees, figures.denials) == (None, (), ())
    assert figures.since == datetime(2026, 3, 3, 6, tzinfo=UTC)


@pytest.mark.parametrize(("window", "bars"), [(Window.DAY, 24), (Window.WEEK, 28)])
def test_the_last_bar_has_this_hour(window: Window, bars: int) -> None:
    """A window ends with the hour that is not over."""
    figures = overview([AFFIRMED], NOW, window)
    assert len(figures.attestations.bars) == bars
    assert figures.attestations.bars[-1].total == 3


def test_what_is_older_than_the_window_does_not_count() -> None:
    """Only the hours of the window do."""
    old = replace(AFFIRMED, begins_at=HOUR - timedelta(hours=24))
    assert overview([old], NOW, Window.DAY).attestations.total == 0
    assert overview([old], NOW, Window.WEEK).attestations.total == 3


def test_figures_add_up() -> None:
    """Attestations by status, releases by outcome, TEEs, reasons."""
    figures = overview([AFFIRMED, REFUSED, WITHHELD, RELEASED], NOW, Window.DAY)
    assert figures.attestations.names == ("affirming", "denied")
    assert figures.releases.names == ("allowed", "denied")
    assert (figures.attestations.total, figures.releases.total) == (4, 8)
    assert figures.affirmed_percent == 75
    assert [(share.name, share.count, share.percent) for share in figures.denials] == [
        ("policy-denied", 3, 100),
        ("nonce-used", 1, 33),
    ]
    assert [(t.tee, t.attested, t.affirming, t.allowed, t.denied) for t in figures.tees] == [
        (UNKNOWN_TEE, 1, 0, 0, 1),
        ("snp", 3, 3, 5, 3),
    ]


def test_one_tee_is_drawn_and_every_tee_is_listed() -> None:
    """Choosing a TEE must not take away the way to the others."""
    figures = overview([AFFIRMED, REFUSED], NOW, Window.DAY, "snp")
    assert figures.attestations.total == 3
    assert figures.denials == ()
    assert len(figures.tees) == 2


def test_bars_are_stacked_from_the_bottom() -> None:
    """The highest fills the drawing; a part stands on those before it."""
    chart = stack([(NOW, {"good": 3, "bad": 1}), (HOUR, {"good": 1})], ("good", "bad"))
    good, bad = chart.bars[0].parts
    assert (good.y + good.height, bad.y + bad.height) == (HEIGHT, good.y)
    assert bad.y == 0
    assert [part.height for part in chart.bars[1].parts] == [HEIGHT / 4]
    assert (chart.most, chart.total) == (4, 5)


def test_the_first_to_expire_comes_first() -> None:
    """Whatever its source; what expired long ago is nobody's news."""

    def source(*days: int) -> list[Expiry]:
        return [Expiry(Expiring.COLLATERAL, f"{n}", NOW + timedelta(days=n)) for n in days]

    asked: list[datetime] = []
    sources = [
        lambda since, limit: asked.append(since) or source(3, 40),
        lambda since, limit: source(-1, 20),
    ]
    found = next_expiries(sources, NOW, 3)
    assert [each.name for each in found] == ["-1", "3", "20"]
    assert [each.state(NOW) for each in found] == ["expired", "expiring", "valid"]
    assert asked == [NOW - timedelta(days=7)]


@pytest.mark.parametrize(
    ("change", "attestation", "broker"),
    [
        ({}, "works", "works"),
        ({"signing_key": None}, "failed", "works"),
        ({"tees": ()}, "failed", "works"),
        ({"has_policy": False}, "works", "failed"),
        ({"issuers": ()}, "works", "failed"),
        ({"serves_attestation": False, "serves_broker": False}, "disabled", "disabled"),
    ],
)
def test_a_part_works_when_it_has_what_it_needs(
    change: dict[str, object], attestation: str, broker: str
) -> None:
    """Without a key, a TEE, a policy or an issuer a service can only refuse."""
    healthy = Health(
        engine="SQLite",
        database_ms=1.0,
        serves_attestation=True,
        serves_broker=True,
        signing_key="k",
        tees=("snp",),
        has_policy=True,
        issuers=("builtin",),
        collateral_documents=0,
        collateral_sources=("cache",),
    )
    health = replace(healthy, **change)  # type: ignore[arg-type]
    assert (health.attestation, health.broker) == (attestation, broker)
