"""The pinned root, serial numbers, and the way from a chip up to the root."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import VECTORS
from simulated.collateral import MemoryCollateral
from simulated.hygon import Key, Site

from app.attestation.formats.hygon_chain import (
    HRK_SHA256,
    HYGON_ROOTS,
    HygonChains,
    UnverifiedPair,
    parse_serial,
    roots_with,
)
from app.trust.errors import MalformedEvidenceError, UntrustedRootError

SITE = Site()
NOBODY = MemoryCollateral({})


@given(st.binary(max_size=70))
def test_a_serial_number_is_capitals_and_digits(data: bytes) -> None:
    """Whatever else it is, it is malformed."""
    try:
        serial = parse_serial(data)
    except MalformedEvidenceError:
        return
    assert serial.isalnum()
    assert serial.isascii()
    assert serial == serial.upper()
    assert 1 <= len(serial) <= 64


def test_zeros_behind_a_serial_number_are_no_part_of_it() -> None:
    """As Hygon's driver pads it; all 64 may be used."""
    assert parse_serial(b"KPA64911240507".ljust(64, b"\0")) == "KPA64911240507"
    assert parse_serial(b"A" * 64) == "A" * 64
    with pytest.raises(MalformedEvidenceError):
        parse_serial(b"A" * 65)


def test_the_pinned_root_is_hygons() -> None:
    """Its bytes are those that Hygon publishes, and it verifies itself."""
    (root,) = HYGON_ROOTS
    assert root.encoded == (VECTORS / "roots" / "hrk.cert").read_bytes()
    assert hashlib.sha256(root.encoded).hexdigest() == HRK_SHA256
    root.check_signed_by(root)


def test_a_remembered_chain_is_remembered_for_its_own_bytes() -> None:
    """Another HSK for the same CEK is looked at afresh."""
    chains = HygonChains(roots_with(HYGON_ROOTS, SITE.root(), "csv"))
    pair = UnverifiedPair(SITE.pair()[:832], SITE.pair()[832:])
    first = chains.endorsement_key(pair, "SIM0001", NOBODY)
    assert chains.endorsement_key(pair, "SIM0001", NOBODY) is first
    other = Site(Key("OTHER-HRK", 0)).pair()
    with pytest.raises(UntrustedRootError):
        chains.endorsement_key(UnverifiedPair(other[:832], pair.cek), "SIM0001", NOBODY)


def test_roots_are_added_to_those_that_are_there() -> None:
    """A file may hold several."""
    roots = roots_with(HYGON_ROOTS, SITE.root() + HYGON_ROOTS[0].encoded, "csv")
    assert [root.key.user_id for root in roots] == [
        b"HYGON-SSD-HRK",
        b"SIM-HRK",
        b"HYGON-SSD-HRK",
    ]
