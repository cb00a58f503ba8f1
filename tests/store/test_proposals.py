"""Proposals: kept whole, listed newest first, replaced only as they were seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from app.attestation.reference_value_messages import Provenance
from app.attestation.reference_values import DraftReferenceValue
from app.console.changes import PolicyChange, ReferenceValuesChange
from app.console.proposals import Proposal, ProposalQuery, ProposalState
from app.store.database import Database
from app.store.proposals import SQLProposalStore
from app.trust.policies import PolicyKind

POLICY = PolicyChange(PolicyKind.RESOURCE, "resource-policy", "package policy", 1)


@pytest.fixture
def store(database: Database) -> SQLProposalStore:
    """Proposals on each engine."""
    return SQLProposalStore(database)


@pytest.fixture
def values(now: datetime) -> ReferenceValuesChange:
    """A change of three values, one of them from a message."""
    draft = DraftReferenceValue("svn", ["1", 2**60], now)
    came_in = Provenance("in-toto", "ci", "ab" * 32)
    signed = DraftReferenceValue("signed", 1, provenance=came_in)
    return ReferenceValuesChange((draft, signed), ("old",), {"svn": None, "old": [1]}, "decision")


def proposal(number: int, now: datetime, **changes: object) -> Proposal:
    """A proposal whose id says its number."""
    made = Proposal(f"{number:020x}", POLICY, ProposalState.OPEN, 1, now, "ada", "why", "0197")
    return replace(made, **changes)  # type: ignore[arg-type]


def test_an_unknown_id_finds_nothing(store: SQLProposalStore, database: Database) -> None:
    """Nothing is there, and nothing is replaced."""
    assert store.find("0" * 20) is None
    assert store.page(ProposalQuery()) == []


def test_what_was_proposed_is_what_is_read(
    store: SQLProposalStore, database: Database, now: datetime, values: ReferenceValuesChange
) -> None:
    """Changes of both sorts come back as they went in."""
    made = [
        proposal(1, now),
        proposal(2, now, change=values),
        proposal(3, now, change=replace(POLICY, text=None)),
    ]
    with database.transaction():
        for each in made:
            store.add(each)
    assert [store.find(each.proposal_id) for each in made] == made


def test_lists_are_filtered_and_paged(
    store: SQLProposalStore, database: Database, now: datetime, values: ReferenceValuesChange
) -> None:
    """Newest first, from where the last page ended."""
    with database.transaction():
        store.add(proposal(1, now))
        store.add(proposal(2, now, change=values))
        store.add(proposal(3, now, state=ProposalState.REJECTED))

    def numbers(**query: object) -> list[int]:
        page = store.page(ProposalQuery(**query))  # type: ignore[arg-type]
        return [int(each.proposal_id, 16) for each in page]

    assert numbers() == [3, 2, 1]
    assert numbers(limit=2) == [3, 2]
    assert numbers(before=f"{2:020x}") == [1]
    assert numbers(state=ProposalState.OPEN) == [2, 1]
    assert numbers(kind="reference-values") == [2]
    assert numbers(subject="resource-policy") == [3, 1]


@pytest.mark.parametrize("seen", [0, 2])
def test_a_revision_that_was_not_seen_is_not_replaced(
    store: SQLProposalStore, database: Database, now: datetime, seen: int
) -> None:
    """Of two who decide at once one loses."""
    with database.transaction():
        store.add(proposal(1, now))
        assert not store.replace(proposal(1, now, comment="mine"), seen=seen)
    assert store.find(f"{1:020x}") == proposal(1, now)


def test_what_is_closed_stays_closed(
    store: SQLProposalStore, database: Database, now: datetime
) -> None:
    """Only an open proposal is replaced."""
    closed = proposal(1, now, state=ProposalState.APPLIED, decided_at=now, decided_by="bob")
    with database.transaction():
        store.add(proposal(1, now))
        assert store.replace(closed, seen=1)
        assert not store.replace(proposal(1, now), seen=1)
    assert store.find(closed.proposal_id) == closed
