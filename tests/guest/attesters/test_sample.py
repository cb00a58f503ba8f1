"""The sample TEE."""

from __future__ import annotations

from guest.attester import Devices
from guest.attesters.sample import ATTESTER


def test_repeats_its_input() -> None:
    """guest.md 3.1: base64 of the raw input, not padded."""
    evidence = ATTESTER.collect(b"\0\1\2", Devices())
    assert evidence == {"svn": "1", "report_data": "AAEC"}


def test_is_never_found_by_itself() -> None:
    """It has to be asked for."""
    assert ATTESTER.insecure
    assert ATTESTER.rank is None
    assert not ATTESTER.is_present(Devices())
