"""Reference values: replaced by name, kept as history."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from store.every_port import Stores
from store.threads import at_once

from app.attestation.reference_value_messages import Provenance
from app.attestation.reference_values import ExpiryRange, ReferenceValue
from app.store.database import Database
from app.trust.errors import MalformedRequestError


@pytest.fixture
def value(now: datetime) -> ReferenceValue:
    """A launch measurement."""
    return ReferenceValue(
        "rvps:///vendor/firmware:v2", ["aa", 2**70, None], now + timedelta(days=1), now, "sample"
    )


def put(stores: Stores, *values: ReferenceValue) -> None:
    """All values in one transaction."""
    with stores.transaction():
        stores.reference_values.put(list(values), "alice")


def test_an_unknown_name_finds_nothing(stores: Stores, now: datetime) -> None:
    """There is no value before there is one, and nothing to withdraw."""
    assert stores.reference_values.find("x") is None
    with stores.transaction():
        assert stores.reference_values.withdraw("x", now, "alice") is False


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb"])
def test_a_name_that_cannot_be_stored_is_malformed(sql: Stores, name: str) -> None:
    """A lone surrogate is no character; it must not end in a server error."""
    with pytest.raises(MalformedRequestError):
        sql.reference_values.find(name)


def test_every_part_of_a_value_comes_back(stores: Stores, value: ReferenceValue) -> None:
    """Any JSON, to the digit; any legal name, to the character."""
    odd = replace(value, name="Ünï ☂ 'quoted\" %", value={"a": [1.5, True, ""], "b": {}})
    signed = replace(value, name="signed", provenance=Provenance("corim", "ci", "ab" * 32))
    unsigned = replace(value, name="unsigned", provenance=Provenance("swid", None, "cd" * 32))
    put(stores, value, odd, signed, unsigned)
    for each in (value, odd, signed, unsigned):
        assert stores.reference_values.find(each.name) == each
    (entry,) = stores.reference_values.history("signed", before=None, limit=9)
    assert entry.value == signed


def test_names_are_case_sensitive(stores: Stores, value: ReferenceValue) -> None:
    """``A`` and ``a`` are two values."""
    put(stores, value)
    assert stores.reference_values.find(value.name.upper()) is None


def test_an_expired_value_is_still_found(
    stores: Stores, value: ReferenceValue, now: datetime
) -> None:
    """Obeying expiry is the domain's work; the store says what there is."""
    put(stores, replace(value, expires_at=now - timedelta(days=400)))
    assert stores.reference_values.find(value.name) is not None


def test_a_new_value_replaces_the_one_of_its_name(stores: Stores, value: ReferenceValue) -> None:
    """The newest counts, and of two in one message the last."""
    put(stores, value)
    put(stores, replace(value, value=1), replace(value, value=2))
    found = stores.reference_values.find(value.name)
    assert found is not None
    assert found.value == 2
    assert len(stores.reference_values.page(after=None, limit=10)) == 1


def test_history_is_kept(
    sql: Stores, database: Database, value: ReferenceValue, now: datetime
) -> None:
    """Every value that ever counted can be shown, with who withdrew it and when."""
    put(sql, value)
    put(sql, replace(value, value=2))
    with sql.transaction():
        assert sql.reference_values.withdraw(value.name, now, "bob") is True
    with database.read() as connection:
        rows = connection.execute(
            text("SELECT value, registered_by, withdrawn_by FROM reference_values ORDER BY row_id")
        ).all()
    assert [tuple(row[1:]) for row in rows] == [("alice", None), ("alice", "bob")]
    assert rows[1][0] == "2"


def test_a_withdrawn_value_is_gone(stores: Stores, value: ReferenceValue, now: datetime) -> None:
    """Policies see no value, and a second withdrawal finds none."""
    put(stores, value)
    with stores.transaction():
        assert stores.reference_values.withdraw(value.name, now, "alice") is True
    with stores.transaction():
        assert stores.reference_values.withdraw(value.name, now, "alice") is False
    assert stores.reference_values.find(value.name) is None
    assert stores.reference_values.page(after=None, limit=10) == []


def test_pages_are_ordered_by_the_characters_of_the_name(
    stores: Stores, value: ReferenceValue
) -> None:
    """Not by the language of a cluster: paging must agree with comparing."""
    names = ["B", "a", "a-b", "a.b", "aB", "é"]
    put(stores, *(replace(value, name=name) for name in reversed(names)))
    first = stores.reference_values.page(after=None, limit=4)
    rest = stores.reference_values.page(after=first[-1].name, limit=4)
    assert [found.name for found in first + rest] == names


def test_each_change_raises_the_counter(
    stores: Stores, value: ReferenceValue, now: datetime
) -> None:
    """Every worker must see a new or withdrawn value at its next request."""
    before = stores.revisions.current().reference_values
    put(stores, value)
    between = stores.revisions.current().reference_values
    with stores.transaction():
        stores.reference_values.withdraw(value.name, now, "alice")
    assert before < between < stores.revisions.current().reference_values


def test_writers_of_one_name_at_once_leave_one_value(sql: Stores, value: ReferenceValue) -> None:
    """Of eight concurrent writers one has the last word and none fails."""
    at_once(8, lambda number: put(sql, replace(value, value=number)))
    assert len(sql.reference_values.page(after=None, limit=10)) == 1


@pytest.mark.parametrize(("wanted", "found"), [("MEAS", 1), ("%", 0), ("_", 2), ("q", 0)])
def test_names_are_searched_as_they_stand(
    stores: Stores, value: ReferenceValue, wanted: str, found: int
) -> None:
    """A part of a name finds it in any case, and no character of it is a wildcard."""
    names = ("snp_launch_measurement", "snp_svn", "tdx-xfam")
    put(stores, *(replace(value, name=name) for name in names))
    page = stores.reference_values.page(after=None, limit=10, containing=wanted)
    assert len(page) == found


def test_the_first_to_expire_come_first(stores: Stores, now: datetime) -> None:
    """From a moment on, and not those that were replaced or withdrawn."""
    days = {"later": 3, "soon": 1, "past": -1, "gone": 2}
    values = [
        ReferenceValue(name, [name], now + timedelta(days=day), now, "tests")
        for name, day in days.items()
    ]
    with stores.transaction():
        stores.reference_values.put(values, "ann")
        stores.reference_values.withdraw("gone", now, "ann")
    found = stores.reference_values.expiring(now, 10)
    assert [value.name for value in found] == ["soon", "later"]
    assert stores.reference_values.expiring(now, 1) == found[:1]


def test_the_history_of_a_name_is_paged(
    stores: Stores, value: ReferenceValue, now: datetime
) -> None:
    """Replaced and withdrawn entries stay, each with who did it; other names are not among them."""
    put(stores, value, replace(value, name="other"))
    put(stores, replace(value, value=2))
    with stores.transaction():
        stores.reference_values.withdraw(value.name, now, "bob")
    newest, oldest = stores.reference_values.history(value.name, before=None, limit=9)
    assert (newest.value.value, newest.active) == (2, False)
    assert (newest.registered_by, newest.withdrawn_by, newest.withdrawn_at) == ("alice", "bob", now)
    assert (oldest.value, oldest.withdrawn_by) == (value, None)
    page = stores.reference_values.history(value.name, before=newest.number, limit=9)
    assert page == [oldest]
    assert stores.reference_values.history(value.name, before=None, limit=1) == [newest]
    assert stores.reference_values.history("never", before=None, limit=9) == []


def test_many_names_are_found_at_once(stores: Stores, value: ReferenceValue) -> None:
    """More than one statement takes parameters for; those without a value are left out."""
    values = [replace(value, name=f"n{number}") for number in range(1200)]
    put(stores, *values)
    names = [each.name for each in values] + ["never"]
    found = stores.reference_values.find_all(names)
    assert found == {each.name: each for each in values}
    assert stores.reference_values.find_all([]) == {}


def test_a_page_can_keep_to_an_expiry(stores: Stores, value: ReferenceValue, now: datetime) -> None:
    """After one moment, at another or before: to the microsecond."""
    moment = timedelta(microseconds=1)
    for name, expires_at in (("a", now), ("b", now + moment), ("c", now + 2 * moment)):
        put(stores, replace(value, name=name, expires_at=expires_at))

    def names(expiry: ExpiryRange) -> list[str]:
        page = stores.reference_values.page(after=None, limit=9, expiry=expiry)
        return [each.name for each in page]

    assert names(ExpiryRange(until=now)) == ["a"]
    assert names(ExpiryRange(after=now, until=now + moment)) == ["b"]
    assert names(ExpiryRange(after=now + moment)) == ["c"]
    assert names(ExpiryRange()) == ["a", "b", "c"]
