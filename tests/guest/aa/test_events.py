"""Events of the runtime event log, byte for byte."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import VECTORS

from app.attestation.formats.event_claims import event_claims
from app.attestation.formats.event_log import parse_event_log
from guest.aa.events import Event
from guest.devices.ccel import records, replay
from guest.devices.event_log import HEADER
from guest.errors import MalformedEventError

# guest.md 2.6: from upstream's own tests.
DATA = "4c45414118000000646f6d61696e206f7065726174696f6e20636f6e74656e74"
DIGESTS = {
    "sha256": "46df8dacf00a07d34a83cdf56d7978697790787cf2ba1432ef7c38f22cd96351",
    "sha384": "dad5f0e226318ffa9839b75a472c6aa7fdb5834949d0a0a22990cf04d5692440"
    "fb00f3aa0609db7e49cd8d793f670d02",
}
EVENT = Event("domain", "operation", "content")


@pytest.mark.parametrize(
    ("domain", "operation", "content"),
    [
        ("", "o", "c"),
        ("d", "", "c"),
        ("d", "o", ""),
        ("d e", "o", "c"),
        ("d", "o p", "c"),
        ("d\t", "o", "c"),
        ("d", "o\u00a0p", "c"),
        ("d", "o", "c\nd o c"),
        ("d", "o", "c\rd"),
        ("d", "o", "\x00"),
        ("d", "o", "\u2028"),
        ("d", "o", "\ud800"),
        ("d", "o", "x" * 65_536),
    ],
)
def test_refuses_what_would_read_back_as_another_event(
    domain: str, operation: str, content: str
) -> None:
    """Parts are parted by spaces and events by line ends, so neither stands in a part."""
    with pytest.raises(MalformedEventError):
        Event(domain, operation, content)


def test_makes_the_bytes_of_the_field() -> None:
    """The vector of upstream's tests."""
    assert EVENT.data.hex() == DATA
    for algorithm, digest in DIGESTS.items():
        assert EVENT.digest(algorithm).hex() == digest


def test_an_entry_is_of_the_tcg() -> None:
    """Index, type, one digest, the data."""
    entry = EVENT.entry(4, "sha384")
    expected = "0400000006000000010000000c00" + DIGESTS["sha384"] + "20000000" + DATA
    assert entry.hex() == expected


@given(
    st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=40),
    st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=40),
    st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=80),
)
def test_the_server_reads_back_what_was_logged(domain: str, operation: str, content: str) -> None:
    """Whatever an event may hold: the same three parts, and a digest that fits."""
    try:
        event = Event(domain, operation, content)
    except MalformedEventError:
        return
    log = HEADER + event.entry(4, "sha384") + b"\xff" * 8
    (claims,) = event_claims(parse_event_log(log))
    assert claims["digest_matches_event"]
    data = claims["details"]["data"]
    assert (data["domain"], data["operation"]) == (domain, operation)


def test_reads_events_that_stock_guests_logged() -> None:
    """A captured log: each of its tagged events is the one that we would have written."""
    area = (VECTORS / "eventlog" / "CCEL_AAEL_alibabacloud").read_bytes()
    tagged = [
        event
        for event in parse_event_log(area)
        if event.event_type == 6 and event.data.startswith(b"LEAA")
    ]
    assert len(tagged) > 0
    for event in tagged:
        parts = event.data[8:].decode().split(" ", 2)
        ((algorithm, digest),) = event.digests
        name = {"SHA-384": "sha384", "SHA-256": "sha256"}[algorithm.name]
        ours = Event(*parts)
        assert ours.data == event.data
        assert ours.digest(name) == digest
        assert ours.entry(event.index, name) in area


def test_replays_as_the_server_does() -> None:
    """A captured log of firmware; an index without events stays zero."""
    from app.attestation.formats import event_log as server

    area = (VECTORS / "eventlog" / "CCEL_data_grub_gke").read_bytes()
    events = server.parse_event_log(area)
    assert len(list(records(area))) == len(events)
    for index in range(6):
        assert replay(area, index, "sha384") == server.replay(events, index, server.SHA384)


def test_the_header_is_that_of_stock_guests() -> None:
    """Genuine CSV evidence of a machine without firmware log carries it, alone."""
    import base64
    import json

    evidence = json.loads((VECTORS / "csv" / "csv_evidence.json").read_text())
    assert base64.b64decode(evidence["cc_eventlog"]) == HEADER + b"\xff" * 8
    assert len(HEADER) == 69
    assert hashlib.sha256(HEADER).hexdigest()
