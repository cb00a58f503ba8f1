"""The key provider protocol in the guest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.cdh.unwrap_key import unwrap_key
from guest.cdh.wrap_key import wrap
from guest.errors import GuestError, MalformedPacketError
from guest.wire.encoding import b64_encode

KID = "kbs:///img/kek/7"
KEK = bytes(range(32))


def request(annotation: Any, **members: Any) -> bytes:
    """What ocicrypt asks; ``...`` takes a member away."""
    whole = {
        "op": "keyunwrap",
        "keywrapparams": {"ec": None, "optsdata": None},
        "keyunwrapparams": {
            "dc": {"Parameters": {"attestation-agent": ["YWE6"]}},
            "annotation": annotation,
        },
        **members,
    }
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"null",
        b"{}",
        b"x" * (4 * 1024 * 1024 + 1),
        request(None),
        request("!"),
        request([1]),
        request(b64_encode(b"{}")),
        request("", op="keywrap"),
        request("", op=...),
        request("", op=["keyunwrap"]),
        request("", keywrapparams=...),
        request("", keyunwrapparams=...),
        request("", keyunwrapparams=None),
        request("", keyunwrapparams=[]),
    ],
)
def test_refuses_other_requests(resources: Any, asked: bytes) -> None:
    """Nothing is fetched for them."""
    with pytest.raises(MalformedPacketError):
        unwrap_key(asked, resources)
    assert resources.asked == []


@pytest.mark.parametrize("wrap_type", ["A256GCM", "A256CTR"])
@pytest.mark.parametrize("members", [{}, {"keywrapparams": None}])
def test_answers_as_upstream(resources: Any, wrap_type: str, members: dict[str, Any]) -> None:
    """The payload is a list of integers, in these bytes."""
    resources.held[KID] = KEK
    packet = wrap(b"\x00\xff!", KID, KEK, wrap_type).first_version()
    answer = unwrap_key(request(b64_encode(packet), **members), resources)
    assert answer == b'{"keyunwrapresults":{"optsdata":[0,255,33]}}'
    assert resources.asked == [KID]


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=6,
    )
)
def test_any_annotation_ends_in_a_typed_error(value: Any) -> None:
    """Also one that is well-formed JSON of another shape."""
    for annotation in (value, b64_encode(json.dumps(value).encode())):
        with pytest.raises(GuestError):
            unwrap_key(request(annotation), lambda _: KEK)
