"""All ports together, on a database and as the fakes that the domain's tests use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import account_fakes
import fakes

from app.attestation.challenges import ConsumedNonceStore
from app.attestation.reference_values import ReferenceValueStore
from app.broker.secrets import SecretStore
from app.broker.sessions import SessionStore
from app.console.api_tokens import APITokenStore
from app.console.attempts import AttemptStore
from app.console.first_run import SetupCodeStore
from app.console.operators import OperatorStore
from app.console.second_factors import SecondFactorStore
from app.console.sessions import ConsoleSessionStore
from app.store.api_tokens import SQLAPITokenStore
from app.store.attempts import SQLAttemptStore
from app.store.audit import SQLAuditLog
from app.store.console_sessions import SQLConsoleSessionStore
from app.store.database import Database
from app.store.decisions import SQLDecisionStore
from app.store.keys import SQLKeyStore
from app.store.nonces import SQLConsumedNonceStore
from app.store.operators import SQLOperatorStore
from app.store.policies import SQLPolicyStore
from app.store.policy_examples import SQLExampleStore
from app.store.reference_values import SQLReferenceValueStore
from app.store.revisions import SQLRevisionStore
from app.store.second_factors import SQLSecondFactorStore
from app.store.secrets import SQLSecretStore
from app.store.sessions import SQLSessionStore
from app.store.setup_codes import SQLSetupCodeStore
from app.trust.audit import AuditLog
from app.trust.decisions import DecisionStore
from app.trust.policies import PolicyStore
from app.trust.policy_examples import ExampleStore
from app.trust.revisions import RevisionStore
from app.trust.signing_keys import KeyStore
from app.trust.transactions import Transactions


@dataclass(frozen=True, slots=True)
class Stores:
    """One implementation of every port that the fakes have too."""

    transaction: Transactions
    revisions: RevisionStore
    policies: PolicyStore
    examples: ExampleStore
    keys: KeyStore
    decisions: DecisionStore
    audit: AuditLog
    reference_values: ReferenceValueStore
    nonces: ConsumedNonceStore
    sessions: SessionStore
    secrets: SecretStore
    operators: OperatorStore
    console_sessions: ConsoleSessionStore
    attempts: AttemptStore
    second_factors: SecondFactorStore
    api_tokens: APITokenStore
    setup_codes: SetupCodeStore


def sql_stores(database: Database) -> Stores:
    """Every port on a database."""
    return Stores(
        database.transaction,
        SQLRevisionStore(database),
        SQLPolicyStore(database),
        SQLExampleStore(database),
        SQLKeyStore(database),
        SQLDecisionStore(database),
        SQLAuditLog(database),
        SQLReferenceValueStore(database),
        SQLConsumedNonceStore(database),
        SQLSessionStore(database),
        SQLSecretStore(database),
        SQLOperatorStore(database),
        SQLConsoleSessionStore(database),
        SQLAttemptStore(database),
        SQLSecondFactorStore(database),
        SQLAPITokenStore(database),
        SQLSetupCodeStore(database),
    )


def memory_stores() -> Stores:
    """Every port as the fake that the domain's tests use."""
    memory = fakes.MemoryDatabase()
    return Stores(
        memory.transactions,
        fakes.MemoryRevisions(memory),
        fakes.MemoryPolicies(memory),
        fakes.MemoryExamples(memory),
        fakes.MemoryKeys(memory),
        fakes.MemoryDecisions(memory),
        fakes.MemoryAuditLog(memory),
        fakes.MemoryReferenceValues(memory),
        fakes.MemoryConsumedNonces(memory),
        fakes.MemorySessions(memory),
        fakes.MemorySecrets(memory),
        account_fakes.MemoryOperators(memory),
        account_fakes.MemoryConsoleSessions(memory),
        account_fakes.MemoryAttempts(memory),
        account_fakes.MemorySecondFactors(memory),
        account_fakes.MemoryAPITokens(memory),
        account_fakes.MemorySetupCodes(memory),
    )


@contextmanager
def failing(stores: Stores) -> Iterator[None]:
    """A transaction that fails after everything in it was done."""
    with suppress(InterruptedError), stores.transaction():
        yield
        raise InterruptedError
