"""Dry runs: one of each proposal, moved on by whoever saw how far it had come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from app.console.dry_runs import AlteredDecision, DryRun, DryRunState, named_as_json
from app.store.database import Database
from app.store.tables import dry_runs
from app.trust.json_types import JSONObject

_COLUMNS = dry_runs.c
_FIND = select(dry_runs).where(_COLUMNS.proposal_id == bindparam("of_id"))
_FORGET = delete(dry_runs).where(_COLUMNS.proposal_id == bindparam("of_id"))
_GO_ON = update(dry_runs).where(
    _COLUMNS.proposal_id == bindparam("of_id"),
    _COLUMNS.done == bindparam("seen"),
    # A run that was begun anew meanwhile is another one.
    _COLUMNS.started_at == bindparam("begun_at"),
    _COLUMNS.state == DryRunState.RUNNING.value,
)


@dataclass(frozen=True, slots=True)
class SQLDryRunStore:
    """Dry runs in the database."""

    database: Database

    def find(self, proposal_id: str) -> DryRun | None:
        """The run of a proposal."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_id": proposal_id}).first()
        return None if row is None else _run(row)

    def begin(self, run: DryRun) -> None:
        """Store a run in place of whatever run the proposal had; inside a transaction."""
        connection = self.database.writing()
        connection.execute(_FORGET, {"of_id": run.proposal_id})
        row = {"proposal_id": run.proposal_id, **_row(run)}
        connection.execute(insert(dry_runs), row)

    def go_on(self, run: DryRun, *, done: int) -> bool:
        """Store it in place of the running run that had come so far; whether there was one."""
        where = {"of_id": run.proposal_id, "seen": done, "begun_at": run.started_at}
        found = self.database.writing().execute(_GO_ON.values(_row(run)), where)
        return found.rowcount == 1


def _row(run: DryRun) -> JSONObject:
    return {
        "revision": run.revision,
        "state": run.state.value,
        "total": run.total,
        "done": run.done,
        "altered": run.altered,
        "cursor": run.cursor,
        "named": [named_as_json(each) for each in run.named],
        "basis": run.basis,
        "started_at": run.started_at,
        "started_by": run.started_by,
    }


def _run(row: Row[*tuple[Any, ...]]) -> DryRun:
    return DryRun(
        proposal_id=row.proposal_id,
        revision=row.revision,
        state=DryRunState(row.state),
        total=row.total,
        done=row.done,
        altered=row.altered,
        cursor=row.cursor,
        named=tuple(AlteredDecision(**each) for each in row.named),
        basis=row.basis,
        started_at=row.started_at,
        started_by=row.started_by,
    )
