"""Proposals: changes that wait for whoever may carry them out.

A proposal holds one change (``app/console/changes.py``). It is a draft as long as nobody looks at
it, and with the two-person rule the only way to change a policy or a reference value. Other parts
of the console open one with a single call, and lead there::

    proposal = services().proposals.propose(
        ReferenceValuesChange(register=(DraftReferenceValue("svn", ["1"]),)),
        actor(),
        comment="seen in decision 0197…",
        origin=record.decision_id,
    )
    return redirect(url_for("console.proposal", proposal_id=proposal.proposal_id), 303)

States: ``open`` → ``applied`` (approve) | ``rejected`` (reject) | ``withdrawn`` (its author).
``revise`` replaces the change of an open proposal and raises its revision; whoever approves or
rejects names the revision that they saw, so nobody approves what they have not read.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.console.changes import Change, Changes
from app.trust.approvals import Approval, ChangeRule
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.decisions import first_decision_id
from app.trust.errors import (
    ConflictError,
    MalformedRequestError,
    OwnProposalError,
    PermissionDeniedError,
    ProposalNotFoundError,
)
from app.trust.transactions import Transactions

MAX_COMMENT_LENGTH = 2000


class ProposalState(StrEnum):
    """Where a proposal is in its life."""

    OPEN = "open"
    APPLIED = "applied"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that somebody proposed.

    Attributes:
        proposal_id: 20 lower-case hex digits; ids sort by time.
        revision: 1, raised by each new text of the change.
        comment: why, in the words of whoever proposed it.
        origin: id of the decision that it came from, if any.
        decided_by: who applied, rejected or withdrew it.
        verdict: why, in their words.
    """

    proposal_id: str
    change: Change
    state: ProposalState
    revision: int
    created_at: datetime
    created_by: str
    comment: str = ""
    origin: str | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    verdict: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it waits."""
        return self.state is ProposalState.OPEN


@dataclass(frozen=True, slots=True)
class ProposalQuery:
    """Which proposals to list; ``None`` means any.

    Attributes:
        before: only proposals whose id sorts before this one (keyset paging).
        limit: at most this many, 1 to 500.
    """

    state: ProposalState | None = None
    kind: str | None = None
    subject: str | None = None
    before: str | None = None
    limit: int = 50


class ProposalStore(Protocol):
    """Where proposals live."""

    def add(self, proposal: Proposal) -> None:
        """Append a proposal, inside the caller's transaction."""
        ...

    def find(self, proposal_id: str) -> Proposal | None:
        """The proposal of this id."""
        ...

    def page(self, query: ProposalQuery) -> list[Proposal]:
        """Proposals, newest first."""
        ...

    def replace(self, proposal: Proposal, *, seen: int) -> bool:
        """Store it in place of the open proposal of its id and this revision.

        Whether there was one; inside the caller's transaction.
        """
        ...


@dataclass(frozen=True, slots=True)
class Proposals:
    """Proposes, revises, approves, rejects and withdraws.

    Attributes:
        rule: says whether approving takes another person than proposing.
    """

    store: ProposalStore
    changes: Changes
    rule: ChangeRule
    audit: AuditLog
    transactions: Transactions
    clock: Clock

    def propose(
        self, change: Change, actor: Actor, *, comment: str = "", origin: str | None = None
    ) -> Proposal:
        """Write a change down without carrying it out.

        Raises:
            MalformedError: the change could not be carried out, such as a policy that does not
                compile; or the comment is too long.
            ReferenceValueNotFoundError: a name to withdraw is not registered.
        """
        now = self.clock.now()
        proposal = Proposal(
            # 48 bits of time and 32 of chance.
            proposal_id=f"{first_decision_id(now)}{secrets.token_hex(4)}",
            change=self.changes.complete(change),
            state=ProposalState.OPEN,
            revision=1,
            created_at=now,
            created_by=actor.name,
            comment=_comment(comment),
            origin=origin,
        )
        with self.transactions():
            self.store.add(proposal)
            self._write_down("propose", proposal, actor)
        return proposal

    def get(self, proposal_id: str) -> Proposal:
        """A proposal.

        Raises:
            ProposalNotFoundError: there is none of this id.
        """
        found = self.store.find(proposal_id)
        if found is None:
            raise ProposalNotFoundError("there is no proposal of this id")
        return found

    def page(self, query: ProposalQuery) -> list[Proposal]:
        """Proposals, newest first."""
        return self.store.page(query)

    def revise(
        self, proposal_id: str, change: Change, actor: Actor, *, revision: int, comment: str
    ) -> Proposal:
        """Replace the change of an open proposal; only its author may.

        Raises:
            PermissionDeniedError: it is somebody else's.
            ConflictError: it is not open, or not of this revision any more.
            MalformedRequestError: the new change is about something else.
            DomainError: as ``propose``.
        """
        proposal = self._open(proposal_id, revision)
        self._require_author(proposal, actor)
        if (change.kind, change.subject) != (proposal.change.kind, proposal.change.subject):
            raise MalformedRequestError("a proposal stays about what it was about")
        revised = replace(
            proposal,
            change=self.changes.complete(change),
            revision=revision + 1,
            comment=_comment(comment),
        )
        with self.transactions():
            self._replace(revised, seen=revision)
            self._write_down("revise", revised, actor)
        return revised

    def approve(
        self, proposal_id: str, actor: Actor, *, revision: int, comment: str = ""
    ) -> Proposal:
        """Carry an open proposal out.

        Raises:
            OwnProposalError: the two-person rule is on, and the actor proposed it.
            ConflictError: it is not open, not of this revision any more, or what it replaces has
                changed since.
            DomainError: the change cannot be carried out any more.
        """
        proposal = self._open(proposal_id, revision)
        if self.rule.two_persons and actor.name == proposal.created_by:
            raise OwnProposalError("the two-person rule is on: someone else approves")
        approval = Approval(proposal_id, proposal.created_by, actor.name)
        closed = self._closed(proposal, ProposalState.APPLIED, actor, comment)
        with self.transactions():
            self._replace(closed, seen=revision)
            self.changes.carry_out(proposal.change, actor, approval)
            self._write_down("approve", closed, actor)
        return closed

    def reject(
        self, proposal_id: str, actor: Actor, *, revision: int, comment: str = ""
    ) -> Proposal:
        """Refuse an open proposal.

        Raises:
            ConflictError: it is not open, or not of this revision any more.
        """
        return self._close(proposal_id, revision, ProposalState.REJECTED, actor, comment)

    def withdraw(self, proposal_id: str, actor: Actor, *, revision: int) -> Proposal:
        """Take one's own open proposal back.

        Raises:
            PermissionDeniedError: it is somebody else's.
            ConflictError: it is not open, or not of this revision any more.
        """
        self._require_author(self.get(proposal_id), actor)
        return self._close(proposal_id, revision, ProposalState.WITHDRAWN, actor, "")

    def _close(
        self, proposal_id: str, revision: int, state: ProposalState, actor: Actor, comment: str
    ) -> Proposal:
        closed = self._closed(self._open(proposal_id, revision), state, actor, comment)
        with self.transactions():
            self._replace(closed, seen=revision)
            self._write_down(_VERBS[state], closed, actor)
        return closed

    def _open(self, proposal_id: str, revision: int) -> Proposal:
        proposal = self.get(proposal_id)
        if not proposal.is_open:
            raise ConflictError(f"the proposal is {proposal.state} already")
        if proposal.revision != revision:
            raise ConflictError(f"the proposal was revised; it is at revision {proposal.revision}")
        return proposal

    def _require_author(self, proposal: Proposal, actor: Actor) -> None:
        if actor.name != proposal.created_by:
            raise PermissionDeniedError("only its author revises or withdraws a proposal")

    def _closed(
        self, proposal: Proposal, state: ProposalState, actor: Actor, comment: str
    ) -> Proposal:
        return replace(
            proposal,
            state=state,
            decided_at=self.clock.now(),
            decided_by=actor.name,
            verdict=_comment(comment),
        )

    def _replace(self, proposal: Proposal, *, seen: int) -> None:
        if not self.store.replace(proposal, seen=seen):
            raise ConflictError("someone else was faster; look at the proposal again")

    def _write_down(self, verb: str, proposal: Proposal, actor: Actor) -> None:
        self.audit.append(
            AuditEntry(
                at=self.clock.now(),
                actor=actor,
                action=f"proposal:change:{verb}",
                subject=f"{proposal.proposal_id} {proposal.change.subject}",
                after=change_digest(proposal.change),
            )
        )


_VERBS = {ProposalState.REJECTED: "reject", ProposalState.WITHDRAWN: "withdraw"}


def change_digest(change: Change) -> str:
    """SHA-256, hex, of the change as compact JSON with sorted members."""
    text = json.dumps(change.as_json(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _comment(text: str) -> str:
    text = text.strip()
    if len(text) > MAX_COMMENT_LENGTH:
        raise MalformedRequestError(f"a comment has at most {MAX_COMMENT_LENGTH} characters")
    return text
