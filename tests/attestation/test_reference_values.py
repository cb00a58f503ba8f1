"""Reference values: all of a message or nothing, and never after their time."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from fakes import (
    NOON,
    FakeClock,
    MemoryAuditLog,
    MemoryDatabase,
    MemoryReferenceValues,
    MemoryRevisions,
)

from app.attestation.extractors.sample import EXTRACTOR
from app.attestation.reference_value_messages import MessageReader
from app.attestation.reference_values import (
    DraftReferenceValue,
    ReferenceValue,
    ReferenceValues,
)
from app.trust.approvals import ChangeRule
from app.trust.audit import Actor
from app.trust.errors import MalformedReferenceValueError, ReferenceValueNotFoundError
from guest.wire.encoding import b64_encode

OWNER = Actor("alice", "owner")


class CountingStore(MemoryReferenceValues):
    """Counts how often a name is looked up."""

    finds = 0

    def find(self, name: str) -> ReferenceValue | None:
        """See the port."""
        self.finds += 1
        return super().find(name)


class Bench:
    """Reference values on a database in memory."""

    def __init__(self) -> None:
        self.db, self.clock = MemoryDatabase(), FakeClock()
        self.store = CountingStore(self.db)
        self.values = ReferenceValues(
            store=self.store,
            messages=MessageReader({EXTRACTOR.type: EXTRACTOR}, (), self.clock),
            revisions=MemoryRevisions(self.db),
            transactions=self.db.transactions,
            audit=MemoryAuditLog(self.db),
            clock=self.clock,
            rule=ChangeRule(),
        )

    def register(self, values: dict[str, Any], **members: Any) -> None:
        """Register values by a sample message with some members changed."""
        payload = b64_encode(json.dumps(values).encode())
        message = {"version": "0.1.0", "type": "sample", "payload": payload, **members}
        self.values.register(message, OWNER)

    def ask(self, name: str) -> Any:
        """What a policy would be told now."""
        return self.values.lookup(self.db.revisions.reference_values, self.clock.now())(name)


@pytest.fixture
def bench() -> Bench:
    """An empty bench."""
    return Bench()


BAD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"a": 1}, {"version": "0.2.0"}),
    ({"a": 1}, {"version": None}),
    ({"a": 1}, {"type": "corim"}),
    ({"a": 1}, {"type": None}),
    ({"a": 1}, {"type": ["sample"]}),
    ({"a": 1}, {"payload": None}),
    ({"a": 1}, {"payload": {"a": 1}}),
    ({"a": 1}, {"payload": "?"}),
    ({}, {}),
    ({"": 1}, {}),
    ({"a" * 513: 1}, {}),
    ({"a\n": 1}, {}),
    ({"a\0": 1}, {}),
    ({"a": 2**60}, {}),
    ({"good": 1, "a": [[2**60]]}, {}),
]


@pytest.mark.parametrize(("values", "members"), BAD)
def test_refuses_what_is_no_message(
    bench: Bench, values: dict[str, Any], members: dict[str, Any]
) -> None:
    """Nothing of it is stored, and no trace is left."""
    with pytest.raises(MalformedReferenceValueError):
        bench.register(values, **members)
    assert (bench.db.reference_values, bench.db.audit) == ({}, [])


def test_the_version_may_be_missing(bench: Bench) -> None:
    """Upstream's clients leave it out."""
    payload = b64_encode(b'{"a": 1}')
    bench.values.register({"type": "sample", "payload": payload}, OWNER)
    assert bench.values.get("a").value == 1


@pytest.mark.parametrize(
    "name",
    ["svn", "rvps:///vendor/firmware:v2", "a/b:c", "ä", "with space", "a" * 512, ":latest"],
)
def test_names_of_every_legal_shape(bench: Bench, name: str) -> None:
    """A name is an opaque text; upstream's stores refuse some (wire.md 14.3, 51)."""
    bench.register({name: ["v"]})
    assert bench.values.get(name).value == ["v"]
    assert bench.ask(name) == ["v"]
    with pytest.raises(ReferenceValueNotFoundError):
        bench.values.get(name + "x")


def test_a_value_ends_with_its_time(bench: Bench) -> None:
    """Policies, operators and the cache obey its expiry (wire.md 14.3, 50)."""
    bench.register({"a": 1})
    assert bench.ask("a") == 1
    bench.clock.at += timedelta(days=365) - timedelta(seconds=1)
    assert bench.ask("a") == bench.values.get("a").value == 1
    bench.clock.forward(seconds=1)
    assert bench.ask("a") is None
    with pytest.raises(ReferenceValueNotFoundError):
        bench.values.get("a")
    assert [value.name for value in bench.values.page(after=None, limit=10)] == ["a"]


def test_a_change_is_seen_at_the_next_question(bench: Bench) -> None:
    """New values, replaced ones and withdrawn ones."""
    assert bench.ask("a") is None
    bench.register({"a": 1})
    assert bench.ask("a") == 1
    bench.register({"a": 2})
    assert bench.ask("a") == 2
    bench.values.withdraw("a", OWNER)
    assert bench.ask("a") is None


def test_values_are_looked_up_once_a_revision(bench: Bench) -> None:
    """Also those that do not exist."""
    bench.register({"a": 1})
    for name in ("a", "none"):
        bench.ask(name)
    finds = bench.store.finds
    for _ in range(5):
        assert (bench.ask("a"), bench.ask("none")) == (1, None)
    assert bench.store.finds == finds


def test_the_cache_is_bounded(bench: Bench) -> None:
    """A policy can ask for names that evidence chooses."""
    for n in range(10_001):
        assert bench.ask(f"name{n}") is None
    assert len(bench.values._held._cache.values) <= 10_000


@pytest.mark.parametrize("name", ["", "a" * 513, "\0", "\ud800"])
def test_what_is_no_name_has_no_value(bench: Bench, name: str) -> None:
    """It is not even looked up."""
    finds = bench.store.finds
    assert bench.ask(name) is None
    for act in (bench.values.get, lambda each: bench.values.withdraw(each, OWNER)):
        with pytest.raises(ReferenceValueNotFoundError):
            act(name)
    assert bench.store.finds == finds


def test_what_was_told_is_remembered(bench: Bench) -> None:
    """The decision record holds every value that a policy read."""
    bench.register({"a": [1]})
    lookup = bench.values.lookup(bench.db.revisions.reference_values, bench.clock.now())
    assert (lookup("a"), lookup("b")) == ([1], None)
    assert lookup.read == {"a": [1], "b": None}


def test_changes_are_written_down(bench: Bench) -> None:
    """Who registered what, and who withdrew it."""
    bench.register({"a": 1, "b": 2})
    bench.values.withdraw("a", OWNER)
    entries = [record.entry for record in bench.db.audit]
    assert [(each.action, each.subject) for each in entries] == [
        ("reference-value:register", "a and 1 more"),
        ("reference-value:withdraw", "a"),
    ]
    assert entries[0].after


@pytest.mark.parametrize(
    "drafts",
    [
        [],
        [DraftReferenceValue("", 1)],
        [DraftReferenceValue("a\n", 1)],
        [DraftReferenceValue("a", 2**60)],
        [DraftReferenceValue("a", 1), DraftReferenceValue("b", 1, NOON)],
    ],
    ids=["none", "no name", "control character", "beyond 2^53", "one has expired"],
)
def test_refuses_values_that_cannot_serve(bench: Bench, drafts: list[DraftReferenceValue]) -> None:
    """None of several is stored when one is wrong."""
    with pytest.raises(MalformedReferenceValueError):
        bench.values.add(drafts, "console", OWNER)
    assert bench.db.reference_values == {}


def test_values_given_one_by_one_have_their_own_expiry(bench: Bench) -> None:
    """What says no expiry has the usual one, and one audit record tells of all of them."""
    until = NOON + timedelta(days=7)
    drafts = [DraftReferenceValue("a", [1], until), DraftReferenceValue("b", "x")]
    a, b = bench.values.add(drafts, "console", OWNER)
    assert (a.expires_at, b.expires_at) == (until, NOON + timedelta(days=365))
    assert bench.ask("a") == [1]
    assert bench.values.find("b") == b
    assert [record.entry.action for record in bench.db.audit] == ["reference-value:register"]
