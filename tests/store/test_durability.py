"""Killed at any moment: whatever was acknowledged is there, and nothing is half written."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import closing

import pytest
from paths import ROOT
from sqlalchemy import text
from store.every_port import sql_stores

from app.broker.secrets import ResourceID
from app.store.database import Database

_LOOP = """
import os, sys
from datetime import UTC, datetime
from app.broker.secrets import ResourceID, SecretVersion
from app.store.database import Database
from app.store.decisions import SQLDecisionStore
from app.store.secrets import SQLSecretStore
from app.trust.decisions import DecisionKind, DecisionRecord, Outcome, new_decision_id

database = Database.from_url(sys.argv[1])
secrets, decisions = SQLSecretStore(database), SQLDecisionStore(database)
path = ResourceID("default", "kill", "me")
while True:
    now = datetime.now(UTC)
    decision_id = new_decision_id(now)
    with database.transaction():
        number = secrets.next_version(path)
        secrets.add(SecretVersion(path, number, 20000, now, "loop", True), os.urandom(20000))
        decisions.add(
            DecisionRecord(
                decision_id, DecisionKind.RELEASE, now, Outcome.ALLOWED, "policy-allowed", None,
                str(path), inputs={"version": number},
            )
        )
    print(number, decision_id, flush=True)
"""


@pytest.mark.parametrize("round_", range(4))
def test_sigkill_loses_no_acknowledged_write(url: str, round_: int) -> None:
    """Every version and decision that was acknowledged before the kill is found after it."""
    acknowledged = _write_until_killed(url, random.Random(round_).uniform(0.05, 0.5))  # noqa: S311
    assert acknowledged
    with closing(Database.from_url(url)) as database:
        stores = sql_stores(database)
        versions = {version.version for version in stores.secrets.versions(_PATH, limit=100_000)}
        records = [stores.decisions.find(decision_id) for _, decision_id in acknowledged]
        assert {number for number, _ in acknowledged} <= versions
        assert all(record is not None for record in records)
        _check_whole(database, versions)


_PATH = ResourceID("default", "kill", "me")


def _write_until_killed(url: str, seconds: float) -> list[tuple[int, str]]:
    command = [sys.executable, "-c", _LOOP, url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(seconds)
        writer.kill()
        lines += writer.stdout.readlines()
    # The last line may have been cut off in the middle.
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(int(number), decision_id) for number, decision_id in whole]


def _check_whole(database: Database, versions: set[int]) -> None:
    """A version and its decision came together or not at all, and the file is sound."""
    with database.read() as connection:
        decisions = connection.execute(text("SELECT count(*) FROM decisions")).scalar_one()
        assert decisions == len(versions)
        sizes = connection.execute(text("SELECT DISTINCT length(sealed) FROM secret_versions"))
        assert sizes.scalars().all() == [20000]
        if not database.is_postgresql:
            check = connection.execute(text("PRAGMA integrity_check")).scalar_one()
            assert check == "ok"
