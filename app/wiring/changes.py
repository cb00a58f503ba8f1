"""What operators change policies and reference values with, put together."""

from __future__ import annotations

from app.attestation.service import AttestationService
from app.broker.policies import ResourcePolicies
from app.console.changes import Changes
from app.console.dry_runs import DryRuns
from app.console.impacts import Impacts
from app.console.policy_examples import PolicyExamples
from app.console.policy_shelf import PolicyShelf
from app.console.proposals import Proposals
from app.store.dry_runs import SQLDryRunStore
from app.store.proposals import SQLProposalStore
from app.wiring.foundations import Foundations


def proposals(
    base: Foundations, attestation: AttestationService, resource: ResourcePolicies
) -> Proposals:
    """Changes that wait for approval."""
    return Proposals(
        store=SQLProposalStore(base.database),
        changes=Changes(attestation.policies, resource, attestation.reference_values, base.clock),
        rule=base.rule,
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
    )


def dry_runs(
    base: Foundations, attestation: AttestationService, resource: ResourcePolicies
) -> DryRuns:
    """What proposals would have altered."""
    return DryRuns(
        store=SQLDryRunStore(base.database),
        proposals=SQLProposalStore(base.database),
        impacts=Impacts(
            attestation=attestation.policies,
            resource=resource,
            reference_values=attestation.reference_values,
            decisions=base.decisions,
            engine=base.engine,
            clock=base.clock,
        ),
        decisions=base.decisions,
        revisions=base.revisions,
        transactions=base.database.transaction,
        clock=base.clock,
    )


def policy_examples(base: Foundations) -> PolicyExamples:
    """Inputs kept beside policies."""
    return PolicyExamples(
        store=base.examples,
        policies=base.policies,
        engine=base.engine,
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
    )


def policy_shelf(
    base: Foundations, attestation: AttestationService, resource: ResourcePolicies
) -> PolicyShelf:
    """Policies of both kinds."""
    return PolicyShelf(
        attestation=attestation.policies,
        resource=resource,
        examples=policy_examples(base),
        engine=base.engine,
    )
