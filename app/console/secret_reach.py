"""Who may get a secret, and which secrets a guest may get, under the policies that decide now.

Guests are those that attested lately, with the claims of that time: what a new attestation would
say about them may differ, when reference values or attestation policies changed since.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.broker.policies import ResourcePolicies
from app.broker.scopes import Denied, decide
from app.broker.secrets import ResourceID
from app.console.attested_guests import AttestedGuest, recent_guests
from app.trust.decisions import DecisionStore
from app.trust.errors import PolicyFailedError
from app.trust.json_types import JSONObject
from app.trust.policy_engine import PolicyEngine
from app.trust.revisions import RevisionStore

_PLUGIN = "resource"


@dataclass(frozen=True, slots=True)
class Prospect:
    """What the policy would say to one guest about one secret.

    Attributes:
        reason: why not, in a sentence; empty when it is allowed.
    """

    guest: AttestedGuest
    resource_id: ResourceID
    allowed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class SecretReach:
    """Asks the policies that decide now; no secret is read and nothing is written down."""

    decisions: DecisionStore
    policies: ResourcePolicies
    engine: PolicyEngine
    revisions: RevisionStore

    def who_may(self, resource_id: ResourceID) -> list[Prospect]:
        """Each of the last different guests, newest first, with what the policy would say."""
        return [self._prospect(guest, resource_id) for guest in recent_guests(self.decisions)]

    def what_may(self, guest: AttestedGuest, resource_ids: Iterable[ResourceID]) -> list[Prospect]:
        """What the policy would say to one guest about each of some secrets."""
        return [self._prospect(guest, resource_id) for resource_id in resource_ids]

    def _prospect(self, guest: AttestedGuest, resource_id: ResourceID) -> Prospect:
        reason = self._refusal(guest.claims, resource_id)
        return Prospect(guest, resource_id, reason is None, reason or "")

    def _refusal(self, claims: JSONObject, resource_id: ResourceID) -> str | None:
        path = [resource_id.repository, resource_id.type, resource_id.tag]
        policies = self.policies.applicable(self.revisions.current(), (_PLUGIN, *path))
        if not policies:
            return "no resource policy is set, so nothing is released"
        data: JSONObject = {"plugin": _PLUGIN, "resource-path": path, "query": {}}
        try:
            decision = decide(self.engine, policies, claims, data)
        except PolicyFailedError as error:
            return error.message
        return decision.why if isinstance(decision, Denied) else None
