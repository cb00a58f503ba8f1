"""Messages of the handshake."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.wire.errors import WireError
from guest.wire.messages import (
    TEES,
    Challenge,
    Request,
    TEEEvidence,
    parse_attestation,
    parse_challenge,
    parse_request,
)

KEY = {
    "kty": "EC",
    "crv": "P-256",
    "alg": "ECDH-ES+A256KW",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
REQUEST = {
    "version": "0.4.0",
    "tee": "tdx",
    "extra-params": {"supported-hash-algorithms": ["sha256", "sha384", "sha512", "sm3"]},
}
ATTESTATION = {
    "init-data": {"format": "toml", "body": "x"},
    "runtime-data": {"nonce": "bm9uY2U=", "tee-pubkey": KEY},
    "tee-evidence": {"primary_evidence": {"svn": "1"}, "additional_evidence": ""},
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def without(value: dict[str, Any], *path: str) -> Any:
    """The message without one member."""
    changed = copy.deepcopy(value)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return changed


def altered(value: dict[str, Any], new: Any, *path: str) -> Any:
    """The message with one member replaced."""
    changed = copy.deepcopy(value)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = new
    return changed


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        without(REQUEST, "version"),
        without(REQUEST, "tee"),
        altered(REQUEST, 4, "version"),
        altered(REQUEST, "four", "version"),
        altered(REQUEST, "0.4", "version"),
        altered(REQUEST, "0.4.0" + "0" * 100, "version"),
        altered(REQUEST, None, "tee"),
        altered(REQUEST, "", "tee"),
        altered(REQUEST, "TDX", "tee"),
        altered(REQUEST, "../tdx", "tee"),
        altered(REQUEST, "t" * 40, "tee"),
        altered(REQUEST, ["tdx"], "tee"),
    ],
)
def test_refuses_other_requests(value: Any) -> None:
    """What has another shape is no request."""
    with pytest.raises(WireError):
        parse_request(value)


@pytest.mark.parametrize(
    "value", [None, [], {}, {"nonce": 1}, {"nonce": None}, {"nonce": "x" * 100_000}]
)
def test_refuses_other_challenges(value: Any) -> None:
    """A challenge has a nonce of bounded length."""
    with pytest.raises(WireError):
        parse_challenge(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        without(ATTESTATION, "runtime-data"),
        without(ATTESTATION, "runtime-data", "nonce"),
        without(ATTESTATION, "runtime-data", "tee-pubkey"),
        without(ATTESTATION, "tee-evidence"),
        without(ATTESTATION, "tee-evidence", "primary_evidence"),
        without(ATTESTATION, "tee-evidence", "additional_evidence"),
        without(ATTESTATION, "init-data", "format"),
        without(ATTESTATION, "init-data", "body"),
        altered(ATTESTATION, "json", "init-data", "format"),
        altered(ATTESTATION, "TOML", "init-data", "format"),
        altered(ATTESTATION, 1, "init-data", "body"),
        altered(ATTESTATION, "x" * (256 * 1024 + 1), "init-data", "body"),
        altered(ATTESTATION, "text", "init-data"),
        altered(ATTESTATION, [], "runtime-data"),
        altered(ATTESTATION, 7, "runtime-data", "nonce"),
        altered(ATTESTATION, {"kty": "EC"}, "runtime-data", "tee-pubkey"),
        altered(ATTESTATION, {}, "tee-evidence", "additional_evidence"),
        altered(ATTESTATION, None, "tee-evidence", "additional_evidence"),
        altered(ATTESTATION, "text", "tee-evidence"),
    ],
)
def test_refuses_other_attestations(value: Any) -> None:
    """What has another shape is no attestation."""
    with pytest.raises(WireError):
        parse_attestation(value)


@pytest.mark.parametrize("text", ["[]", "{", '{"TDX":1}', '{"a":1,"a":2}', "null"])
def test_refuses_other_device_evidence(text: str) -> None:
    """The text is a JSON object from TEE names to evidence."""
    with pytest.raises(WireError):
        TEEEvidence({}, text).devices()


def test_refuses_too_many_devices() -> None:
    """Each kind of device costs a verification."""
    text = "{" + ",".join(f'"t{index}":1' for index in range(17)) + "}"
    with pytest.raises(WireError):
        TEEEvidence({}, text).devices()


def test_requests_round_trip() -> None:
    """What is sent is what is read."""
    request = parse_request(REQUEST)
    assert request.as_json() == REQUEST
    assert parse_request({**REQUEST, "unknown": 1}) == request
    assert parse_request(without(REQUEST, "extra-params")).extra_params is None
    assert Request("0.4.0", "snp").as_json()["extra-params"] == ""


def test_challenges_round_trip() -> None:
    """``extra-params`` may be missing."""
    challenge = Challenge("bm9uY2U=", {"selected-hash-algorithm": "sha512"})
    assert parse_challenge(challenge.as_json()) == challenge
    assert parse_challenge({"nonce": "n", "expires_at": "later"}) == Challenge("n", "")


def test_attestations_round_trip() -> None:
    """With init data and without; a null is the same as nothing."""
    assert parse_attestation(ATTESTATION).as_json() == ATTESTATION
    bare = parse_attestation(without(ATTESTATION, "init-data"))
    assert bare.init_data_toml is None
    assert bare.as_json() == altered(ATTESTATION, None, "init-data")
    assert parse_attestation(bare.as_json()) == bare


def test_devices_keep_their_order() -> None:
    """No device is the empty text."""
    evidence = TEEEvidence({}, '{"sampledevice":{"svn":"2"},"nvidia":[1]}')
    assert list(evidence.devices().items()) == [("sampledevice", {"svn": "2"}), ("nvidia", [1])]
    assert TEEEvidence({}).devices() == {}


def test_every_name_of_the_protocol_is_taken() -> None:
    """wire.md 2.3; a name beyond it is well-formed too."""
    for tee in [*TEES, "tee-of-tomorrow"]:
        assert parse_request({**REQUEST, "tee": tee}).tee == tee


@settings(max_examples=200, deadline=None)
@given(
    path=st.sampled_from(
        [
            ("init-data",),
            ("init-data", "format"),
            ("runtime-data",),
            ("runtime-data", "nonce"),
            ("runtime-data", "tee-pubkey"),
            ("runtime-data", "tee-pubkey", "x"),
            ("tee-evidence",),
            ("tee-evidence", "additional_evidence"),
        ]
    ),
    new=ANY_JSON,
)
def test_any_member_parses_or_is_a_wire_error(path: tuple[str, ...], new: Any) -> None:
    """Nothing that a stranger puts into a member raises anything else."""
    with contextlib.suppress(WireError):
        parse_attestation(altered(ATTESTATION, new, *path)).evidence.devices()


@settings(max_examples=100, deadline=None)
@given(ANY_JSON)
def test_any_json_is_a_request_or_a_wire_error(value: Any) -> None:
    """Nothing else is ever raised."""
    for parse in (parse_request, parse_challenge, parse_attestation):
        _parse_or_refuse(parse, value)


def _parse_or_refuse(parse: Callable[[Any], Any], value: Any) -> None:
    with contextlib.suppress(WireError):
        parse(value)
