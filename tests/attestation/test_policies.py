"""Attestation policies: refused when they could go wrong, versioned, audited, found at once."""

from __future__ import annotations

import pytest
from fakes import (
    MemoryDatabase,
    MemoryPolicies,
    MemoryRevisions,
)
from policy_keeping import keeping

from app.attestation.policies import DEFAULT_POLICY_IDS, AttestationPolicies
from app.trust.audit import Actor
from app.trust.errors import (
    ConflictError,
    MalformedPolicyError,
    MalformedRequestError,
    PolicyNotFoundError,
    StoreUnavailableError,
)
from app.trust.regorus_engine import RegorusEngine

OWNER = Actor("alice", "owner")
HEAD = "package policy\nimport rego.v1\n"
GOOD = HEAD + 'trust_claims := {"hardware": 2}'


class Bench:
    """Policies on a database in memory."""

    def __init__(self) -> None:
        self.db = MemoryDatabase()
        self.store = MemoryPolicies(self.db)
        self.policies = AttestationPolicies(
            keeping(self.db, self.store, RegorusEngine()), MemoryRevisions(self.db)
        )


@pytest.fixture
def bench() -> Bench:
    """An empty bench."""
    return Bench()


BAD = {
    "does not parse": ("trust_claims := {", 3, None),
    "has no trust claims": ("allow := true", None, None),
    "an unknown claim": ('trust_claims := {"hardwear": 2}', 3, 30),
    "too large": ('trust_claims := {"hardware": 128}', 3, None),
    "too small": ('trust_claims := {"hardware": -129}', 3, None),
    "no whole number": ('trust_claims := {"hardware": 2.5}', 3, None),
    "a truth value": ('trust_claims := {"hardware": true}', 3, None),
    "a text": ('trust_claims := {"hardware": "2"}', 3, None),
    "too large in another rule": (
        'trust_claims := {"hardware": hw}\ndefault hw := 97\nhw := 258 if input.snp.a == 1',
        5,
        None,
    ),
    "too large in an else": (
        'trust_claims := {"hardware": hw}\nhw := 2 if input.a else := 300 if input.b',
        4,
        None,
    ),
    "too large in a partial rule": ("trust_claims.hardware := 300 if input.a", 3, None),
    "an unknown claim in a partial rule": ("trust_claims.hardwear := 3 if input.a", 3, None),
    "true for want of a value": ('trust_claims := {"hardware": hw}\nhw if input.a', 4, 1),
    "empty": ("trust_claims := {}", None, None),
    "no object": ("trust_claims := 3", None, None),
    "a computed value out of range": ('trust_claims := {"hardware": 100 + 100}', None, None),
    "an extension that judges": (
        'trust_claims := {"hardware": 2}\nextensions := [{"name": "ear.status", "key": 1}]',
        None,
        None,
    ),
    "an unknown function": ('trust_claims := {"hardware": f(1)} if input.a', 3, None),
    "another package": ("", None, None),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_a_policy_that_could_go_wrong(bench: Bench, name: str) -> None:
    """With its line, and its column where the source tells; nothing is stored."""
    text, line, column = BAD[name]
    whole = HEAD + text if text else 'package other\ntrust_claims := {"hardware": 2}'
    with pytest.raises(MalformedPolicyError) as caught:
        bench.policies.set("p_cpu", whole, OWNER)
    assert caught.value.line == line
    assert column in {None, caught.value.column}
    assert (bench.db.policies, bench.db.audit) == ([], [])


@pytest.mark.parametrize("policy_id", ["", ".a", "-a", "a/b", "a b", "é", "a" * 129, "a\n"])
def test_refuses_ids_that_are_none(bench: Bench, policy_id: str) -> None:
    """An id stands in addresses and in messages."""
    with pytest.raises(MalformedRequestError):
        bench.policies.set(policy_id, GOOD, OWNER)


@pytest.mark.parametrize("policy_id", ["p_cpu", "", "x" * 10_000, "../p"])
def test_a_policy_that_is_not_there_is_not_found(bench: Bench, policy_id: str) -> None:
    """Whatever its id."""
    for act in (bench.policies.get, bench.policies.versions):
        with pytest.raises(PolicyNotFoundError) as caught:
            act(policy_id)
        assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    "text",
    [
        'trust_claims := {"hardware": input.a}',
        'trust_claims := {"hardware": -128, "executables": 127}',
        "trust_claims[name] := 2 if some name in input.names",
        'trust_claims := object.union({"hardware": 2}, {"executables": 3})',
        'trust_claims := {"hardware": 1 / input.a}',
    ],
)
def test_takes_what_only_evidence_can_decide(bench: Bench, text: str) -> None:
    """What no source tells is judged when there is evidence."""
    assert bench.policies.set("p_cpu", HEAD + text, OWNER).version == 1


def test_a_policy_that_is_set_decides_at_once(bench: Bench) -> None:
    """The next revision has the new text, for every worker."""
    bench.policies.set("p_cpu", GOOD, OWNER)
    second = GOOD + "\n# changed"
    bench.policies.set("p_cpu", second, OWNER)
    assert bench.policies.get("p_cpu").text == second
    assert bench.policies.active_text("p_cpu", bench.db.revisions.policies).text == second
    assert [each.version for each in bench.policies.versions("p_cpu")] == [2, 1]
    assert bench.policies.ids() == ["p_cpu"]


def test_setting_is_written_down(bench: Bench) -> None:
    """Who, and from which text to which."""
    first = bench.policies.set("p_cpu", GOOD, OWNER)
    second = bench.policies.set("p_cpu", GOOD + "\n#", OWNER)
    entries = [record.entry for record in bench.db.audit]
    assert [(each.action, each.subject) for each in entries] == [
        ("policy:attestation:set", "p_cpu")
    ] * 2
    assert [(each.before, each.after) for each in entries] == [
        (None, first.digest),
        (first.digest, second.digest),
    ]


def test_what_was_taken_away_replaces_nothing(bench: Bench) -> None:
    """The log tells what decided before: nothing did."""
    first = bench.policies.set("p_cpu", GOOD, OWNER)
    bench.policies.take_away("p_cpu", OWNER, based_on=1)
    bench.policies.set("p_cpu", GOOD, OWNER)
    entries = [(each.entry.before, each.entry.after) for each in bench.db.audit]
    assert entries == [(None, first.digest), (first.digest, None), (None, first.digest)]


def test_policies_are_loaded_once_a_revision(bench: Bench) -> None:
    """The hot path asks the database for no policy that has not changed."""
    bench.policies.set("p_cpu", GOOD, OWNER)
    revision = bench.db.revisions.policies
    bench.policies.active_text("p_cpu", revision)
    reads = bench.store.reads
    for _ in range(5):
        bench.policies.active_text("p_cpu", revision)
    assert bench.store.reads == reads


def test_defaults_are_installed_where_they_are_missing(bench: Bench) -> None:
    """Once, and never over a policy of the operator's."""
    bench.policies.set("default_cpu", GOOD, OWNER)
    for _ in range(2):
        bench.policies.prepare()
    assert bench.policies.ids() == sorted(DEFAULT_POLICY_IDS)
    assert bench.policies.get("default_cpu").text == GOOD
    assert len(bench.db.policies) == len(DEFAULT_POLICY_IDS)


def test_an_outage_is_told(bench: Bench) -> None:
    """No stale policy decides."""
    bench.db.down = True
    with pytest.raises(StoreUnavailableError):
        bench.policies.set("p_cpu", GOOD, OWNER)


def test_an_edit_of_an_old_version_replaces_nothing(bench: Bench) -> None:
    """Who was slower is told; a new policy is based on no version."""
    bench.policies.set("mine", GOOD, OWNER, based_on=0)
    with pytest.raises(ConflictError):
        bench.policies.set("mine", GOOD + "# mine", OWNER, based_on=0)
    assert [each.version for each in bench.policies.versions("mine")] == [1]
