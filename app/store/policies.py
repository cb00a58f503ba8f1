"""Policies: versions are appended, one of each policy is active."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, bindparam, func, insert, select, update

from app.store.database import Database
from app.store.revisions import Counted, raise_revision
from app.store.tables import policy_versions
from app.trust.policies import PolicyKind, PolicyVersion
from app.trust.policy_engine import PolicyText

_COLUMNS = policy_versions.c
_OF_POLICY = (
    _COLUMNS.kind == bindparam("of_kind"),
    _COLUMNS.policy_id == bindparam("of_policy_id"),
)
_VERSION = select(
    _COLUMNS.kind,
    _COLUMNS.policy_id,
    _COLUMNS.version,
    _COLUMNS.text,
    _COLUMNS.digest,
    _COLUMNS.created_at,
    _COLUMNS.created_by,
    _COLUMNS.active,
)
_ACTIVE = _VERSION.where(_COLUMNS.kind == bindparam("of_kind"), _COLUMNS.active)
_VERSIONS = _VERSION.where(*_OF_POLICY).order_by(_COLUMNS.version.desc())
_BY_DIGEST = (
    select(_COLUMNS.policy_id, _COLUMNS.text)
    .where(_COLUMNS.digest == bindparam("of_digest"))
    .limit(1)
)
_NEWEST = select(func.coalesce(func.max(_COLUMNS.version), 0)).where(*_OF_POLICY)
_DEACTIVATE = update(policy_versions).where(*_OF_POLICY, _COLUMNS.active).values(active=False)


@dataclass(frozen=True, slots=True)
class SQLPolicyStore:
    """Policies in the database."""

    database: Database

    def active(self, kind: PolicyKind) -> dict[str, PolicyVersion]:
        """The active version of every policy of a kind, by policy id."""
        with self.database.read() as connection:
            rows = connection.execute(_ACTIVE, {"of_kind": kind.value}).all()
        return {row.policy_id: _version(row) for row in rows}

    def append(
        self, kind: PolicyKind, policy: PolicyText, policy_id: str, at: datetime, by: str
    ) -> PolicyVersion:
        """Add a version and make it the active one; raises the ``policies`` revision."""
        connection = self.database.writing()
        raise_revision(connection, Counted.POLICIES)
        of_policy = {"of_kind": kind.value, "of_policy_id": policy_id}
        number = connection.execute(_NEWEST, of_policy).scalar_one() + 1
        connection.execute(_DEACTIVATE, of_policy)
        connection.execute(
            insert(policy_versions),
            {
                "kind": kind.value,
                "policy_id": policy_id,
                "version": number,
                "text": policy.text,
                "digest": policy.digest,
                "created_at": at,
                "created_by": by,
                "active": True,
            },
        )
        return PolicyVersion(
            kind, policy_id, number, policy.text, policy.digest, at, by, active=True
        )

    def deactivate(self, kind: PolicyKind, policy_id: str) -> PolicyVersion | None:
        """Let no version of a policy decide any more; the one that did, or ``None``."""
        connection = self.database.writing()
        raise_revision(connection, Counted.POLICIES)
        active = self.active(kind).get(policy_id)
        connection.execute(_DEACTIVATE, {"of_kind": kind.value, "of_policy_id": policy_id})
        return active

    def by_digest(self, digest: str) -> PolicyText | None:
        """Any version with this text, active or not; for replay."""
        with self.database.read() as connection:
            row = connection.execute(_BY_DIGEST, {"of_digest": digest}).first()
        return None if row is None else PolicyText(f"{row.policy_id}.rego", row.text, digest)

    def versions(self, kind: PolicyKind, policy_id: str) -> list[PolicyVersion]:
        """All versions of a policy, newest first."""
        of_policy = {"of_kind": kind.value, "of_policy_id": policy_id}
        with self.database.read() as connection:
            return [_version(row) for row in connection.execute(_VERSIONS, of_policy)]


def _version(
    row: Row[str, str, int, str, str, datetime, str, bool],
) -> PolicyVersion:
    kind, policy_id, version, text, digest, created_at, created_by, active = row
    return PolicyVersion(
        PolicyKind(kind), policy_id, version, text, digest, created_at, created_by, active
    )
