"""``python -m bench.seed``: fill a database with a busy month, for looking and measuring.

It works on the database that the settings name, as long as that is meant for nothing else: a few
dozen genuine decisions are made, and copies of them are spread over the days with ids, moments and
tokens of their own. The copies' bodies repeat: what a page shows of one decision is that of its
pattern.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select

from app.blueprints.services import Services
from app.broker.secrets import ResourceID, associated_data
from app.config import load_settings
from app.store.database import Database
from app.store.tables import decision_hours, decisions, secret_versions
from app.store.tables import secrets as secret_paths
from app.trust.decisions import first_decision_id
from app.wiring import prepare
from app.wiring.opening import services_on
from bench.stories import GUESTS, SEED, furnish, visit

_BATCH = 5_000
_TAGS_OF_A_TYPE = 100
# Guests come in working hours more often than at night: the share of each hour of the day, UTC.
_RHYTHM = (2, 2, 1, 1, 2, 3, 5, 8, 10, 10, 9, 8, 9, 10, 10, 9, 8, 6, 5, 4, 3, 3, 2, 2)


@dataclass(frozen=True)
class Pattern:
    """Rows of the table of decisions that one guest left, and how often guests like it come."""

    weight: int
    rows: tuple[dict[str, Any], ...]


def main() -> None:
    """Fill the database and say how long each part took."""
    options = _options()
    settings = load_settings(options.config)
    prepare(settings)
    with services_on(settings) as services:
        database: Database = services.decisions.database
        _timed("furnish", lambda: furnish(services))
        found = patterns(services, database)
        now = services.clock.now()
        moments = spread(now, timedelta(days=options.days), options.decisions, found)
        _timed("decisions", lambda: add_decisions(database, moments))
        _timed("hours", lambda: count_again(services, database))
        _timed("secrets", lambda: add_secrets(services, database, options.secrets))


def patterns(services: Services, database: Database) -> list[Pattern]:
    """Let each kind of guest come by once, and read what that left."""
    found = []
    for guest in GUESTS:
        ids = list(visit(services, guest))
        statement = select(decisions).where(decisions.c.decision_id.in_(ids))
        with database.read() as connection:
            rows = connection.execute(statement.order_by(decisions.c.decision_id)).mappings()
            found.append(Pattern(guest.weight, tuple(dict(row) for row in rows)))
    return found


def spread(
    now: datetime, window: timedelta, count: int, found: list[Pattern]
) -> Iterator[dict[str, Any]]:
    """About ``count`` rows like those of the patterns, in the order of time, until ``now``."""
    chance = random.Random(306)
    weights = [pattern.weight for pattern in found]
    left = sum(len(pattern.rows) * pattern.weight for pattern in found) / sum(weights)
    for moment in _moments(chance, now, window, count / left):
        (pattern,) = chance.choices(found, weights)
        token_id = f"{chance.getrandbits(128):032x}"
        for number, row in enumerate(pattern.rows):
            at = moment + timedelta(milliseconds=40 * number)
            yield row | {
                "decision_id": f"{first_decision_id(at)}{chance.getrandbits(80):020x}",
                "at": at,
                "token_id": row["token_id"] and token_id,
                "latency_us": int(chance.lognormvariate(7.5, 0.6)),
            }


def add_decisions(database: Database, rows: Iterable[dict[str, Any]]) -> int:
    """Append rows, in batches; how many there were."""
    count = 0
    for batch in _batches(rows):
        with database.transaction():
            database.writing().execute(insert(decisions), batch)
        count += len(batch)
    return count


def count_again(services: Services, database: Database) -> None:
    """Hours that were counted have more decisions now."""
    with database.transaction():
        database.writing().execute(delete(decision_hours))
    services.housekeeping()


def add_secrets(services: Services, database: Database, count: int) -> int:
    """Store sealed secrets that do not exist yet, below repositories of their own."""
    sealer, now = services.custody.sealer, services.clock.now()
    numbers = iter(range(count))
    while batch := list(islice(numbers, _BATCH)):
        paths = [_path(number) for number in batch]
        rows = [
            {"repository": path.repository, "type": path.type, "tag": path.tag}
            | {"last_version": 1, "active_version": 1}
            for path in paths
        ]
        with database.transaction():
            connection = database.writing()
            returned = insert(secret_paths).returning(
                secret_paths.c.secret_id, sort_by_parameter_order=True
            )
            ids = connection.execute(returned, rows).scalars().all()
            versions = [
                {"secret_id": each, "version": 1, "size_bytes": 32}
                | {"created_at": now, "created_by": SEED.name}
                | {"sealed": sealer.seal(secrets.token_bytes(32), associated_data(path, 1))}
                for each, path in zip(ids, paths, strict=True)
            ]
            connection.execute(insert(secret_versions), versions)
    return count


def _path(number: int) -> ResourceID:
    types, tag = divmod(number, _TAGS_OF_A_TYPE)
    repository, kind = divmod(types, 10)
    return ResourceID(f"team-{repository:04}", f"service-{kind}", f"key-{tag:03}")


def _moments(
    chance: random.Random, now: datetime, window: timedelta, count: float
) -> Iterator[datetime]:
    """About ``count`` moments, ascending, at the rhythm of the hours."""
    hours = int(window.total_seconds() // 3600)
    first = now - timedelta(hours=hours)
    shares = [_RHYTHM[(first + timedelta(hours=hour)).hour] for hour in range(hours)]
    each = count / sum(shares)
    for hour, share in enumerate(shares):
        begins = first + timedelta(hours=hour)
        come = round(each * share * chance.uniform(0.8, 1.2))
        yield from sorted(begins + timedelta(seconds=chance.uniform(0, 3600)) for _ in range(come))


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    source = iter(rows)
    while batch := list(islice(source, _BATCH)):
        yield batch


def _timed(name: str, work: Callable[[], int | None]) -> None:
    begun = time.perf_counter()
    count = work()
    amount = "" if count is None else f"{count:,} in "
    sys.stdout.write(f"{name}: {amount}{time.perf_counter() - begun:.1f} s\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="settings of a server")
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--secrets", type=int, default=500)
    parser.add_argument("--days", type=int, default=30, help="over which decisions are spread")
    return parser.parse_args()


if __name__ == "__main__":
    main()
