"""Examples kept beside policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.database import Database
from app.store.tables import policy_examples
from app.trust.json_types import JSONObject
from app.trust.policies import PolicyKind
from app.trust.policy_examples import PolicyExample

_COLUMNS = policy_examples.c
_OF_POLICY = (
    _COLUMNS.kind == bindparam("of_kind"),
    _COLUMNS.policy_id == bindparam("of_policy_id"),
)
_SEEN = (
    *_OF_POLICY,
    _COLUMNS.name == bindparam("of_name"),
    _COLUMNS.revision == bindparam("seen"),
)
_ALL = select(policy_examples).where(*_OF_POLICY).order_by(_COLUMNS.name)
_REPLACE = update(policy_examples).where(*_SEEN)
_REMOVE = delete(policy_examples).where(*_SEEN)


@dataclass(frozen=True, slots=True)
class SQLExampleStore:
    """Examples in the database."""

    database: Database

    def all(self, kind: PolicyKind, policy_id: str) -> list[PolicyExample]:
        """The examples of a policy, by name."""
        of_policy = {"of_kind": kind.value, "of_policy_id": policy_id}
        with self.database.read() as connection:
            return [_example(row) for row in connection.execute(_ALL, of_policy)]

    def put(self, example: PolicyExample, *, seen: int) -> bool:
        """Store it in place of the one of its name and this revision, 0 for a new one."""
        connection = self.database.writing()
        if seen:
            statement = _REPLACE.values(_row(example))
            where = _where(example.kind, example.policy_id, example.name, seen)
            return connection.execute(statement, where).rowcount == 1
        where = {"of_kind": example.kind.value, "of_policy_id": example.policy_id}
        if any(row.name == example.name for row in connection.execute(_ALL, where)):
            return False
        row = {"kind": example.kind.value, "policy_id": example.policy_id, "name": example.name}
        try:
            connection.execute(insert(policy_examples), {**row, **_row(example)})
        except IntegrityError:
            return False
        return True

    def remove(self, kind: PolicyKind, policy_id: str, name: str, *, seen: int) -> bool:
        """Remove the example of this revision; whether there was one."""
        where = _where(kind, policy_id, name, seen)
        return self.database.writing().execute(_REMOVE, where).rowcount == 1


def _where(kind: PolicyKind, policy_id: str, name: str, seen: int) -> JSONObject:
    return {"of_kind": kind.value, "of_policy_id": policy_id, "of_name": name, "seen": seen}


def _row(example: PolicyExample) -> JSONObject:
    return {
        "input": example.policy_input,
        "data": example.data,
        "reference_values": example.reference_values,
        "expected": example.expected,
        "revision": example.revision,
        "changed_at": example.changed_at,
        "changed_by": example.changed_by,
    }


def _example(row: Row[*tuple[Any, ...]]) -> PolicyExample:
    return PolicyExample(
        kind=PolicyKind(row.kind),
        policy_id=row.policy_id,
        name=row.name,
        policy_input=row.input,
        data=row.data,
        reference_values=row.reference_values,
        expected=row.expected,
        revision=row.revision,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )
