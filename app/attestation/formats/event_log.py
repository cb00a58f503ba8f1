"""The confidential-computing event log (CCEL): what was measured during boot, and its replay.

Source: TCG, "PC Client Platform Firmware Profile Specification", section 10 (crypto agile log);
UEFI Specification, section 38.4 (confidential computing). Little endian. A log proves nothing by
itself: ``check_registers`` must have compared it with registers that hardware signed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

from app.attestation.formats.byte_reader import ByteReader
from app.attestation.formats.event_types import EVENT_TYPES
from app.trust.errors import EventLogMismatchError, MalformedEvidenceError

MAX_LOG_BYTES = 2 * 1024 * 1024

EV_NO_ACTION = 3

_LEGACY_DIGEST_BYTES = 20
_SPEC_ID_COUNT_OFFSET = 24
_TERMINATORS = frozenset({bytes(8), b"\xff" * 8})


def _sm3(data: bytes) -> bytes:
    # Not every OpenSSL that hashlib is linked to has SM3.
    state = hashes.Hash(hashes.SM3())
    state.update(data)
    return state.finalize()


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A digest algorithm of the TCG registry.

    Attributes:
        size: bytes of a digest; ``None`` for ids that are no hash.
        hash: computes one; ``None`` where none is trusted.
    """

    name: str
    size: int | None = None
    hash: Callable[[bytes], bytes] | None = None


SHA256 = Algorithm("SHA-256", 32, lambda data: hashlib.sha256(data).digest())
SHA384 = Algorithm("SHA-384", 48, lambda data: hashlib.sha384(data).digest())
SM3 = Algorithm("SM3", 32, _sm3)

_ALGORITHMS = {
    0x0001: Algorithm("RSA"),
    0x0003: Algorithm("TDES"),
    0x0004: Algorithm("SHA-1", 20),
    0x000B: SHA256,
    0x000C: SHA384,
    0x000D: Algorithm("SHA-512", 64, lambda data: hashlib.sha512(data).digest()),
    0x0012: SM3,
}


@dataclass(frozen=True, slots=True)
class Event:
    """One measurement.

    Attributes:
        index: the register it was extended into, 1 to 4 for RTMR 0 to 3 of a TD.
        event_type: a key of ``EVENT_TYPES``.
        digests: in the order of the log.
        data: what was measured, or what describes it.
    """

    index: int
    event_type: int
    digests: tuple[tuple[Algorithm, bytes], ...]
    data: bytes

    def is_self_describing(self) -> bool:
        """Whether every digest is the hash of ``data`` itself.

        Raises:
            MalformedEvidenceError: a digest of an algorithm that nobody should use came before the
                first that differs.
        """
        for algorithm, digest in self.digests:
            if algorithm.hash is None:
                raise MalformedEvidenceError(f"the event log has digests of {algorithm.name}")
            if algorithm.hash(self.data) != digest:
                return False
        return True


def parse_event_log(data: bytes) -> list[Event]:
    """The events of a log, without the record that opens it.

    Raises:
        MalformedEvidenceError: an event type or algorithm is unknown, or the bytes do not add up.
    """
    if len(data) > MAX_LOG_BYTES:
        raise MalformedEvidenceError(f"the event log is longer than {MAX_LOG_BYTES} bytes")
    reader = ByteReader(data, "the event log")
    sizes = _opening(reader)
    events = []
    while reader.remaining:
        if reader.peek(8) in _TERMINATORS:
            break
        if reader.remaining < 8:
            raise MalformedEvidenceError("the event log ends without a terminator")
        events.append(_event(reader, sizes))
    return events


def check_registers(
    events: list[Event], registers: Mapping[int, bytes], algorithm: Algorithm
) -> None:
    """Replaying the log gives the registers, by index, that hardware has signed.

    Raises:
        EventLogMismatchError: one differs.
    """
    for index, expected in registers.items():
        if not hmac.compare_digest(replay(events, index, algorithm), expected):
            raise EventLogMismatchError(f"replaying the event log does not give register {index}")


def replay(events: list[Event], index: int, algorithm: Algorithm) -> bytes:
    """The value of a register after all its events; EV_NO_ACTION events count, too."""
    assert algorithm.hash is not None
    assert algorithm.size is not None
    value = bytes(algorithm.size)
    for event in events:
        if event.index == index:
            for each, digest in event.digests:
                if each is algorithm:
                    value = algorithm.hash(value + digest)
    return value


def _opening(reader: ByteReader) -> dict[int, int]:
    """Digest sizes by algorithm id, from the first record, which has the form of TPM 1.2."""
    reader.take(4)
    event_type = _event_type(reader)
    reader.take(_LEGACY_DIGEST_BYTES)
    data = reader.take(reader.integer(4))
    return _spec_id(data) if event_type == EV_NO_ACTION else {}


def _spec_id(data: bytes) -> dict[int, int]:
    spec = ByteReader(data, "the Spec ID event of the event log")
    spec.take(_SPEC_ID_COUNT_OFFSET)
    sizes = {}
    for _ in range(spec.integer(4)):
        identifier, size = spec.integer(2), spec.integer(2)
        known = _algorithm(identifier).size
        if known is not None and known != size:
            raise MalformedEvidenceError("the event log gives an algorithm a wrong digest size")
        sizes[identifier] = size
    spec.take(spec.integer(1))
    if spec.remaining:
        raise MalformedEvidenceError("the Spec ID event of the event log is too long")
    return sizes


def _event(reader: ByteReader, sizes: dict[int, int]) -> Event:
    index = reader.integer(4)
    event_type = _event_type(reader)
    digests = []
    for _ in range(reader.integer(4)):
        identifier = reader.integer(2)
        algorithm = _algorithm(identifier)
        if identifier not in sizes:
            raise MalformedEvidenceError(f"the event log does not announce {algorithm.name}")
        digests.append((algorithm, reader.take(sizes[identifier])))
    return Event(index, event_type, tuple(digests), reader.take(reader.integer(4)))


def _event_type(reader: ByteReader) -> int:
    event_type = reader.integer(4)
    if event_type not in EVENT_TYPES:
        raise MalformedEvidenceError(f"the event log has an event of unknown type {event_type:#x}")
    return event_type


def _algorithm(identifier: int) -> Algorithm:
    algorithm = _ALGORITHMS.get(identifier)
    if algorithm is None:
        raise MalformedEvidenceError(f"the event log has unknown algorithm {identifier:#06x}")
    return algorithm
