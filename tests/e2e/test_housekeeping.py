"""A server keeps house from its first moment, not only after the first pause."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from processes import free_port, running, vouchgate
from servers import AdminKey, settings_table
from sqlalchemy import func, select
from store.test_decision_hours import decide
from toml_files import write_toml

from app.config import parse_settings
from app.store.database import Database
from app.store.tables import decision_hours
from app.wiring import prepare
from app.wiring.opening import services_on

PATIENCE_SECONDS = 20


def test_hours_nobody_counted_are_counted_at_the_start(tmp_path: Path) -> None:
    """Decisions of an import, or of a server that was away, cost the first reader nothing."""
    AdminKey.make(tmp_path)
    port = free_port()
    table = settings_table(tmp_path, server={"bind": [f"127.0.0.1:{port}"], "workers": 2})
    settings = parse_settings(table, {})
    prepare(settings)
    with services_on(settings) as services:
        database: Database = services.decisions.database
        decide(database, datetime.now(UTC) - timedelta(hours=2))
        assert counted_hours(database) == 0
        command = vouchgate("serve", "--config", str(write_toml(tmp_path / "v.toml", table)))
        with running(command, f"http://127.0.0.1:{port}", tmp_path / "log"):
            deadline = time.monotonic() + PATIENCE_SECONDS
            while counted_hours(database) == 0 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert counted_hours(database) >= 1


def counted_hours(database: Database) -> int:
    """How many hours are closed."""
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(decision_hours)).scalar_one()
