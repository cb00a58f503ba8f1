"""What every service stands on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.config import read_key_encryption_keys
from app.settings import (
    Settings,
)
from app.store.audit import SQLAuditLog
from app.store.database import Database
from app.store.decisions import SQLDecisionStore
from app.store.keys import SQLKeyStore
from app.store.policies import SQLPolicyStore
from app.store.policy_examples import SQLExampleStore
from app.store.revisions import SQLRevisionStore
from app.trust.approvals import ChangeRule
from app.trust.clock import Clock, SystemClock
from app.trust.kept_policies import PolicyKeeping
from app.trust.regorus_engine import RegorusEngine
from app.trust.sealing import KeyEncryptionKey, Sealer
from app.trust.token_keys import DEFAULT_OVERLAP, TokenKeys


@dataclass(frozen=True, slots=True)
class Foundations:
    """What every service stands on."""

    settings: Settings
    database: Database
    sealer: Sealer
    clock: Clock
    engine: RegorusEngine
    audit: SQLAuditLog
    keys: SQLKeyStore
    policies: SQLPolicyStore
    examples: SQLExampleStore
    decisions: SQLDecisionStore
    revisions: SQLRevisionStore
    token_keys: TokenKeys
    rule: ChangeRule

    @property
    def keeping(self) -> PolicyKeeping:
        """What policies of both kinds are kept with."""
        return PolicyKeeping(
            store=self.policies,
            engine=self.engine,
            audit=self.audit,
            transactions=self.database.transaction,
            clock=self.clock,
            rule=self.rule,
            examples=self.examples,
        )


def foundations(settings: Settings, database: Database) -> Foundations:
    """Open them on a database."""
    sealer = Sealer([KeyEncryptionKey(key) for key in read_key_encryption_keys(settings.sealing)])
    clock = SystemClock()
    audit = SQLAuditLog(database)
    keys = SQLKeyStore(database)
    revisions = SQLRevisionStore(database)
    token_lifetime = settings.attestation.token_lifetime_seconds
    token_keys = TokenKeys(
        store=keys,
        sealer=sealer,
        revisions=revisions,
        transactions=database.transaction,
        audit=audit,
        clock=clock,
        embed_certificate_chain=settings.attestation.embed_certificate_chain,
        overlap=max(DEFAULT_OVERLAP, 2 * timedelta(seconds=token_lifetime)),
    )
    return Foundations(
        settings=settings,
        database=database,
        sealer=sealer,
        clock=clock,
        engine=RegorusEngine(),
        audit=audit,
        keys=keys,
        policies=SQLPolicyStore(database),
        examples=SQLExampleStore(database),
        decisions=SQLDecisionStore(database),
        revisions=revisions,
        token_keys=token_keys,
        rule=ChangeRule(two_persons=settings.console.two_person_rule),
    )
