"""One fake for every port of the domain, kept in memory and honest about transactions."""

# ruff: noqa: D102  (the contract of each method stands at its port)

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.attestation.reference_values import (
    ANY_EXPIRY,
    ExpiryRange,
    ReferenceValue,
    RegisteredValue,
)
from app.broker.secrets import (
    EVERY_PATH,
    VERSION_PAGE,
    DeletedSecret,
    PathPrefix,
    ResourceID,
    SealedSecret,
    SecretVersion,
)
from app.broker.sessions import AttestedSession
from app.console.api_tokens import APIToken
from app.console.attempts import Count
from app.console.first_run import SetupCode
from app.console.operators import Operator
from app.console.second_factors import SecondFactor
from app.console.sessions import ConsoleSession
from app.trust.appraiser import AppraisalRequest, Appraised
from app.trust.audit import (
    GENESIS,
    AuditEntry,
    AuditMark,
    AuditQuery,
    AuditRecord,
    MarkKind,
    chain_digest,
)
from app.trust.decisions import (
    DecisionKind,
    DecisionQuery,
    DecisionRecord,
    Outcome,
    new_decision_id,
)
from app.trust.errors import ConflictError, DomainError, StoreUnavailableError, UsedNonceError
from app.trust.http_client import HTTPReply, OutsideError
from app.trust.json_types import JSONValue
from app.trust.policies import PolicyKind, PolicyVersion
from app.trust.policy_engine import PolicyText
from app.trust.policy_examples import PolicyExample
from app.trust.revisions import Revisions
from app.trust.signing_keys import KeyPurpose, KeyState, StoredKey

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class FakeClock:
    """A clock that is turned by hand."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


class MemoryDatabase:
    """What all fake stores share: their tables, their counters, one transaction at a time."""

    def __init__(self) -> None:
        self.decisions: list[DecisionRecord] = []
        self.audit: list[AuditRecord] = []
        self.audit_marks: dict[MarkKind, AuditMark] = {}
        self.keys: list[StoredKey] = []
        self.policies: list[PolicyVersion] = []
        self.examples: list[PolicyExample] = []
        self.sessions: dict[str, AttestedSession] = {}
        self.nonces: dict[str, datetime] = {}
        self.secrets: list[tuple[SecretVersion, bytes]] = []
        self.deleted_secrets: dict[ResourceID, DeletedSecret] = {}
        self.last_versions: dict[ResourceID, int] = {}
        self.reference_values: dict[str, ReferenceValue] = {}
        self.registered: list[RegisteredValue] = []
        self.operators: dict[str, Operator] = {}
        self.console_sessions: dict[str, ConsoleSession] = {}
        self.api_tokens: dict[str, APIToken] = {}
        self.setup_codes: list[SetupCode] = []
        self.attempts: dict[str, Count] = {}
        self.second_factors: dict[str, SecondFactor] = {}
        self.recovery_codes: set[tuple[str, str]] = set()
        self.revisions = Revisions(1, 1, 1, 1)
        self.open = False
        self.commits = 0
        self.down = False

    @contextmanager
    def transactions(self) -> Iterator[None]:
        """The port ``Transactions``: leaving by an exception restores every table."""
        assert not self.open, "transactions do not nest"
        self.answer()
        before = {name: copy.copy(value) for name, value in vars(self).items()}
        self.open = True
        try:
            yield
        except BaseException:
            vars(self).update(before)
            raise
        finally:
            self.open = False
        self.commits += 1

    def write(self) -> None:
        """Refuse a write outside of a transaction, as the real store does."""
        assert self.open, "a write outside of a transaction"
        self.answer()

    def answer(self) -> None:
        """Refuse when the database is down."""
        if self.down:
            raise StoreUnavailableError("the database is out of reach")

    def raise_revision(self, name: str) -> None:
        """Count a change of one kind of state."""
        self.revisions = replace(self.revisions, **{name: getattr(self.revisions, name) + 1})


class MemoryRevisions:
    """The port ``RevisionStore``; counts how often it is asked."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db
        self.reads = 0

    def current(self) -> Revisions:
        self.db.answer()
        self.reads += 1
        return self.db.revisions


class MemoryDecisions:
    """The port ``DecisionStore``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db

    def add(self, record: DecisionRecord) -> None:
        self.db.write()
        self.db.decisions.append(record)

    def find(self, decision_id: str) -> DecisionRecord | None:
        return next((r for r in self.db.decisions if r.decision_id == decision_id), None)

    def page(self, query: DecisionQuery) -> list[DecisionRecord]:
        wanted = ("kind", "outcome", "tee", "reason", "subject", "token_id", "measurement")
        wanted += ("policy_digest",)
        first, end = query.id_range()
        found = [
            replace(record, inputs={}, result={})
            for record in sorted(self.db.decisions, key=lambda r: r.decision_id, reverse=True)
            if all(getattr(query, n) in (None, getattr(record, n)) for n in wanted)
            and first <= record.decision_id < end
        ]
        return found[: query.limit]

    def whole_page(self, query: DecisionQuery) -> list[DecisionRecord]:
        ids = [record.decision_id for record in self.page(query)]
        return [record for each in ids if (record := self.find(each)) is not None]

    def how_many(self, kind: DecisionKind | None, *, most: int) -> int:
        return min(most, sum(kind in (None, record.kind) for record in self.db.decisions))


class MemoryAuditLog:
    """The port ``AuditLog``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db

    def append(self, entry: AuditEntry) -> AuditRecord:
        self.db.write()
        newest = self.db.audit[-1] if self.db.audit else None
        sequence = newest.sequence + 1 if newest else 1
        previous = newest.digest if newest else GENESIS
        digest = chain_digest(sequence, entry, previous)
        record = AuditRecord(sequence, entry, previous, digest)
        self.db.audit.append(record)
        return record

    def page(self, *, before: int | None, limit: int) -> list[AuditRecord]:
        newest_first = reversed(self.db.audit)
        return [r for r in newest_first if before is None or r.sequence < before][:limit]

    def search(self, query: AuditQuery) -> list[AuditRecord]:
        newest_first = sorted(self.db.audit, key=lambda r: (r.entry.at, r.sequence), reverse=True)
        last = None if query.before is None else self.find(query.before)
        found = [
            r
            for r in newest_first
            if query.actor in (None, r.entry.actor.name)
            and query.action in (None, r.entry.action)
            and query.subject in (None, r.entry.subject)
            and (query.since is None or r.entry.at >= query.since)
            and (query.until is None or r.entry.at < query.until)
            and (query.before is None or last is not None or r.sequence < query.before)
            and (last is None or (r.entry.at, r.sequence) < (last.entry.at, last.sequence))
        ]
        return found[: query.limit]

    def find(self, sequence: int) -> AuditRecord | None:
        return next((r for r in self.db.audit if r.sequence == sequence), None)

    def following(self, sequence: int, limit: int) -> list[AuditRecord]:
        return [r for r in self.db.audit if r.sequence > sequence][:limit]

    def actions(self) -> list[str]:
        return sorted({r.entry.action for r in self.db.audit})

    def mark(self, kind: MarkKind) -> AuditMark | None:
        return self.db.audit_marks.get(kind)

    def set_mark(self, kind: MarkKind, mark: AuditMark) -> None:
        self.db.write()
        self.db.audit_marks[kind] = mark

    def lock(self) -> None:
        self.db.write()

    def prune(self, through: int) -> int:
        self.db.write()
        kept = [r for r in self.db.audit if r.sequence > through]
        pruned = len(self.db.audit) - len(kept)
        self.db.audit = kept
        return pruned


class MemoryKeys:
    """The port ``KeyStore``; counts how often keys are loaded."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db
        self.reads = 0

    def all(self, purpose: KeyPurpose) -> list[StoredKey]:
        self.db.answer()
        self.reads += 1
        return [key for key in reversed(self.db.keys) if key.purpose is purpose]

    def add(self, key: StoredKey) -> None:
        self.db.write()
        single = key.state is not KeyState.RETIRED
        for other in self.db.keys:
            same_place = (other.purpose, other.state) == (key.purpose, key.state)
            if other.key_id == key.key_id or (single and same_place):
                raise ConflictError("the key id or its place is taken")
        self.db.keys.append(key)
        self.db.raise_revision("signing_keys")

    def set_state(self, key_id: str, state: KeyState, retires_at: datetime | None = None) -> None:
        self._change(key_id, state=state, retires_at=retires_at)

    def remove(self, key_id: str) -> None:
        self.db.write()
        self.db.keys = [key for key in self.db.keys if key.key_id != key_id]
        self.db.raise_revision("signing_keys")

    def replace_sealed(self, key_id: str, sealed_private: bytes) -> None:
        self._change(key_id, sealed_private=sealed_private)

    def _change(self, key_id: str, **changes: Any) -> None:
        self.db.write()
        self.db.keys = [
            replace(key, **changes) if key.key_id == key_id else key for key in self.db.keys
        ]
        self.db.raise_revision("signing_keys")


class MemoryPolicies:
    """The port ``PolicyStore``; counts how often active policies are loaded."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db
        self.reads = 0

    def active(self, kind: PolicyKind) -> dict[str, PolicyVersion]:
        self.db.answer()
        self.reads += 1
        return {p.policy_id: p for p in self.db.policies if p.kind is kind and p.active}

    def append(
        self, kind: PolicyKind, policy: PolicyText, policy_id: str, at: datetime, by: str
    ) -> PolicyVersion:
        self.db.write()
        versions = self.versions(kind, policy_id)
        self.db.policies = [
            replace(p, active=False) if p in versions else p for p in self.db.policies
        ]
        number = len(versions) + 1
        version = PolicyVersion(
            kind, policy_id, number, policy.text, policy.digest, at, by, active=True
        )
        self.db.policies.append(version)
        self.db.raise_revision("policies")
        return version

    def deactivate(self, kind: PolicyKind, policy_id: str) -> PolicyVersion | None:
        self.db.write()
        active = self.active(kind).get(policy_id)
        self.db.policies = [
            replace(p, active=False) if p.policy_id == policy_id and p.kind is kind else p
            for p in self.db.policies
        ]
        self.db.raise_revision("policies")
        return active

    def by_digest(self, digest: str) -> PolicyText | None:
        return next((p.as_text() for p in self.db.policies if p.digest == digest), None)

    def versions(self, kind: PolicyKind, policy_id: str) -> list[PolicyVersion]:
        return [
            p for p in reversed(self.db.policies) if p.kind is kind and p.policy_id == policy_id
        ]


class MemoryExamples:
    """The port ``ExampleStore``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db

    def all(self, kind: PolicyKind, policy_id: str) -> list[PolicyExample]:
        of_policy = [e for e in self.db.examples if e.kind is kind and e.policy_id == policy_id]
        return sorted(of_policy, key=lambda e: e.name)

    def put(self, example: PolicyExample, *, seen: int) -> bool:
        self.db.write()
        found = self._revision(example.kind, example.policy_id, example.name)
        if found != seen:
            return False
        self._drop(example.kind, example.policy_id, example.name)
        self.db.examples.append(example)
        return True

    def remove(self, kind: PolicyKind, policy_id: str, name: str, *, seen: int) -> bool:
        self.db.write()
        there = self._revision(kind, policy_id, name) == seen
        if there:
            self._drop(kind, policy_id, name)
        return there

    def _revision(self, kind: PolicyKind, policy_id: str, name: str) -> int:
        return next((e.revision for e in self.all(kind, policy_id) if e.name == name), 0)

    def _drop(self, kind: PolicyKind, policy_id: str, name: str) -> None:
        self.db.examples = [
            e for e in self.db.examples if (e.kind, e.policy_id, e.name) != (kind, policy_id, name)
        ]


class MemorySessions:
    """The port ``SessionStore``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db
        self.reads = 0

    def find(self, session_digest: str) -> AttestedSession | None:
        self.db.answer()
        self.reads += 1
        return self.db.sessions.get(session_digest)

    def add(self, session: AttestedSession) -> None:
        self.db.write()
        nonces = {s.nonce_digest for s in self.db.sessions.values()}
        if session.session_digest in self.db.sessions or session.nonce_digest in nonces:
            raise UsedNonceError("this nonce has vouched before")
        self.db.sessions[session.session_digest] = session

    def forget_expired(self, now: datetime) -> int:
        self.db.write()
        alive = {d: s for d, s in self.db.sessions.items() if s.expires_at > now}
        forgotten = len(self.db.sessions) - len(alive)
        self.db.sessions = alive
        return forgotten


class MemoryConsumedNonces:
    """The port ``ConsumedNonceStore``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db

    def consume(self, nonce_digest: str, expires_at: datetime) -> None:
        self.db.write()
        if nonce_digest in self.db.nonces:
            raise UsedNonceError("this nonce has vouched before")
        self.db.nonces[nonce_digest] = expires_at

    def forget_expired(self, now: datetime) -> int:
        self.db.write()
        alive = {d: at for d, at in self.db.nonces.items() if at > now}
        forgotten = len(self.db.nonces) - len(alive)
        self.db.nonces = alive
        return forgotten


class MemorySecrets:
    """The port ``SecretStore``; counts how often secrets are looked up."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db
        self.reads = 0

    def find(self, resource_id: ResourceID) -> SealedSecret | None:
        self.db.answer()
        self.reads += 1
        for version, sealed in self.db.secrets:
            if version.resource_id == resource_id and version.active:
                return SealedSecret(resource_id, version.version, sealed)
        return None

    def find_version(self, resource_id: ResourceID, version: int) -> SealedSecret | None:
        for each, sealed in self.db.secrets:
            if (each.resource_id, each.version) == (resource_id, version):
                return SealedSecret(resource_id, version, sealed)
        return None

    def next_version(self, resource_id: ResourceID) -> int:
        self.db.write()
        return 1 + self.db.last_versions.get(resource_id, 0)

    def add(self, version: SecretVersion, sealed: bytes) -> None:
        self.db.write()
        path = version.resource_id
        if self.find_version(path, version.version):
            raise ConflictError("this version exists")
        self._deactivate(path)
        self.db.secrets.append((version, sealed))
        self.db.last_versions[path] = version.version
        self.db.deleted_secrets.pop(path, None)

    def delete(self, resource_id: ResourceID, at: datetime, by: str) -> bool:
        self.db.write()
        if not self._deactivate(resource_id):
            return False
        number = self.db.last_versions[resource_id]
        self.db.deleted_secrets[resource_id] = DeletedSecret(resource_id, number, at, by)
        return True

    def versions(
        self, resource_id: ResourceID, *, below: int | None = None, limit: int = VERSION_PAGE
    ) -> list[SecretVersion]:
        return [
            v
            for v, _ in reversed(self.db.secrets)
            if v.resource_id == resource_id and (below is None or v.version < below)
        ][:limit]

    def page(
        self, *, after: ResourceID | None, limit: int, within: PathPrefix = EVERY_PATH
    ) -> list[SecretVersion]:
        active = sorted((v for v, _ in self.db.secrets if v.active), key=lambda v: v.resource_id)
        return [
            v
            for v in active
            if (after is None or v.resource_id > after) and _begins_with(v.resource_id, within)
        ][:limit]

    def folders(self, within: tuple[str, ...], *, after: str | None, limit: int) -> list[str]:
        paths = [str(v.resource_id).split("/") for v, _ in self.db.secrets if v.active]
        depth = len(within)
        names = {path[depth] for path in paths if tuple(path[:depth]) == within}
        return sorted(name for name in names if name > (after or ""))[:limit]

    def find_deleted(self, resource_id: ResourceID) -> DeletedSecret | None:
        return self.db.deleted_secrets.get(resource_id)

    def deleted(
        self, *, after: ResourceID | None, limit: int, until: datetime | None = None
    ) -> list[DeletedSecret]:
        found = sorted(self.db.deleted_secrets.values(), key=lambda d: d.resource_id)
        return [
            d
            for d in found
            if (after is None or d.resource_id > after) and (until is None or d.deleted_at <= until)
        ][:limit]

    def destroy(self, deleted: DeletedSecret) -> bool:
        self.db.write()
        path = deleted.resource_id
        there = self.db.deleted_secrets.get(path)
        if there is None or there.deleted_at != deleted.deleted_at:
            return False
        del self.db.deleted_secrets[path]
        self.db.secrets = [(v, sealed) for v, sealed in self.db.secrets if v.resource_id != path]
        return True

    def sealed_versions(self) -> list[SealedSecret]:
        return [SealedSecret(v.resource_id, v.version, sealed) for v, sealed in self.db.secrets]

    def replace_sealed(self, secret: SealedSecret) -> None:
        self.db.write()
        self.db.secrets = [
            (v, secret.sealed)
            if (v.resource_id, v.version) == (secret.resource_id, secret.version)
            else (v, sealed)
            for v, sealed in self.db.secrets
        ]

    def _deactivate(self, resource_id: ResourceID) -> bool:
        there = any(v.active for v in self.versions(resource_id))
        self.db.secrets = [
            (replace(v, active=v.active and v.resource_id != resource_id), sealed)
            for v, sealed in self.db.secrets
        ]
        return there


def _begins_with(path: ResourceID, prefix: PathPrefix) -> bool:
    """Whether a path has a prefix."""
    segments = str(path).split("/")
    depth = len(prefix.segments)
    return tuple(segments[:depth]) == prefix.segments and segments[depth].startswith(
        prefix.beginning
    )


class MemoryReferenceValues:
    """The port ``ReferenceValueStore``."""

    def __init__(self, db: MemoryDatabase) -> None:
        self.db = db

    def find(self, name: str) -> ReferenceValue | None:
        self.db.answer()
        return self.db.reference_values.get(name)

    def put(self, values: list[ReferenceValue], by: str) -> None:
        self.db.write()
        self.db.reference_values.update({value.name: value for value in values})
        newest = {value.name: value for value in values}
        self.db.registered = [
            replace(each, active=each.active and each.value.name not in newest)
            for each in self.db.registered
        ]
        for value in values:
            number, active = len(self.db.registered) + 1, newest[value.name] is value
            self.db.registered.append(RegisteredValue(number, value, by, active))
        self.db.raise_revision("reference_values")

    def withdraw(self, name: str, at: datetime, by: str) -> bool:
        self.db.write()
        self.db.raise_revision("reference_values")
        self.db.registered = [
            replace(each, active=False, withdrawn_at=at, withdrawn_by=by)
            if each.active and each.value.name == name
            else each
            for each in self.db.registered
        ]
        return self.db.reference_values.pop(name, None) is not None

    def find_all(self, names: Sequence[str]) -> dict[str, ReferenceValue]:
        return {n: self.db.reference_values[n] for n in names if n in self.db.reference_values}

    def expiring(self, since: datetime, limit: int) -> list[ReferenceValue]:
        values = [v for v in self.db.reference_values.values() if v.expires_at >= since]
        return sorted(values, key=lambda v: (v.expires_at, v.name))[:limit]

    def history(self, name: str, *, before: int | None, limit: int) -> list[RegisteredValue]:
        return [
            each
            for each in reversed(self.db.registered)
            if each.value.name == name and (before is None or each.number < before)
        ][:limit]

    def page(
        self,
        *,
        after: str | None,
        limit: int,
        containing: str | None = None,
        expiry: ExpiryRange = ANY_EXPIRY,
    ) -> list[ReferenceValue]:
        values = sorted(self.db.reference_values.values(), key=lambda v: v.name)
        wanted = (containing or "").lower()
        return [
            v
            for v in values
            if (after is None or v.name > after)
            and wanted in v.name.lower()
            and (expiry.after is None or v.expires_at > expiry.after)
            and (expiry.until is None or v.expires_at <= expiry.until)
        ][:limit]


class FakeHTTP:
    """The port ``HTTPClient``: a web of pages by address; what is not there is 404.

    Attributes:
        pages: what a GET answers.
        replies: what the POSTs answer, one after another; an exception is raised.
        asked: every address that was asked.
        posted: every body that was posted.
        down: nothing answers.
    """

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.replies: list[HTTPReply] = []
        self.asked: list[str] = []
        self.posted: list[Any] = []
        self.down = False

    def get(self, url: str) -> HTTPReply:
        self._answer(url)
        page = self.pages.get(url)
        return HTTPReply(404, {}, b"") if page is None else HTTPReply(200, {}, page)

    def post(self, url: str, body: bytes, media_type: str) -> HTTPReply:
        raise AssertionError(url, body, media_type)

    def post_json(self, url: str, body: bytes) -> HTTPReply:
        self._answer(url)
        self.posted.append(json.loads(body))
        return self.replies.pop(0)

    def _answer(self, url: str) -> None:
        self.asked.append(url)
        if self.down:
            raise OutsideError("no answer")


class FakeAppraiser:
    """The port ``Appraiser``: believes everything, unless told what to raise.

    Attributes:
        token: what it hands out.
        own_nonce: the TEE's own challenge, if it has one.
        refusal: raised instead of a token.
        asked: every request.
    """

    def __init__(self) -> None:
        self.token = "a.b.c"
        self.own_nonce: str | None = None
        self.refusal: DomainError | None = None
        self.asked: list[AppraisalRequest] = []

    def challenge(self, tee: str, parameters: JSONValue) -> tuple[str | None, JSONValue]:
        return self.own_nonce, ""

    def appraise(self, request: AppraisalRequest) -> Appraised:
        self.asked.append(request)
        if self.refusal is not None:
            raise self.refusal
        record = DecisionRecord(
            decision_id=new_decision_id(NOON),
            kind=DecisionKind.APPRAISAL,
            at=NOON,
            outcome=Outcome.ALLOWED,
            reason="affirming",
            tee=request.items[0].tee,
            subject=request.policy_id,
            token_id="token-1",
        )
        return Appraised(self.token, "token-1", request.items[0].tee, "affirming", record)
