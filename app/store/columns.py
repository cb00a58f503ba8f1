"""Column types: what the database keeps of a moment, a name, a JSON value."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

from app.trust.json_types import JSONValue

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# PostgreSQL would order names by the language of the cluster; paging needs the order of their
# characters, which is SQLite's order and Python's.
NAME = Text().with_variant(Text(collation="C"), "postgresql")

# SQLite gives out row ids by itself only for a key declared INTEGER.
ROW_ID = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """An aware time, kept as whole microseconds since 1970 in UTC.

    Both engines then compare, order and return it alike, to the microsecond.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Microseconds since 1970; a naive time is a programming error."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The time, UTC."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class JSONText(TypeDecorator[JSONValue]):
    """A JSON value as text: neither engine may reorder, round or refuse what is in it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: JSONValue, dialect: Dialect) -> str:  # noqa: ARG002
        """Compact JSON text, ASCII."""
        return dump_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> JSONValue:  # noqa: ARG002
        """The value."""
        return None if value is None else json.loads(value)


def dump_json(value: JSONValue) -> str:
    """Compact ASCII JSON with sorted members: one text for one value.

    Unlike RFC 8785 it keeps integers of any size, which binary evidence is full of.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
