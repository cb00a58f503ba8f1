"""Proposals: appended, found by id, listed newest first, replaced while they are open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from app.console.changes import change_of_json
from app.console.proposals import Proposal, ProposalQuery, ProposalState
from app.store.database import Database
from app.store.tables import proposals
from app.trust.json_types import JSONObject

_COLUMNS = proposals.c
_ALL = select(
    _COLUMNS.proposal_id,
    _COLUMNS.change,
    _COLUMNS.state,
    _COLUMNS.revision,
    _COLUMNS.created_at,
    _COLUMNS.created_by,
    _COLUMNS.comment,
    _COLUMNS.origin,
    _COLUMNS.decided_at,
    _COLUMNS.decided_by,
    _COLUMNS.verdict,
)
_FIND = _ALL.where(_COLUMNS.proposal_id == bindparam("of_id"))
_NEWEST_FIRST = _ALL.order_by(_COLUMNS.proposal_id.desc())
_REPLACE = update(proposals).where(
    _COLUMNS.proposal_id == bindparam("of_id"),
    _COLUMNS.revision == bindparam("seen"),
    _COLUMNS.state == ProposalState.OPEN.value,
)


@dataclass(frozen=True, slots=True)
class SQLProposalStore:
    """Proposals in the database."""

    database: Database

    def add(self, proposal: Proposal) -> None:
        """Append a proposal, inside the caller's transaction."""
        row = {"proposal_id": proposal.proposal_id, **_row(proposal)}
        self.database.writing().execute(insert(proposals), row)

    def find(self, proposal_id: str) -> Proposal | None:
        """The proposal of this id."""
        with self.database.read() as connection:
            row = connection.execute(_FIND, {"of_id": proposal_id}).first()
        return None if row is None else _proposal(row)

    def page(self, query: ProposalQuery) -> list[Proposal]:
        """Proposals, newest first."""
        filters = {
            _COLUMNS.state: query.state,
            _COLUMNS.kind: query.kind,
            _COLUMNS.subject: query.subject,
        }
        statement = _NEWEST_FIRST.limit(query.limit)
        for column, wanted in filters.items():
            if wanted is not None:
                statement = statement.where(column == wanted)
        if query.before is not None:
            statement = statement.where(_COLUMNS.proposal_id < query.before)
        with self.database.read() as connection:
            return [_proposal(row) for row in connection.execute(statement)]

    def replace(self, proposal: Proposal, *, seen: int) -> bool:
        """Store it in place of the open proposal of its id and this revision, if there is one."""
        statement = _REPLACE.values(_row(proposal))
        found = self.database.writing().execute(
            statement, {"of_id": proposal.proposal_id, "seen": seen}
        )
        return found.rowcount == 1


def _row(proposal: Proposal) -> JSONObject:
    return {
        "kind": proposal.change.kind,
        "subject": proposal.change.subject,
        "change": proposal.change.as_json(),
        "state": proposal.state.value,
        "revision": proposal.revision,
        "created_at": proposal.created_at,
        "created_by": proposal.created_by,
        "comment": proposal.comment,
        "origin": proposal.origin,
        "decided_at": proposal.decided_at,
        "decided_by": proposal.decided_by,
        "verdict": proposal.verdict,
    }


def _proposal(row: Row[*tuple[Any, ...]]) -> Proposal:
    return Proposal(
        proposal_id=row.proposal_id,
        change=change_of_json(row.change),
        state=ProposalState(row.state),
        revision=row.revision,
        created_at=row.created_at,
        created_by=row.created_by,
        comment=row.comment,
        origin=row.origin,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        verdict=row.verdict,
    )
