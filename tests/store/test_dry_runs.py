"""Dry runs: one of each proposal, moved on only from where it was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.console.dry_runs import AlteredDecision, DryRun, DryRunState
from app.store.database import Database
from app.store.dry_runs import SQLDryRunStore

NAMED = (AlteredDecision("01", "2026-01-01", "release", "resource/a/b/c", None, "x", "y"),)


@pytest.fixture
def store(database: Database) -> SQLDryRunStore:
    """Dry runs on each engine."""
    return SQLDryRunStore(database)


@pytest.fixture
def run(now: datetime) -> DryRun:
    """A run that has not come far."""
    return DryRun("p", 1, DryRunState.RUNNING, 10, 0, 0, None, (), "1 1", now, "ada")


def test_a_run_is_kept_whole(store: SQLDryRunStore, database: Database, run: DryRun) -> None:
    """And there is none before there is one."""
    assert store.find("p") is None
    further = replace(run, done=5, altered=1, cursor="01", named=NAMED)
    with database.transaction():
        store.begin(run)
        assert store.go_on(further, done=0)
    assert store.find("p") == further


def test_a_slice_counts_once(store: SQLDryRunStore, database: Database, run: DryRun) -> None:
    """Of two who worked the same slice off, one moves the run on."""
    further = replace(run, done=5)
    with database.transaction():
        store.begin(run)
        assert store.go_on(further, done=0)
        assert not store.go_on(further, done=0)


def test_a_run_that_is_over_stays_so(
    store: SQLDryRunStore, database: Database, run: DryRun
) -> None:
    """Whoever was still at a slice of a cancelled run counts for nothing."""
    with database.transaction():
        store.begin(run)
        assert store.go_on(replace(run, state=DryRunState.CANCELLED), done=0)
        assert not store.go_on(replace(run, done=5), done=0)


def test_a_run_begun_anew_is_another(
    store: SQLDryRunStore, database: Database, run: DryRun
) -> None:
    """A slice of the old one does not move the new one on."""
    again = replace(run, started_at=run.started_at + timedelta(seconds=1))
    with database.transaction():
        store.begin(run)
        store.begin(again)
        assert not store.go_on(replace(run, done=5), done=0)
    assert store.find("p") == again
