"""The guest's codec of messages, against every cut, any bytes, and Google's own."""

from __future__ import annotations

from contextlib import suppress

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from protos import message

from guest.rpc.protobuf import (
    MAX_FIELDS,
    MAX_MESSAGE_BYTES,
    Fields,
    MalformedMessageError,
    number_field,
    octets_field,
    optional_number_field,
    signed,
    text_field,
    texts_field,
)

numbers = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01",  # field 0
        b"\x0b",  # a group begins
        b"\x0c",  # a group ends
        b"\x0e\x01",  # wire type 6
        b"\x08",  # no number
        b"\x08\x80",  # a number without end
        b"\x08" + b"\xff" * 10 + b"\x01",  # more than ten bytes
        b"\x08" + b"\xff" * 9 + b"\x02",  # more than 64 bits
        b"\x0a\x05abcd",  # shorter than it says
        b"\x0a\xff\xff\xff\xff\x0f",  # 4 GiB of nothing
        b"\x09\x00\x00",  # eight bytes cut
        b"\x0d\x00",  # four bytes cut
        b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00",  # a number of a field that none can have
        b"\x08\x01" * (MAX_FIELDS + 1),
        bytes(MAX_MESSAGE_BYTES + 1),
    ],
)
def test_refuses_what_is_no_message(data: bytes) -> None:
    """With one type of error."""
    with pytest.raises(MalformedMessageError):
        Fields(data)


def test_refuses_fields_of_another_kind() -> None:
    """Stricter than the rules, by which they would be taken for unknown ones."""
    fields = Fields(number_field(1, 7) + text_field(2, "x") + octets_field(3, b"\xff"))
    for read in (fields.octets, fields.text, fields.texts):
        with pytest.raises(MalformedMessageError):
            read(1)
    with pytest.raises(MalformedMessageError):
        fields.number(2)
    with pytest.raises(MalformedMessageError, match="UTF-8"):
        fields.text(3)


def test_every_cut_is_a_message_or_is_refused() -> None:
    """At no length does it hang, crash, or read behind the end."""
    whole = text_field(1, "d" * 200) + texts_field(2, ["a", ""]) + number_field(4, 2**40)
    for length in range(len(whole)):
        with suppress(MalformedMessageError):
            Fields(whole[:length])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """What Google's reader refuses is refused; what is read here, it reads alike."""
    theirs = message("attestation_agent.ExtendRuntimeMeasurementRequest")()
    try:
        fields = Fields(data)
        ours = fields.text(1), fields.text(2), fields.text(3), fields.number(4)
    except MalformedMessageError:
        return
    try:
        theirs.ParseFromString(data)
    except DecodeError:
        pytest.fail("it was read here")
    index = theirs.RegisterIndex if theirs.HasField("RegisterIndex") else None
    assert ours == (theirs.Domain, theirs.Operation, theirs.Content, index)


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text(), st.text(), st.none() | numbers)
def test_writes_and_reads_as_google_does(
    domain: str, operation: str, content: str, index: int | None
) -> None:
    """Byte for byte, a register 0 and no register told apart."""
    theirs = message("attestation_agent.ExtendRuntimeMeasurementRequest")(
        Domain=domain, Operation=operation, Content=content
    )
    if index is not None:
        theirs.RegisterIndex = index
    ours = text_field(1, domain) + text_field(2, operation) + text_field(3, content)
    ours += optional_number_field(4, index)
    assert ours == theirs.SerializeToString()
    fields = Fields(ours)
    assert [fields.text(1), fields.text(2), fields.text(3)] == [domain, operation, content]
    assert fields.number(4) == index


@given(st.lists(st.text()))
def test_repeated_fields_keep_their_order(tees: list[str]) -> None:
    """Empty texts too."""
    ours = texts_field(1, tees)
    theirs = message("attestation_agent.GetAdditionalTeesResponse")(additional_tees=tees)
    assert ours == theirs.SerializeToString()
    assert Fields(ours).texts(1) == tees


@given(st.integers(-(2**63), 2**63 - 1))
def test_negative_numbers_come_back(value: int) -> None:
    """As an ``int64``, in ten bytes."""
    ours = number_field(4, value)
    assert ours == message("ttrpc.Request")(timeout_nano=value).SerializeToString()
    assert signed(Fields(ours).number(4) or 0) == value


def test_the_last_of_a_repeated_field_counts() -> None:
    """And fields that nobody asks for are passed over."""
    fields = Fields(
        text_field(1, "a") + text_field(9, "x") + b"\x51" + bytes(8) + text_field(1, "b")
    )
    assert fields.text(1) == "b"
    assert (fields.text(7), fields.number(8)) == ("", None)
