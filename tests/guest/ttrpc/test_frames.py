"""Frames and the messages in them, against Google's own and every cut."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protos import message

from guest.rpc.protobuf import MalformedMessageError
from guest.ttrpc.frames import (
    HEADER,
    MAX_PAYLOAD_BYTES,
    REQUEST,
    Frame,
    OversizedFrameError,
    Request,
    Response,
)


def reader(data: bytes) -> io.BytesIO:
    """Bytes to read."""
    return io.BytesIO(data)


def exactly(file: io.BytesIO, count: int) -> bytes:
    """So many bytes, or the end."""
    data = file.read(count)
    if len(data) < count:
        raise EOFError
    return data


def test_refuses_a_frame_that_is_too_large_before_it_is_read() -> None:
    """And says whose it is."""
    file = reader(HEADER.pack(MAX_PAYLOAD_BYTES + 1, 7, REQUEST, 0) + b"x" * 10)
    with pytest.raises(OversizedFrameError) as caught:
        Frame.read(lambda count: exactly(file, count))
    assert caught.value.stream == 7
    assert file.read() == b"x" * 10


def test_a_cut_frame_is_none_at_any_length() -> None:
    """Not even without the last byte."""
    whole = Frame(1, REQUEST, Request("s", "m", b"payload").encoded()).encoded()
    for length in range(len(whole)):
        file = reader(whole[:length])
        with pytest.raises(EOFError):
            Frame.read(lambda count, file=file: exactly(file, count))  # type: ignore[misc]


def test_the_layout_of_the_header() -> None:
    """Length, stream, type, flags: ten bytes, big-endian."""
    assert Frame(3, REQUEST, b"ab").encoded() == bytes.fromhex("00000002 00000003 01 00") + b"ab"


@given(st.text(), st.text(), st.binary(), st.integers(0, 2**63 - 1))
def test_requests_are_googles(service: str, method: str, payload: bytes, timeout: int) -> None:
    """Both ways."""
    ours = Request(service, method, payload, timeout)
    theirs = message("ttrpc.Request")(
        service=service, method=method, payload=payload, timeout_nano=timeout
    )
    assert ours.encoded() == theirs.SerializeToString()
    assert Request.parse(ours.encoded()) == ours


@given(st.binary(), st.integers(-(2**31), 2**31 - 1), st.text())
def test_responses_are_googles(payload: bytes, code: int, words: str) -> None:
    """Both ways, as far as meaning goes: an empty status is left out here."""
    ours = Response(payload, code, words)
    theirs = message("ttrpc.Response").FromString(ours.encoded())
    assert (theirs.payload, theirs.status.code, theirs.status.message) == (payload, code, words)
    theirs.status.SetInParent()
    assert Response.parse(theirs.SerializeToString()) == ours


@given(st.binary(max_size=48))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    """With one type of error."""
    for parse in (Request.parse, Response.parse):
        try:
            parse(data)
        except MalformedMessageError:
            continue
