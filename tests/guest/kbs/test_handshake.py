"""The handshake without I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from guest.errors import ProtocolError
from guest.kbs.handshake import NEXT, Event, Handshake, State
from guest.kbs.tee_keys import TEEKeyPair
from guest.wire.messages import TEEEvidence, parse_attestation, parse_request

PAIR = TEEKeyPair.generate()
CHALLENGE = {"nonce": "bm9uY2U=", "extra-params": ""}

STEPS: dict[Event, Callable[[Handshake], Any]] = {
    Event.REQUEST_SENT: lambda run: run.request(),
    Event.CHALLENGE_RECEIVED: lambda run: run.receive_challenge(CHALLENGE),
    Event.ATTESTATION_SENT: lambda run: run.attestation(TEEEvidence({})),
    Event.TOKEN_RECEIVED: lambda run: run.receive_token({"token": "t"}),
}
ORDER = list(STEPS)


def handshake(state: State = State.START, tee: str = "snp") -> Handshake:
    """A run that has come to this state."""
    run = Handshake(tee, PAIR, 'version = "1"')
    for event in ORDER:
        if run.state is state:
            break
        STEPS[event](run)
    return run


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_only_the_table_is_legal(state: State, event: Event) -> None:
    """Every other pair of state and event is a fault of the caller and changes nothing."""
    run = handshake(state)
    if (state, event) in NEXT:
        STEPS[event](run)
        assert run.state is NEXT[state, event]
    else:
        with pytest.raises(AssertionError):
            STEPS[event](run)
        assert run.state is state


@pytest.mark.parametrize("state", [State.START, State.CHALLENGE, State.TOKEN, State.DONE])
def test_evidence_follows_a_challenge(state: State) -> None:
    """There is none before, and none after."""
    with pytest.raises(AssertionError):
        handshake(state).evidence(lambda *_: TEEEvidence({}))


@pytest.mark.parametrize(
    "challenge",
    [
        None,
        [],
        {},
        {"nonce": 1},
        {"nonce": "n", "extra-params": {"selected-hash-algorithm": 1}},
        {"nonce": "n", "extra-params": {"selected-hash-algorithm": "md5"}},
    ],
)
def test_refuses_other_challenges(challenge: Any) -> None:
    """What is malformed, or selects what was not offered."""
    run = handshake(State.CHALLENGE)
    with pytest.raises(ProtocolError):
        run.receive_challenge(challenge)
    assert run.state is State.CHALLENGE


@pytest.mark.parametrize("answer", [None, [], {}, {"token": 1}, {"token": ""}, "token"])
def test_refuses_other_answers(answer: Any) -> None:
    """A token is text."""
    run = handshake(State.TOKEN)
    with pytest.raises(ProtocolError):
        run.receive_token(answer)


def test_speaks_the_protocol() -> None:
    """The bodies are those of guest.md 4.2, and the server's parsers read them."""
    run = Handshake("snp", PAIR, 'version = "1"')
    request = run.request()
    assert request["version"] == "0.4.0"
    assert parse_request(request).tee == "snp"
    offer = request["extra-params"]["supported-hash-algorithms"]
    assert offer == ["sha256", "sha384", "sha512", "sm3"]
    run.receive_challenge(CHALLENGE)
    evidence = TEEEvidence({"svn": "1"}, "")
    attestation = run.attestation(evidence)
    assert attestation["init-data"] == {"format": "toml", "body": 'version = "1"'}
    parsed = parse_attestation(attestation)
    assert (parsed.nonce, parsed.tee_pubkey, parsed.evidence) == ("bm9uY2U=", PAIR.public, evidence)
    assert run.receive_token({"token": "a.b.c"}) == "a.b.c"


@pytest.mark.parametrize(
    ("tee", "extra_params", "algorithm"),
    [
        ("snp", "", "sha384"),
        ("snp", {}, "sha384"),
        ("snp", {"selected-hash-algorithm": "SHA256"}, "sha256"),
        ("se", "", "sha512"),
        ("tdx", {"selected-hash-algorithm": "sha512"}, "sha512"),
    ],
)
def test_evidence_is_bound_to_nonce_and_key(tee: str, extra_params: Any, algorithm: str) -> None:
    """With the selected algorithm, in any case, or the TEE's own."""
    run = handshake(State.CHALLENGE, tee)
    run.receive_challenge({"nonce": "n", "extra-params": extra_params})
    seen: list[Any] = []
    made = TEEEvidence({"svn": "1"}, "{}")
    assert run.evidence(lambda *bound: seen.append(bound) or made) is made
    assert seen == [("n", PAIR.public.as_json(), algorithm)]
