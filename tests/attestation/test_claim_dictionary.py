"""The dictionary knows every claim, says something about it, and agrees with the policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path as FilePath

import pytest
from paths import VECTORS

from app.attestation import verifiers
from app.attestation.appraisal import TRUST_RULE
from app.attestation.claim_dictionary import (
    TOP_CLAIMS,
    Direction,
    dictionary,
    find_claim,
    undescribed,
)
from app.attestation.policies import DEFAULT_POLICY_IDS, default_policy
from app.trust.policy_conditions import Path, Reference
from app.trust.policy_engine import PolicyText
from app.trust.regorus_engine import RegorusEngine

TEES = verifiers._built_in()
GOLDEN = sorted(VECTORS.glob("*/*.claims.json"))


def conditions() -> Iterator[tuple[Path, str | None]]:
    """Every claim that a default policy reads, with the reference value it is compared with."""
    engine = RegorusEngine()
    for policy_id in DEFAULT_POLICY_IDS:
        policy = PolicyText.of(policy_id, default_policy(policy_id))
        for condition in engine.conditions(policy, TRUST_RULE):
            names = {
                side.name
                for each in condition.comparisons
                for side in (each.left, each.right)
                if isinstance(side, Reference)
            }
            yield from product(condition.reads, names or {None})


def below_tee(path: Path) -> tuple[str, str]:
    """The TEE that a path of the input is about, and the rest of it."""
    return str(path.steps[0]), str(Path("", path.steps[1:])).removeprefix(".")


def test_every_verifier_has_a_dictionary() -> None:
    """A TEE whose claims nobody explains is half a TEE."""
    assert [tee for tee in TEES if not dictionary(tee)] == []


@pytest.mark.parametrize("tee", TEES)
def test_entries_say_something(tee: str) -> None:
    """A type, a meaning in sentences, a source with a place in it; no path twice."""
    claims = dictionary(tee)
    paths = [claim.path for claim in claims]
    assert sorted(paths) == sorted(set(paths))
    for claim in claims:
        assert claim.type, claim.path
        assert claim.meaning.endswith("."), claim.path
        assert "," in claim.source or ":" in claim.source, claim.path
        assert bool(claim.good) == (claim.direction is Direction.FIXED), claim.path


def test_what_is_not_there_is_found_out() -> None:
    """The check that the verifiers' tests rely on does refuse."""
    claims = {"measurement": "00", "policy": {"debug": True}, "logs": [{"a": 1}, {"a": 2}]}
    assert undescribed("snp", claims) == ["policy.debug", "logs[*].a"]
    assert undescribed("no-such-tee", {"a": 1}) == ["a"]


def test_members_of_an_open_claim_are_described_by_it() -> None:
    """What the guest's own agent logs has no form of its own."""
    inner = "uefi_event_logs[*].details.data.content.anything[*].x"
    found = find_claim("tdx", inner)
    assert found is not None
    assert found.path.endswith("data.content")
    assert find_claim("tdx", "td_attributes.debug.more") is None


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_claims_of_genuine_evidence_are_described(path: FilePath) -> None:
    """What Trustee found in the evidence of real machines."""
    assert undescribed(path.parent.name, json.loads(path.read_text())) == []


def test_default_policies_read_nothing_else() -> None:
    """Each claim that a default policy looks at is one that a verifier emits."""
    read = {path for path, _ in conditions() if path.steps[0] not in TOP_CLAIMS}
    unknown = {
        str(path) for path in read if len(path.steps) > 1 and find_claim(*below_tee(path)) is None
    }
    assert len(read) > 60
    assert unknown == set()


def test_reference_values_are_those_of_the_default_policies() -> None:
    """The names beside a claim are the ones that a default policy compares it with."""
    compared: dict[tuple[str, str], set[str]] = {}
    for path, name in conditions():
        if name is not None and not str(path).endswith(".type_name"):
            compared.setdefault(below_tee(path), set()).add(name)
    told = {
        (tee, claim.path): set(claim.reference_values)
        for tee in TEES
        for claim in dictionary(tee)
        if claim.reference_values
    }
    assert told == compared
