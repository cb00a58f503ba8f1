"""Events of the runtime event log, byte for byte (guest.md, section 2.6).

An event is a text of three parts in a tagged event (tag ``AAEL``) of a TCG crypto-agile log; the
digest of the tagged event is what a register is extended with. Little endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from guest.errors import MalformedEventError
from guest.wire.digests import digest

MAX_TEXT_BYTES = 64 * 1024

_TAG = 0x4141454C
_EV_EVENT_TAG = 6
# TPM_ALG_ID of the algorithms by which registers are extended.
_ALGORITHM_IDS = {"sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D, "sm3": 0x0012}


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    Attributes:
        domain: whose event it is; by convention a name like a host's.
        operation: what was done.
        content: with what; JSON, for readers that look into it.
    """

    domain: str
    operation: str
    content: str

    def __post_init__(self) -> None:
        """Refuse what would read back as another event.

        Raises:
            MalformedEventError: a part is empty or holds characters that separate parts or events,
                or all is longer than 64 KiB.
        """
        for name, text in (("domain", self.domain), ("operation", self.operation)):
            if not text or not text.isprintable() or " " in text:
                raise MalformedEventError(f"the {name} of an event is text without white space")
        if not self.content or not self.content.replace("\t", "").isprintable():
            raise MalformedEventError("the content of an event is one line of text")
        try:
            if len(self.text) > MAX_TEXT_BYTES:
                raise MalformedEventError(f"an event has at most {MAX_TEXT_BYTES} bytes")
        except UnicodeEncodeError as error:
            raise MalformedEventError("the text of an event is not Unicode") from error

    @property
    def text(self) -> bytes:
        """The three parts, parted by spaces, UTF-8."""
        return f"{self.domain} {self.operation} {self.content}".encode()

    @property
    def data(self) -> bytes:
        """The tagged event: tag, length, text."""
        return struct.pack("<II", _TAG, len(self.text)) + self.text

    def digest(self, algorithm: str) -> bytes:
        """What a register is extended with."""
        return digest(self.data, algorithm)

    def entry(self, index: int, algorithm: str) -> bytes:
        """The entry of a log.

        Args:
            index: of the register, as logs of this TEE name it.
            algorithm: of the register.
        """
        head = struct.pack("<IIIH", index, _EV_EVENT_TAG, 1, _ALGORITHM_IDS[algorithm])
        return head + self.digest(algorithm) + struct.pack("<I", len(self.data)) + self.data


def extended(value: bytes, event_digest: bytes, algorithm: str) -> bytes:
    """What a register holds after it was extended."""
    return digest(value + event_digest, algorithm)
