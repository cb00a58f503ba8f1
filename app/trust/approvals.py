"""Who may change what guests are judged by: directly, or through a proposal that another approved.

The rule stands where changes are written down, not where they are asked for: a new way to ask for
one cannot go around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from app.trust.audit import Actor, AuditEntry, AuditLog, LocalActor
from app.trust.errors import NeedsApprovalError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Approval:
    """Shows that a change went through a proposal; only ``app/console/proposals.py`` makes one.

    Attributes:
        proposal_id: of the proposal.
        proposed_by: its author's name.
        approved_by: the name of who approved it; with the two-person rule another's.
    """

    proposal_id: str
    proposed_by: str
    approved_by: str

    @property
    def author(self) -> str:
        """What histories call whoever made the change."""
        if self.proposed_by == self.approved_by:
            return self.proposed_by
        return f"{self.proposed_by}, approved by {self.approved_by}"


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """Whether one person may change policies and reference values alone.

    Attributes:
        two_persons: whether a change needs the approval of someone who did not propose it.
    """

    two_persons: bool = False

    def require(self, actor: Actor, approval: Approval | None) -> None:
        """Refuse a change that was not approved.

        Whoever commands the machine itself is exempt: it could change the settings, and the
        database too.

        Raises:
            NeedsApprovalError: the rule is on, and the change comes from elsewhere without one.
        """
        if self.two_persons and approval is None and not isinstance(actor, LocalActor):
            raise NeedsApprovalError(
                "the two-person rule is on: propose the change (POST /api/v1/proposals, or "
                "vouchgate proposals new) and have someone else approve it"
            )

    def note_bypass(self, entry: AuditEntry, approval: Approval | None, audit: AuditLog) -> None:
        """Write down loudly that the machine's own command line went around the rule."""
        if self.two_persons and approval is None:
            _log.warning("the two-person rule was bypassed", by=entry.actor.name)
            audit.append(
                AuditEntry(
                    at=entry.at,
                    actor=entry.actor,
                    action="two-person-rule:bypass",
                    subject=entry.subject,
                    before=entry.before,
                    after=entry.after,
                )
            )
