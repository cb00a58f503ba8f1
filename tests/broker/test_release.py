"""Releases: decided before anything is looked up, and written down whatever comes out."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from broker.world import DENIED, LIFETIME, PATH, SECRET, World, policy, submods
from fakes import NOON
from minting import Mint, tee_key

from app.trust.decisions import DecisionKind, Outcome
from app.trust.errors import (
    DomainError,
    MalformedResourceError,
    MissingTokenError,
    PolicyDeniedError,
    PolicyFailedError,
    ResourceNotFoundError,
    SealingError,
    StoreUnavailableError,
)
from app.trust.sealing import KeyEncryptionKey, Sealer
from guest.wire.encoding import b64_encode
from guest.wire.jwe import open_sealed


def test_releases_to_whom_the_policy_allows(world: World) -> None:
    """Only the TEE can open the answer."""
    released = world.get(bearer=world.token())
    assert open_sealed(released.body, world.guest_key) == SECRET


def test_refuses_without_a_token(world: World) -> None:
    """A first request without anything is told to attest."""
    with pytest.raises(MissingTokenError):
        world.get()


@pytest.mark.parametrize("kind", ["garbage", "challenged", "expired"])
def test_a_cookie_that_is_no_attested_session_counts_for_nothing(world: World, kind: str) -> None:
    """Without a bearer token it is as if none had come; with one, the token decides."""
    cookie = "0" * 32 if kind == "garbage" else world.attested()
    if kind == "challenged":
        cookie, _ = world.begin()
    if kind == "expired":
        world.clock.forward(seconds=LIFETIME.total_seconds())
    with pytest.raises(MissingTokenError):
        world.get(cookie=cookie)
    later = int((world.clock.now() + timedelta(minutes=1)).timestamp())
    assert world.get(cookie=cookie, bearer=world.token(exp=later)).decision_id


def test_the_session_comes_before_the_bearer_token(world: World) -> None:
    """wire.md 1.4: the cookie of an attested session has precedence."""
    released = world.get(cookie=world.attested(), bearer="garbage")
    assert open_sealed(released.body, world.guest_key) == SECRET


def test_any_replica_serves_any_session(world: World) -> None:
    """State lives in the database."""
    cookie = world.attested()
    world.broker = world.new_replica()
    assert world.get(cookie=cookie).decision_id


def test_a_session_does_not_outlive_its_token(world: World) -> None:
    """The token of a session is verified like any other."""
    cookie = world.attested()
    world.db.sessions = {
        digest: replace(session, expires_at=session.expires_at + timedelta(days=1))
        for digest, session in world.db.sessions.items()
    }
    world.mint = Mint()
    world.broker = world.new_replica()
    with pytest.raises(DomainError) as caught:
        world.get(cookie=cookie)
    assert caught.value.code == "token-key-unknown"


def test_refuses_whom_the_policy_denies(world: World) -> None:
    """The refusal is recorded and names its record."""
    with pytest.raises(PolicyDeniedError) as caught:
        world.get(bearer=world.token(**DENIED))
    record = world.db.decisions[-1]
    assert caught.value.decision_id == record.decision_id
    assert (record.outcome, record.reason) == (Outcome.DENIED, "policy-denied")


def test_a_refused_guest_cannot_probe_names(world: World) -> None:
    """Decide before looking up: existing and missing secrets look the same, and none is read."""
    answers = []
    for name in ("secret", "missing"):
        with pytest.raises(PolicyDeniedError) as caught:
            world.get(bearer=world.token(**DENIED), segments=["default", "demo", name])
        answers.append((caught.value.code, caught.value.message))
    assert answers[0] == answers[1]
    assert world.secrets.reads == 1  # of the write in the fixture


def test_says_that_a_secret_is_missing_only_to_whom_it_could_be_given(world: World) -> None:
    """A missing secret is 404, after the policy's yes, and recorded."""
    with pytest.raises(ResourceNotFoundError) as caught:
        world.get(bearer=world.token(), segments=["default", "demo", "missing"])
    record = world.db.decisions[-1]
    assert caught.value.decision_id == record.decision_id
    assert (record.outcome, record.reason) == (Outcome.DENIED, "resource-not-found")


def test_without_a_policy_nothing_is_released() -> None:
    """An empty server fails closed."""
    world = World()
    world.store()
    with pytest.raises(PolicyDeniedError, match="no resource policy"):
        world.get(bearer=world.token())
    assert world.db.decisions[-1].policy_digest is None


@pytest.mark.parametrize(
    "body",
    [
        "default allow := false",
        "allow if false",
        'allow := "true"',
        "allow := 1",
        "allow := {}",
        "allow := null",
        'allow if data.plugin == "other"',
    ],
)
def test_only_true_allows(world: World, body: str) -> None:
    """Undefined, and every value but true, is a no."""
    policy(world, body)
    with pytest.raises(PolicyDeniedError):
        world.get(bearer=world.token())


def test_a_policy_that_fails_is_a_no(world: World) -> None:
    """An evaluation that cannot finish decides nothing, so nothing is released."""
    policy(world, "allow := true if input.iss\nallow := false if input.jti")
    with pytest.raises(PolicyFailedError) as caught:
        world.get(bearer=world.token())
    record = world.db.decisions[-1]
    assert caught.value.decision_id == record.decision_id
    assert (record.outcome, record.reason) == (Outcome.DENIED, "policy-failed")


def test_the_policy_sees_plugin_path_query_and_every_claim(world: World) -> None:
    """wire.md section 5: input and data exactly as Trustee's policies expect them."""
    policy(
        world,
        """allow if {
            data.plugin == "resource"
            data["resource-path"] == ["default", "demo", "secret"]
            data.query == {"k": "v", "empty": ""}
            input.iss == "https://as.example"
            input.submods.cpu0["ear.veraison.annotated-evidence"].sample.svn == "1"
        }""",
    )
    assert world.get(bearer=world.token(), query={"k": "v", "empty": ""}).decision_id
    with pytest.raises(PolicyDeniedError):
        world.get(bearer=world.token())


def test_a_new_policy_decides_the_next_request_everywhere(world: World) -> None:
    """No restart, and no statement as long as it stays the same."""
    replica = world.new_replica()
    world.get(bearer=world.token())
    loads = world.policy_store.reads
    world.get(bearer=world.token())
    assert world.policy_store.reads == loads
    policy(world, "allow if false")
    world.broker = replica
    with pytest.raises(PolicyDeniedError):
        world.get(bearer=world.token())


@pytest.mark.parametrize(
    "segments",
    [
        [],
        ["a"],
        ["a", "b"],
        ["a", "b", "c", "d"],
        ["a", "b", ""],
        ["..", "b", "c"],
        ["a", ".b", "c"],
        ["a", "b", "c/d"],
        ["a", "b", "c\x00"],
        ["a", "b", "c\n"],
        ["a", "b", "\u0661"],
        ["a", "b", "\uff43"],
        ["a", "b", "c d"],
        ["a", "b", "c%2f"],
        ["a", "b", "x" * 256],
    ],
    ids=repr,
)
def test_refuses_paths_that_name_nothing(world: World, segments: list[str]) -> None:
    """Malformed paths are refused before tokens are looked at, and leave no record."""
    with pytest.raises(MalformedResourceError):
        world.get(segments=segments)
    assert not world.db.decisions


@pytest.mark.parametrize("plugin", ["", "Resource", "nebula-ca", "x" * 10_000, "resource\x00"])
def test_refuses_unknown_plugins(world: World, plugin: str) -> None:
    """What is not enabled does not exist."""
    with pytest.raises(DomainError) as caught:
        world.get(plugin=plugin, bearer=world.token())
    assert caught.value.code == "plugin-not-found"
    assert len(caught.value.message) < 150


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        (submods(None), "token-tee-key-missing"),
        (submods({"kty": "EC"}), "malformed-tee-key"),
        (submods("text"), "malformed-tee-key"),
        (submods({**tee_key()[1].as_json(), "alg": "ECDH-ES"}), "tee-key-unsupported"),
        (
            submods({"kty": "AKP", "alg": "ML-KEM-768+A192KW", "pub": "A" * 1579}),
            "tee-key-unsupported",
        ),
    ],
    ids=["none", "incomplete", "text", "algorithm", "opt-in algorithm"],
)
def test_refuses_keys_that_nothing_can_be_sealed_to(
    world: World, claims: dict[str, Any], code: str
) -> None:
    """Each with its own reason code, and on record."""
    with pytest.raises(DomainError) as caught:
        world.get(bearer=world.token(**claims))
    assert caught.value.code == code
    assert world.db.decisions[-1].reason == code


def test_when_the_record_cannot_be_written_nothing_is_released(world: World) -> None:
    """The record comes first."""
    token = world.token()
    world.get(bearer=token)

    class Full:
        def add(self, record: object) -> None:
            raise StoreUnavailableError("the disk is full")

    releases = replace(world.broker.releases, decisions=Full())  # type: ignore[arg-type]
    world.broker = replace(world.broker, releases=releases)
    with pytest.raises(StoreUnavailableError):
        world.get(bearer=token)


def test_an_outage_is_no_decision(world: World) -> None:
    """When the store is down there is nothing to record, and it is not the guest's fault."""
    world.db.down = True
    with pytest.raises(StoreUnavailableError):
        world.get(bearer=world.token())
    world.db.down = False
    assert not world.db.decisions


def test_a_secret_under_a_lost_key_is_a_fault_on_record(world: World) -> None:
    """What does not open is not released, and the guest's token is not blamed."""
    other = Sealer([KeyEncryptionKey(b"x" * 32)])
    releases = replace(world.broker.releases, sealer=other)
    world.broker = replace(world.broker, releases=releases)
    with pytest.raises(SealingError):
        world.get(bearer=world.token())
    assert world.db.decisions[-1].reason == "sealing-failed"


def test_a_sealed_secret_does_not_open_at_another_path(world: World) -> None:
    """Whoever can write to the database cannot swap secrets."""
    world.store(b"harmless", ("default", "demo", "public"))
    (one, sealed), (two, other) = world.db.secrets
    world.db.secrets = [(one, other), (two, sealed)]
    with pytest.raises(SealingError):
        world.get(bearer=world.token(), segments=["default", "demo", "public"])


def test_costs_two_reads_and_one_write(world: World) -> None:
    """Revisions, the secret, and one insert; the cookie's session where there is one."""
    cookie, token = world.attested(), world.token()
    world.get(bearer=token)
    before = _costs(world)
    world.get(bearer=token)
    assert _difference(before, world) == {"revisions": 1, "secrets": 1, "sessions": 0, "writes": 1}
    before = _costs(world)
    world.get(cookie=cookie)
    assert _difference(before, world) == {"revisions": 1, "secrets": 1, "sessions": 1, "writes": 1}


def _costs(world: World) -> dict[str, int]:
    return {
        "revisions": world.revisions.reads,
        "secrets": world.secrets.reads,
        "sessions": world.sessions.reads,
        "writes": world.db.commits,
        "keys": world.keys.reads,
        "policies": world.policy_store.reads,
    }


def _difference(before: dict[str, int], world: World) -> dict[str, int]:
    after = _costs(world)
    assert (after.pop("keys"), after.pop("policies")) == (before["keys"], before["policies"])
    return {name: after[name] - before[name] for name in after}


def test_a_record_tells_the_decision_and_nothing_secret(world: World) -> None:
    """Who, what, by which policy; no secret, no token, no nonce."""
    token = world.token()
    released = world.get(bearer=token, query={"k": "v"})
    (record,) = world.db.decisions
    assert record.decision_id == released.decision_id
    assert (record.kind, record.outcome) == (DecisionKind.RELEASE, Outcome.ALLOWED)
    assert (record.reason, record.tee) == ("policy-allowed", "sample")
    assert record.subject == "resource/default/demo/secret"
    assert (record.issuer, record.token_id) == ("https://as.example", "token-1")
    assert record.inputs["data"]["resource-path"] == list(PATH)
    assert record.at == NOON
    text = json.dumps([record.inputs, record.result]) + repr(record)
    encoded = base64.b64encode(SECRET).decode()
    for canary in (SECRET.decode(), encoded, b64_encode(SECRET), token, "the nonce"):
        assert canary not in text


def test_the_record_names_the_tee_of_other_issuers_claims(world: World) -> None:
    """Claims that name a TEE at their top are understood (wire.md 4.4)."""
    policy(world, "allow if true")
    with pytest.raises(DomainError):
        world.get(bearer=world.token(tdx={"attester_runtime_data": {}}, submods={}))
    assert world.db.decisions[-1].tee == "tdx"
