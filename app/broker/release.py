"""Releases: a token and the path of a resource in, a sealed response out, and a record of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app.broker.annotated_evidence import measurement_of, tee_of
from app.broker.plugins.ports import Call, ClientPlugin
from app.broker.scopes import Decision, Denied, ScopedPolicy, decide
from app.broker.secrets import ResourceID, SecretStore, associated_data
from app.broker.tokens import VerifiedToken
from app.trust.clock import Clock
from app.trust.decisions import (
    DecisionKind,
    DecisionRecord,
    DecisionStore,
    Outcome,
    new_decision_id,
    redact,
)
from app.trust.errors import (
    DeniedError,
    DomainError,
    MalformedTEEKeyError,
    PolicyDeniedError,
    PolicyFailedError,
    TEEKeyUnsupportedError,
    UnavailableError,
)
from app.trust.json_types import JSONObject
from app.trust.policies import policies_digest
from app.trust.policy_engine import PolicyEngine
from app.trust.sealing import Sealer
from app.trust.transactions import Transactions
from guest.wire.errors import WireError
from guest.wire.jwe import UnsupportedKeyError, seal

ALLOWED_REASON = "policy-allowed"


@dataclass(frozen=True, slots=True)
class Released:
    """An answer that only the TEE can open.

    Attributes:
        body: the JWE in flattened JSON (wire.md 3.2).
        decision_id: of the record.
    """

    body: JSONObject = field(repr=False)
    decision_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for what, and since when.

    Attributes:
        token: verified.
        plugin: that answers.
        call: what is asked of it.
        policies: that decide together, the narrowest scope first; none when none is set.
        started_at: when the use case began.
    """

    token: VerifiedToken
    plugin: ClientPlugin
    call: Call
    policies: tuple[ScopedPolicy, ...]
    started_at: datetime

    @property
    def data(self) -> JSONObject:
        """What the policy sees as ``data`` (wire.md section 5)."""
        return {
            "plugin": self.call.plugin,
            "resource-path": list(self.call.segments),
            "query": dict(self.call.query),
        }


@dataclass(frozen=True, slots=True)
class ReleaseService:
    """Decides, answers, seals, and writes down what was decided.

    Attributes:
        algorithms: of TEE keys, that responses may be sealed with.
    """

    secrets: SecretStore
    sealer: Sealer
    engine: PolicyEngine
    decisions: DecisionStore
    transactions: Transactions
    clock: Clock
    algorithms: frozenset[str]

    def release(self, request: Request) -> Released:
        """Release what the policy allows.

        The record is written before anything is released, and of every refusal too; only when
        something did not answer is there nothing to record.

        Raises:
            PolicyDeniedError: the policy does not allow it.
            PolicyFailedError: the policy could not be evaluated.
            MissingTEEKeyError, MalformedTEEKeyError, TEEKeyUnsupportedError: there is nothing to
                seal the response to.
            ResourceNotFoundError: there is no such resource; said only when the policy allows it.
            SealingError: the secret does not open.
            UnavailableError: the store did not answer.
        """
        decision: Decision | None = None
        try:
            # Decide before looking the secret up: an answer that depends on its existence would
            # let a refused guest probe names.
            decision = self._decide(request)
            if isinstance(decision, Denied):
                raise PolicyDeniedError(decision.why)
            body = self._answer(request)
        except UnavailableError:
            raise
        except DomainError as error:
            error.decision_id = self._write_down(request, decision, error)
            raise
        return Released(body, self._write_down(request, decision, None))

    def _decide(self, request: Request) -> Decision:
        if not request.policies:
            return Denied("no resource policy is set, so nothing is released", None)
        return decide(self.engine, request.policies, request.token.claims, request.data)

    def _answer(self, request: Request) -> JSONObject:
        key = request.token.tee_public_key()
        plaintext = request.plugin.answer(request.call, self._read_secret)
        try:
            return dict(seal(plaintext, key, allowed=self.algorithms))
        except UnsupportedKeyError as error:
            raise TEEKeyUnsupportedError(str(error)) from error
        except WireError as error:
            raise MalformedTEEKeyError(str(error)) from error

    def _read_secret(self, resource_id: ResourceID) -> bytes | None:
        secret = self.secrets.find(resource_id)
        if secret is None:
            return None
        return self.sealer.open(secret.sealed, associated_data(resource_id, secret.version))

    def _write_down(
        self, request: Request, decision: Decision | None, error: DomainError | None
    ) -> str:
        record = _record(request, decision, error, self.clock.now())
        with self.transactions():
            self.decisions.add(record)
        return record.decision_id


def _record(
    request: Request, decision: Decision | None, error: DomainError | None, now: datetime
) -> DecisionRecord:
    token = request.token
    refused_by_policy = isinstance(error, DeniedError | PolicyFailedError)
    return DecisionRecord(
        decision_id=new_decision_id(now),
        kind=DecisionKind.RELEASE,
        at=now,
        outcome=Outcome.ALLOWED if error is None else Outcome.DENIED,
        reason=ALLOWED_REASON if error is None else error.code,
        tee=tee_of(token.claims),
        subject=request.call.subject,
        policy_digest=policies_digest(
            {policy.scope.policy_id: policy.text.digest for policy in request.policies}
        ),
        token_id=token.token_id,
        issuer=token.iss,
        measurement=measurement_of(token.claims),
        latency_us=max(0, int((now - request.started_at).total_seconds() * 1_000_000)),
        inputs={
            "claims": redact(token.claims),
            "data": request.data,
            "policies": [policy.as_record() for policy in request.policies],
        },
        # What went wrong after the policy's yes: a fact that a replay takes from the record.
        result={
            "allow": not refused_by_policy,
            "decided_by": decision.decided_by if decision else None,
            "failure": None if error is None or refused_by_policy else error.code,
        },
    )
