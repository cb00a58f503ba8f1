"""Firmware layers in DICE certificates: read however firmware wraps them, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated.dpu import LAYERS, tcb_info, value

from app.attestation.formats.dice import firmware_layers


@pytest.mark.parametrize(
    "layer",
    [
        value(4, b"no sequence"),
        value(0x30, value(4, b"digest") + value(6, b"*")),
        value(0x30, value(6, b"*") + value(6, b"*")),
    ],
)
def test_layers_of_another_form_are_none(layer: bytes) -> None:
    """A digest without its algorithm is no layer, and no layer of it is counted."""
    known = value(0x30, value(6, b"*") + value(4, bytes(48)))
    info = value(0x30, value(0xA6, known + layer))
    assert firmware_layers(info).digests == ()


def test_other_fields_are_left_alone() -> None:
    """A TcbInfo names vendor and model too."""
    layer = value(0x30, value(6, b"*") + value(4, bytes(48)))
    info = value(0x30, value(0x80, b"vendor") + value(0xA6, layer) + value(0x87, b"flags"))
    assert firmware_layers(info).digests == (bytes(48),)


def test_layers_are_read_however_the_list_is_wrapped() -> None:
    """As TCG writes it, as BlueField does, and with lengths in a longer form than needed."""
    for wrapped in (True, False):
        assert firmware_layers(tcb_info(LAYERS, wrapped=wrapped)).digests == tuple(LAYERS)
    assert firmware_layers(tcb_info(LAYERS[:1])).digests == tuple(LAYERS[:1])


@pytest.mark.parametrize("length", range(len(tcb_info(LAYERS))))
def test_layers_that_do_not_parse_are_none(length: int) -> None:
    """At every length: the count says so to the policy."""
    assert firmware_layers(tcb_info(LAYERS)[:length]).digests == ()


@settings(max_examples=200)
@given(st.binary(max_size=64))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """A certificate is genuine whatever its extension holds."""
    assert firmware_layers(data).accumulated
    assert firmware_layers(b"\x30" + data).accumulated
    assert firmware_layers(b"\xa6" + data).accumulated
