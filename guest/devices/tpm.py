"""The few TPM 2.0 commands that attesting takes (TPM 2.0 Library, part 3).

Objects are used with empty passwords, as guests of Confidential Containers and Azure have them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from guest.clock import Clock
from guest.devices.tpm_channel import Channel, open_channel
from guest.devices.tpm_wire import (
    RETRY_CODES,
    ResponseReader,
    TPMRefusedError,
    command,
    number,
    response,
    sized,
)
from guest.errors import DeviceError

SHA256 = 0x000B
RSA = 0x0001
RSASSA = 0x0014
PCR_BYTES = 32
PCR_COUNT = 24
OWNER = 0x40000001
ENDORSEMENT = 0x4000000B

_NULL = 0x0010
_ATTEMPTS = 5
_PAUSE = timedelta(milliseconds=200)
# Part 2, TPM_PT_NV_BUFFER_MAX: no TPM in use takes less at a time.
_NV_CHUNK_BYTES = 512
_MAX_NV_BYTES = 16 * 1024
_CAP_PCRS = 5
_CAP_HANDLES = 1
_CAP_PROPERTIES = 6
_PERSISTENT = 0x81000000
_MANUFACTURER = 0x105
_MAX_PER_ANSWER = 64

# Part 2, TPMA_NV: owner and index may write and read; no dictionary-attack counter.
_NV_ATTRIBUTES = 1 << 1 | 1 << 2 | 1 << 17 | 1 << 18 | 1 << 25
# Part 2, TPMA_OBJECT: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign.
# Restricted is what makes it an attestation key: it signs only what the TPM itself has made.
_AK_ATTRIBUTES = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 16 | 1 << 18


@dataclass(frozen=True, slots=True)
class Quote:
    """What the TPM signed.

    Attributes:
        message: TPMS_ATTEST.
        signature: TPMT_SIGNATURE.
    """

    message: bytes
    signature: bytes


class TPM:
    """One conversation with a TPM."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock

    def read_public(self, handle: int) -> bytes:
        """The TPMT_PUBLIC of an object.

        Raises:
            DeviceError: there is none, or the TPM failed.
        """
        _, reader = self._run("ReadPublic", 0x173, [handle])
        public, _, _ = reader.sized(), reader.sized(), reader.sized()  # name, qualified name
        reader.end()
        return public

    def quote(self, key: int, extra_data: bytes) -> Quote:
        """A quote of PCR 0 to 23 of the SHA-256 bank, by RSASSA with SHA-256.

        Args:
            key: handle of the attestation key.
            extra_data: what is signed along, at most 66 bytes; many TPMs take 64, some fewer.

        Raises:
            DeviceError: the TPM refused.
        """
        scheme = number(RSASSA, 2) + number(SHA256, 2)
        parameters = sized(extra_data) + scheme + _selection((1 << PCR_COUNT) - 1)
        _, reader = self._run("Quote", 0x158, [key], parameters, authorizations=1)
        return Quote(reader.sized(), reader.rest())

    def read_pcrs(self, selected: int = (1 << PCR_COUNT) - 1) -> dict[int, bytes]:
        """Values of registers of the SHA-256 bank, 32 bytes each, read one group after another.

        Args:
            selected: bit n stands for PCR n.

        Raises:
            DeviceError: the TPM has no such bank, or failed.
        """
        values: dict[int, bytes] = {}
        wanted = selected
        while wanted:
            _, reader = self._run("PCR_Read", 0x17E, [], _selection(wanted))
            reader.number(4)  # how often registers changed; a quote's digest tells more
            got = _selected(reader)
            numbers = [pcr for pcr in range(PCR_COUNT) if got & wanted & 1 << pcr]
            digests = [reader.sized() for _ in range(min(reader.number(4), _MAX_PER_ANSWER))]
            reader.end()
            if not numbers or len(numbers) != len(digests):
                raise DeviceError("the TPM has no bank of SHA-256 registers")
            values |= dict(zip(numbers, digests, strict=True))
            wanted &= ~got
        if any(len(value) != PCR_BYTES for value in values.values()):
            raise DeviceError(f"a SHA-256 register of the TPM has not {PCR_BYTES} bytes")
        return values

    def extend_pcr(self, pcr: int, digest: bytes) -> None:
        """Extend a register of the SHA-256 bank with 32 bytes.

        Raises:
            DeviceError: the TPM refused.
        """
        digests = number(1, 4) + number(SHA256, 2) + digest
        self._run("PCR_Extend", 0x182, [pcr], digests, authorizations=1)

    def read_nv(self, index: int) -> bytes:
        """All bytes of an NV index, by authorization of the owner.

        Raises:
            DeviceError: there is none, it was never written, or the TPM failed.
        """
        size = self.nv_size(index)
        data = b""
        while len(data) < size:
            chunk = min(_NV_CHUNK_BYTES, size - len(data))
            parameters = number(chunk, 2) + number(len(data), 2)
            _, reader = self._run("NV_Read", 0x14E, [OWNER, index], parameters, authorizations=1)
            part = reader.sized()
            if len(part) != chunk:
                raise DeviceError("the TPM read less of an NV index than it was asked for")
            data += part
        return data

    def nv_size(self, index: int) -> int:
        """How many bytes an NV index has.

        Raises:
            DeviceError: there is none, or the TPM failed.
        """
        _, reader = self._run("NV_ReadPublic", 0x169, [index])
        public = ResponseReader(reader.sized())
        reader.sized()  # name
        reader.end()
        public.take(4 + 2 + 4)  # index, name algorithm, attributes
        public.sized()
        size = public.number(2)
        public.end()
        if size > _MAX_NV_BYTES:
            raise DeviceError(f"an NV index of {size} bytes is larger than any that is expected")
        return size

    def write_nv(self, index: int, data: bytes) -> None:
        """Write an NV index from its beginning; define it first where it does not exist.

        Args:
            index: NV index.
            data: what is defined here has exactly so many bytes.

        Raises:
            DeviceError: the TPM refused.
        """
        try:
            self.nv_size(index)
        except TPMRefusedError as error:
            if not error.is_missing:
                raise
            self._define_nv(index, len(data))
        for offset in range(0, len(data), _NV_CHUNK_BYTES):
            chunk = data[offset : offset + _NV_CHUNK_BYTES]
            parameters = sized(chunk) + number(offset, 2)
            self._run("NV_Write", 0x137, [OWNER, index], parameters, authorizations=1)

    def make_attestation_key(self, handle: int) -> None:
        """Make an attestation key in the endorsement hierarchy and keep it under a handle.

        The same TPM makes the same key each time, until its endorsement seed changes.

        Args:
            handle: persistent, of the owner's: ``0x81000000`` and on.

        Raises:
            DeviceError: the TPM refused, because the handle is taken, for example.
        """
        template = sized(_ak_template())
        parameters = sized(sized(b"") + sized(b"")) + template + sized(b"") + number(0, 4)
        name, code = "CreatePrimary", 0x131
        handles, _ = self._run(name, code, [ENDORSEMENT], parameters, authorizations=1, returned=1)
        try:
            persistent = number(handle, 4)
            self._run("EvictControl", 0x120, [OWNER, handles[0]], persistent, authorizations=1)
        finally:
            self._run("FlushContext", 0x165, handles)

    def manufacturer(self) -> str:
        """Four letters that name who made it.

        Raises:
            DeviceError: the TPM failed.
        """
        reader = self._capability(_CAP_PROPERTIES, _MANUFACTURER, 1)
        if reader.number(4) != 1 or reader.number(4) != _MANUFACTURER:
            raise DeviceError("the TPM does not say who made it")
        return reader.take(4).decode("ascii", "replace").rstrip("\0 ")

    def persistent_handles(self) -> list[int]:
        """Handles of the objects that it keeps, at most 64.

        Raises:
            DeviceError: the TPM failed.
        """
        reader = self._capability(_CAP_HANDLES, _PERSISTENT, _MAX_PER_ANSWER)
        return [reader.number(4) for _ in range(min(reader.number(4), _MAX_PER_ANSWER))]

    def has_sha256_bank(self) -> bool:
        """Whether all 24 registers are allocated for SHA-256.

        Raises:
            DeviceError: the TPM failed.
        """
        reader = self._capability(_CAP_PCRS, 0, 1)
        banks = [_bank(reader) for _ in range(min(reader.number(4), _MAX_PER_ANSWER))]
        return (SHA256, (1 << PCR_COUNT) - 1) in banks

    def _capability(self, capability: int, first: int, count: int) -> ResponseReader:
        parameters = number(capability, 4) + number(first, 4) + number(count, 4)
        _, reader = self._run("GetCapability", 0x17A, [], parameters)
        reader.number(1)  # whether there is more
        if reader.number(4) != capability:
            raise DeviceError("the TPM answered for another capability")
        return reader

    def _define_nv(self, index: int, size: int) -> None:
        public = number(index, 4) + number(SHA256, 2) + number(_NV_ATTRIBUTES, 4)
        public += sized(b"") + number(size, 2)
        parameters = sized(b"") + sized(public)
        self._run("NV_DefineSpace", 0x12A, [OWNER], parameters, authorizations=1)

    def _run(
        self,
        name: str,
        code: int,
        handles: list[int],
        parameters: bytes = b"",
        *,
        authorizations: int = 0,
        returned: int = 0,
    ) -> tuple[list[int], ResponseReader]:
        sent = command(code, handles, parameters, authorizations)
        for _ in range(_ATTEMPTS - 1):
            try:
                return response(self._channel.transact(sent), name, returned)
            except TPMRefusedError as error:
                if error.response_code not in RETRY_CODES:
                    raise
            self._clock.wait(_PAUSE)
        return response(self._channel.transact(sent), name, returned)


@contextmanager
def open_tpm(path: Path, clock: Clock) -> Iterator[TPM]:
    """The TPM at a path.

    Args:
        path: of a character device or a Unix socket.
        clock: to wait on while it is busy.

    Raises:
        NoTEEError: there is nothing.
        DeviceError: it cannot be opened.
    """
    with open_channel(path) as channel:
        yield TPM(channel, clock)


def _selection(bits: int) -> bytes:
    """A TPML_PCR_SELECTION of registers of the SHA-256 bank."""
    return number(1, 4) + number(SHA256, 2) + number(3, 1) + bits.to_bytes(3, "little")


def _selected(reader: ResponseReader) -> int:
    """The registers of the SHA-256 bank in a TPML_PCR_SELECTION, one bit each."""
    banks = [_bank(reader) for _ in range(min(reader.number(4), _MAX_PER_ANSWER))]
    return sum(bits for algorithm, bits in banks if algorithm == SHA256)


def _bank(reader: ResponseReader) -> tuple[int, int]:
    return reader.number(2), int.from_bytes(reader.take(reader.number(1)), "little")


def _ak_template() -> bytes:
    """A TPMT_PUBLIC: RSA of 2048 bits that signs by RSASSA with SHA-256, restricted."""
    head = number(RSA, 2) + number(SHA256, 2) + number(_AK_ATTRIBUTES, 4) + sized(b"")
    scheme = number(RSASSA, 2) + number(SHA256, 2)
    return head + number(_NULL, 2) + scheme + number(2048, 2) + number(0, 4) + sized(b"")
