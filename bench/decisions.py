"""How fast decisions are listed and written with a million of them in the database.

``PYTHONPATH=.:tests python bench/decisions.py --url sqlite:////tmp/bench.db --rows 1000000``: makes
the rows unless they are there, asks every filter and combinations of them, and writes a thousand
records more. ``--url postgresql`` starts a server of its own.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

from sqlalchemy import func, insert, select

from app.store import migrate
from app.store.database import Database
from app.store.decisions import SQLDecisionStore, _sort_of
from app.store.tables import decisions
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionRecord, Outcome

_START = datetime(2026, 1, 1, tzinfo=UTC)
_STEP = timedelta(seconds=20)
_BATCH = 5000
_SECRETS, _MEASUREMENTS, _POLICIES = 200, 400, 4
_COMMON = 0.6
_CHANCE = random.Random(1)  # Figures that can be had again.
# Compressed bodies of real records are of about this size.
_BODY = zlib.compress(os.urandom(1100), 0)
# How often each outcome is: a few reasons nearly always, the others nearly never.
_SORTS = (
    (48.0, DecisionKind.APPRAISAL, Outcome.ALLOWED, "affirming"),
    (48.0, DecisionKind.RELEASE, Outcome.ALLOWED, "policy-allowed"),
    (2.0, DecisionKind.APPRAISAL, Outcome.ALLOWED, "contraindicated"),
    (1.5, DecisionKind.RELEASE, Outcome.DENIED, "policy-denied"),
    (0.4, DecisionKind.RELEASE, Outcome.DENIED, "resource-not-found"),
    (0.1, DecisionKind.APPRAISAL, Outcome.DENIED, "binding-mismatch"),
    (0.001, DecisionKind.APPRAISAL, Outcome.DENIED, "certificate-revoked"),
)
_TEES = ("snp",) * 60 + ("tdx",) * 38 + ("sample", "sgx")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="sqlite:////tmp/vouchgate-bench-decisions.db")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    url = _own_postgresql() if options.url == "postgresql" else options.url
    database = Database.from_url(url)
    migrate.upgrade(database)
    _fill(database, options.rows)
    store = SQLDecisionStore(database)
    print(f"{options.rows} rows on {database.engine.dialect.name}")
    _measure_lists(store, options.rows)
    _measure_inserts(database, store, options.rows)


def _own_postgresql() -> str:
    from postgres import postgresql_server

    return postgresql_server().create("bench")


def _skewed(choices: int) -> int:
    """The first of them most of the time."""
    return 0 if _CHANCE.random() < _COMMON else _CHANCE.randrange(choices)


def _record(number: int, rows: int) -> DecisionRecord:
    _, kind, outcome, reason = _CHANCE.choices(_SORTS, [each[0] for each in _SORTS])[0]
    at = _START + number * _STEP
    # Secrets and measurements of the two halves never meet; a measurement that came late never met
    # the policies of old.
    half, age = number % 2, min(number * _POLICIES // rows, _POLICIES - 1)
    secret = _skewed(_SECRETS // 2) * 2 + half
    measurement = _skewed(_MEASUREMENTS // 2) * 2 + half
    if age == _POLICIES - 1 and _CHANCE.random() < _COMMON:
        measurement = _MEASUREMENTS
    is_release = kind is DecisionKind.RELEASE
    return DecisionRecord(
        f"{int(at.timestamp() * 1000):012x}{_CHANCE.getrandbits(80):020x}",
        kind,
        at,
        outcome,
        reason,
        _CHANCE.choice(_TEES),
        f"resource/default/app{secret}/key" if is_release else "default",
        f"{age * 2 + is_release:064x}",
        "1" * 64,
        f"token-{number // 2}",
        "https://as.example",
        1234,
        measurement=f"{measurement:096x}",
    )


def _row(record: DecisionRecord) -> dict[str, Any]:
    row: dict[str, Any] = {
        name: getattr(record, name)
        for name in DecisionRecord.__slots__
        if name not in ("inputs", "result")
    }
    row |= {"kind": record.kind.value, "outcome": record.outcome.value, "body": _BODY}
    return row | {"sort": _sort_of(record)}


def _fill(database: Database, rows: int) -> None:
    with database.read() as connection:
        have = connection.execute(select(func.count()).select_from(decisions)).scalar_one()
    for first in range(have, rows, _BATCH):
        batch = [_row(_record(number, rows)) for number in range(first, min(first + _BATCH, rows))]
        with database.transaction():
            database.writing().execute(insert(decisions), batch)
    if have < rows and database.is_postgresql:
        with database.read() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE decisions")


def _filters(rows: int) -> dict[str, dict[str, Any]]:
    middle = _START + rows // 2 * _STEP
    return {
        "kind": {"kind": DecisionKind.RELEASE},
        "outcome": {"outcome": Outcome.DENIED},
        "common reason": {"reason": "policy-allowed"},
        "rare reason": {"reason": "certificate-revoked"},
        "common tee": {"tee": "snp"},
        "rare tee": {"tee": "sgx"},
        "old policy": {"policy_digest": f"{1:064x}"},
        "common secret": {"subject": "resource/default/app0/key"},
        "rare secret": {"subject": "resource/default/app6/key"},
        "appraisal policy": {"subject": "default"},
        "common measurement": {"measurement": f"{0:096x}"},
        "rare measurement": {"measurement": f"{398:096x}"},
        "late measurement": {"measurement": f"{_MEASUREMENTS:096x}"},
        "other half's measurement": {"measurement": f"{1:096x}"},
        "a day": {"since": middle, "until": middle + timedelta(days=1)},
        "old": {"until": _START + timedelta(days=2)},
        "prefix": {"prefix": f"{int(middle.timestamp() * 1000):012x}"[:9]},
        "token": {"token_id": f"token-{rows // 3}"},
    }


def _queries(rows: int) -> Iterator[tuple[str, DecisionQuery]]:
    filters = _filters(rows)
    yield "none", DecisionQuery()
    for size in (1, 2, 3, 4):
        for names in combinations(filters, size):
            merged: dict[str, Any] = {}
            for name in names:
                merged = filters[name] | merged
            if len(merged) >= sum(len(filters[name]) for name in names):
                yield " + ".join(names), DecisionQuery(**merged)


def _measure_lists(store: SQLDecisionStore, rows: int) -> None:
    timed = []
    for name, query in _queries(rows):
        elapsed = min(_milliseconds(lambda query=query: store.page(query)) for _ in range(2))
        timed.append((elapsed, name))
    timed.sort(reverse=True)
    figures = [elapsed for elapsed, _ in timed]
    print(f"{len(timed)} queries: median {statistics.median(figures):.1f} ms, most:")
    for elapsed, name in timed[:12]:
        print(f"  {elapsed:8.1f} ms  {name}")


def _measure_inserts(database: Database, store: SQLDecisionStore, rows: int) -> None:
    times, begun = [], time.process_time()
    for number in range(rows, rows + 1000):
        record = _record(number, rows)

        def add(record: DecisionRecord = record) -> None:
            with database.transaction():
                store.add(record)

        times.append(_milliseconds(add))
    with database.transaction():
        first = _record(rows, rows).decision_id[:12]
        database.writing().execute(decisions.delete().where(decisions.c.decision_id >= first))
    times.sort()
    cpu = (time.process_time() - begun) / 1000 * 1000
    print(f"insert: median {times[500]:.3f} ms, p99 {times[990]:.3f} ms, {cpu:.3f} ms of CPU")


def _milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    main()
