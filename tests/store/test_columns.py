"""Column types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from app.store.columns import JSONText, Moment, dump_json

DIALECT = sqlite.dialect()


def test_a_naive_time_is_a_programming_error() -> None:
    """A time without a zone means something else on every machine."""
    with pytest.raises(TypeError):
        Moment().process_bind_param(datetime(2026, 1, 1), DIALECT)  # noqa: DTZ001


@pytest.mark.parametrize("value", [float("nan"), {"a": float("inf")}])
def test_what_is_no_json_is_not_written(value: object) -> None:
    """``NaN`` would be text that no parser of ours reads again."""
    with pytest.raises(ValueError, match="JSON"):
        JSONText().process_bind_param(value, DIALECT)


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=-3)))))
def test_every_moment_comes_back_in_utc(at: datetime) -> None:
    """To the microsecond, before 1970 too."""
    stored = Moment().process_bind_param(at, DIALECT)
    found = Moment().process_result_value(stored, DIALECT)
    assert found == at
    assert found.tzinfo is UTC


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        # Lone surrogates included: they occur in claims, and SQL text cannot hold them.
        | st.text(st.characters(codec=None)),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_every_json_value_comes_back(value: object) -> None:
    """As ASCII, so that any database takes it."""
    stored = JSONText().process_bind_param(value, DIALECT)
    assert stored.isascii()
    assert JSONText().process_result_value(stored, DIALECT) == value


def test_one_value_has_one_text() -> None:
    """Whatever order its members were made in."""
    assert dump_json({"b": 1, "a": [1.0, 2]}) == dump_json({"a": [1.0, 2], "b": 1})
    assert dump_json({"b": 1, "a": 2}) == '{"a":2,"b":1}'
