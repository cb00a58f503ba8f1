"""Dry runs: of the last decisions, which would a proposal change? Worked off slice by slice.

A run is a row in the database that says how far it has come. Whoever looks at a run that is not
done works off its next slice, which takes about a second: the page that refreshes itself, the
program that polls, the command that waits. So no request and no worker is held for long, any
replica goes on where another stopped, and a run that nobody looks at costs nothing. Two who look at
once do the same slice, and one of them counts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.console.changes import Change, PolicyChange
from app.console.impacts import Altered, Impacts
from app.console.proposals import ProposalStore
from app.trust.audit import Actor
from app.trust.clock import Clock
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionStore
from app.trust.errors import MalformedRequestError, ProposalNotFoundError
from app.trust.json_types import JSONObject
from app.trust.policies import PolicyKind
from app.trust.revisions import Revisions, RevisionStore
from app.trust.transactions import Transactions

MAX_DECISIONS = 100_000
DEFAULT_DECISIONS = 1_000
# Every change is counted, so many are named.
MAX_NAMED = 200


class DryRunState(StrEnum):
    """Where a run is in its life."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    # Policies or reference values changed while it ran: its halves would not belong together.
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True)
class AlteredDecision:
    """A decision that would come out otherwise, in words.

    Attributes:
        before: reason as of today.
        after: reason under the proposal.
    """

    decision_id: str
    at: str
    kind: str
    subject: str
    tee: str | None
    before: str
    after: str

    @classmethod
    def of(cls, altered: Altered) -> AlteredDecision:
        """What is kept of it."""
        record = altered.record
        return cls(
            record.decision_id,
            record.at.isoformat(),
            record.kind,
            record.subject,
            record.tee,
            altered.before[1],
            altered.after[1],
        )


@dataclass(frozen=True, slots=True)
class DryRun:
    """How far a run has come.

    Attributes:
        proposal_id: of the proposal; it has one run at most.
        revision: of the proposal, that was run.
        total: how many decisions are looked at.
        done: how many were.
        altered: how many would come out otherwise.
        cursor: the id of the last decision that was looked at.
        named: the newest of those that would come out otherwise.
        basis: the counters of policies and reference values when it began.
    """

    proposal_id: str
    revision: int
    state: DryRunState
    total: int
    done: int
    altered: int
    cursor: str | None
    named: tuple[AlteredDecision, ...]
    basis: str
    started_at: datetime
    started_by: str

    @property
    def is_running(self) -> bool:
        """Whether there is a next slice."""
        return self.state is DryRunState.RUNNING


class DryRunStore(Protocol):
    """Where runs live."""

    def find(self, proposal_id: str) -> DryRun | None:
        """The run of a proposal."""
        ...

    def begin(self, run: DryRun) -> None:
        """Store a run in place of whatever run the proposal had; inside a transaction."""
        ...

    def go_on(self, run: DryRun, *, done: int) -> bool:
        """Store it in place of the running run that had come so far; whether there was one."""
        ...


@dataclass(frozen=True, slots=True)
class DryRuns:
    """Starts, works off and cancels runs.

    Attributes:
        slice_seconds: a slice ends with the first page of decisions that is done after so long.
        page_size: how many decisions are read at once.
    """

    store: DryRunStore
    proposals: ProposalStore
    impacts: Impacts
    decisions: DecisionStore
    revisions: RevisionStore
    transactions: Transactions
    clock: Clock
    slice_seconds: float = 1.0
    page_size: int = 100

    def start(self, proposal_id: str, actor: Actor, *, last: int = DEFAULT_DECISIONS) -> DryRun:
        """Begin to run a proposal against the last decisions, from the newest back.

        Raises:
            ProposalNotFoundError: there is no such proposal.
            MalformedRequestError: ``last`` is not 1 to 100,000.
        """
        if not 1 <= last <= MAX_DECISIONS:
            raise MalformedRequestError(f"a dry run looks at 1 to {MAX_DECISIONS} decisions")
        proposal = self.proposals.find(proposal_id)
        if proposal is None:
            raise ProposalNotFoundError("there is no proposal of this id")
        total = self.decisions.how_many(kind_of(proposal.change), most=last)
        run = DryRun(
            proposal_id=proposal_id,
            revision=proposal.revision,
            state=DryRunState.RUNNING if total else DryRunState.DONE,
            total=total,
            done=0,
            altered=0,
            cursor=None,
            named=(),
            basis=_basis(self.revisions.current()),
            started_at=self.clock.now(),
            started_by=actor.name,
        )
        with self.transactions():
            self.store.begin(run)
        return run

    def find(self, proposal_id: str) -> DryRun | None:
        """The run of a proposal as it stands."""
        return self.store.find(proposal_id)

    def go_on(self, proposal_id: str) -> DryRun | None:
        """The run of a proposal, with its next slice worked off if there is one."""
        run = self.store.find(proposal_id)
        if run is None or not run.is_running:
            return run
        further = self._slice(run)
        with self.transactions():
            if self.store.go_on(further, done=run.done):
                return further
        # Someone else worked the same slice off, or cancelled the run.
        return self.store.find(proposal_id)

    def cancel(self, proposal_id: str) -> DryRun | None:
        """Stop a run where it is; what it found stays."""
        run = self.store.find(proposal_id)
        if run is None or not run.is_running:
            return run
        cancelled = replace(run, state=DryRunState.CANCELLED)
        with self.transactions():
            self.store.go_on(cancelled, done=run.done)
        return self.store.find(proposal_id)

    def is_current(self, run: DryRun) -> bool:
        """Whether policies and reference values are still those of the run."""
        return run.basis == _basis(self.revisions.current())

    def _slice(self, run: DryRun) -> DryRun:
        proposal = self.proposals.find(run.proposal_id)
        if proposal is None or proposal.revision != run.revision or not self.is_current(run):
            return replace(run, state=DryRunState.OVERTAKEN)
        judge, kind = self.impacts.judge(proposal.change), kind_of(proposal.change)
        until = time.monotonic() + self.slice_seconds
        while run.is_running:
            limit = min(self.page_size, run.total - run.done)
            query = DecisionQuery(kind=kind, before=run.cursor, limit=limit)
            page = self.decisions.whole_page(query)
            found = [each for each in map(judge.altered, page) if each is not None]
            run = _further(run, len(page), page[-1].decision_id if page else None, found)
            if time.monotonic() >= until:
                break
        return run


def kind_of(change: Change) -> DecisionKind | None:
    """The decisions that a change can alter: a resource policy only releases, others any."""
    if isinstance(change, PolicyChange) and change.policy_kind is PolicyKind.RESOURCE:
        return DecisionKind.RELEASE
    return None


def dry_run_as_json(run: DryRun) -> JSONObject:
    """A run for programs."""
    return {
        "proposal_id": run.proposal_id,
        "revision": run.revision,
        "state": run.state,
        "total": run.total,
        "done": run.done,
        "altered": run.altered,
        "started_at": run.started_at.isoformat(),
        "started_by": run.started_by,
        "named": [named_as_json(each) for each in run.named],
    }


def named_as_json(altered: AlteredDecision) -> JSONObject:
    """One decision of a run for programs."""
    return {name: getattr(altered, name) for name in AlteredDecision.__slots__}


def _further(run: DryRun, count: int, cursor: str | None, found: list[Altered]) -> DryRun:
    named = (*run.named, *(AlteredDecision.of(each) for each in found))[:MAX_NAMED]
    done = run.done + count
    finished = done >= run.total or count == 0
    return replace(
        run,
        done=done,
        cursor=cursor or run.cursor,
        altered=run.altered + len(found),
        named=named,
        # Decisions may be deleted while it runs; then there are fewer than were counted.
        total=done if count == 0 else run.total,
        state=DryRunState.DONE if finished else DryRunState.RUNNING,
    )


def _basis(revisions: Revisions) -> str:
    return f"{revisions.policies} {revisions.reference_values}"
