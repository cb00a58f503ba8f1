"""The event log as bytes: genuine logs, their replay, and logs that were tampered with."""

from __future__ import annotations

import struct
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.dcap_site import flipped, refusal

from app.attestation.formats.event_claims import event_claims
from app.attestation.formats.event_log import (
    MAX_LOG_BYTES,
    SHA384,
    SM3,
    check_registers,
    parse_event_log,
    replay,
)
from app.attestation.formats.event_types import EVENT_TYPES
from app.lab.tdx import event_log, registers_of
from app.trust.errors import EventLogMismatchError, MalformedEvidenceError

LOGS = VECTORS / "eventlog"
OVMF = (LOGS / "CCEL_data_ovmf").read_bytes()

# First bytes of the registers that an independent implementation finds in these logs.
REGISTERS = {
    "CCEL_data": ("2dc71230", "0fa3be56", "00000000", "00000000"),
    "CCEL_data_ovmf": ("8566f998", "775b9f6b", "94eaf7a7", "00000000"),
    "CCEL_data_grub": ("cec0a104", "6c289e0c", "08919d01", "00000000"),
    "CCEL_data_gcp": ("33009807", "204d49f7", "00000000", "00000000"),
    # This one has EV_NO_ACTION events, which count.
    "CCEL_data_grub_gke": ("bc994513", "c17cb288", "334aeba2", "00000000"),
}

OPENING = event_log([])[:-8]
TERMINATOR = b"\xff" * 8


def record(
    kind: int = 5, digests: bytes | None = None, data: bytes = b"x", index: int = 1
) -> bytes:
    """A record, with one SHA-384 digest of zeros unless others are given, with their count."""
    digests = struct.pack("<IH", 1, 0x0C) + bytes(48) if digests is None else digests
    return struct.pack("<II", index, kind) + digests + struct.pack("<I", len(data)) + data


def opening(algorithms: bytes, kind: int = 3, tail: bytes = b"\x00") -> bytes:
    """The first record, with its table of algorithms."""
    spec = bytes(24) + algorithms + tail
    return struct.pack("<II", 0, kind) + bytes(20) + struct.pack("<I", len(spec)) + spec


MALFORMED = {
    "nothing": b"",
    "an unknown first type": opening(bytes(4), kind=99),
    "a first record that does not end": OPENING[:40],
    "an unknown algorithm in the table": opening(struct.pack("<IHH", 1, 0x99, 32)),
    "a wrong digest size": opening(struct.pack("<IHH", 1, 0x0C, 32)),
    "a table that does not end": opening(struct.pack("<I", 2**32 - 1)),
    "a Spec ID event that is too long": opening(bytes(4), tail=b"\x00\x00"),
    "vendor data that do not end": opening(bytes(4), tail=b"\xff"),
    "an unknown event type": OPENING + record(kind=99),
    "an unknown algorithm": OPENING + record(digests=struct.pack("<IH", 1, 0x99) + bytes(48)),
    "an algorithm that was not announced": OPENING
    + record(digests=struct.pack("<IH", 1, 0x0B) + bytes(32)),
    "more digests than there are": OPENING + record(digests=struct.pack("<I", 2**32 - 1)),
    "an event that does not end": OPENING + record()[:-5] + struct.pack("<I", 2**32 - 1),
    "a tail of seven bytes": OPENING + record() + b"\xff" * 7,
    "a log of 2 MiB and more": bytes(MAX_LOG_BYTES + 1),
    "a SHA-1 digest in a log without a table": opening(b"", kind=4) + record(),
}


@pytest.mark.parametrize("log", MALFORMED.values(), ids=MALFORMED)
def test_refuses_a_log_that_does_not_add_up(log: bytes) -> None:
    """Every malformed log ends in the same error, whatever sizes it claims."""
    with pytest.raises(MalformedEvidenceError):
        parse_event_log(log)


def test_refuses_sha1_when_it_would_be_believed() -> None:
    """A log that announces SHA-1 parses; what its digests say about events is not claimed."""
    table = opening(struct.pack("<IHH", 1, 0x04, 20))
    log = table + record(digests=struct.pack("<IH", 1, 0x04) + bytes(20)) + TERMINATOR
    with pytest.raises(MalformedEvidenceError, match="SHA-1"):
        event_claims(parse_event_log(log))


@pytest.mark.parametrize("end", [b"", TERMINATOR, bytes(8), bytes(100), TERMINATOR + b"rest"])
def test_a_log_ends_at_a_terminator_or_with_its_last_record(end: bytes) -> None:
    """Firmware fills the rest of the area with zeros or ones."""
    assert len(parse_event_log(OPENING + record() + record() + end)) == 2


@pytest.mark.parametrize("name", REGISTERS)
def test_replays_genuine_logs(name: str) -> None:
    """The registers are those that another implementation computes from the same bytes."""
    events = parse_event_log((LOGS / name).read_bytes())
    found = tuple(replay(events, index, SHA384).hex()[:8] for index in range(1, 5))
    assert found == REGISTERS[name]


def test_replays_sm3() -> None:
    """Hygon's logs have SM3 digests, and no SHA-384 ones."""
    events = parse_event_log((LOGS / "CCEL_data_csv").read_bytes())
    assert replay(events, 1, SHA384) == bytes(48)
    assert len(replay(events, 1, SM3)) == 32
    assert any(replay(events, index, SM3) != bytes(32) for index in range(1, 5))


def test_registers_must_all_agree() -> None:
    """One register that differs is enough, be it one that no event extends."""
    log = event_log([(1, 5, b"a"), (1, 6, b"bb" * 8), (2, 4, bytes(4)), (5, 4, b"ignored")])
    expected = dict(enumerate(registers_of(log), start=1))
    check_registers(parse_event_log(log), expected, SHA384)
    for index, value in expected.items():
        wrong = expected | {index: flipped(value, 47)}
        with pytest.raises(EventLogMismatchError):
            check_registers(parse_event_log(log), wrong, SHA384)


def test_truncation_at_every_length_is_noticed() -> None:
    """A log that was cut is malformed, but where a record ends, and there replay tells."""
    end = len(OVMF.rstrip(b"\x00\xff"))
    whole = parse_event_log(OVMF)
    outcomes: Counter[str] = Counter()
    for length in range(end):
        try:
            events = parse_event_log(OVMF[:length])
        except MalformedEvidenceError:
            outcomes["malformed"] += 1
            continue
        outcomes["a record's end"] += 1
        assert events == whole[: len(events)]
        assert len(events) < len(whole)
    assert outcomes["a record's end"] == len(whole)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_malformed_or_parses(noise: bytes) -> None:
    """Nothing but the one error leaves the parser and the readers of events."""
    for log in (noise, OPENING + noise, OPENING + record(data=noise)):
        code = refusal(lambda log=log: event_claims(parse_event_log(log)))
        assert code in {"accepted", "malformed-evidence"}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(EVENT_TYPES)), st.binary(max_size=120))
def test_no_event_data_escapes(kind: int, data: bytes) -> None:
    """Each type's reader copes with any bytes."""
    log = OPENING + record(kind=kind, data=data)
    code = refusal(lambda: event_claims(parse_event_log(log)))
    assert code in {"accepted", "malformed-evidence"}


@pytest.mark.parametrize("name", REGISTERS)
def test_a_flipped_bit_never_escapes(name: str) -> None:
    """A genuine log with one bit changed still parses, or is malformed, and nothing else."""
    log = (LOGS / name).read_bytes()
    end = len(log.rstrip(b"\x00\xff"))
    codes = {
        refusal(lambda at=at: event_claims(parse_event_log(flipped(log, at, at % 8))))
        for at in range(0, end, max(1, end // 40))
    }
    assert codes <= {"accepted", "malformed-evidence"}
