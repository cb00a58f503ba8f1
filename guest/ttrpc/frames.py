"""Frames of ttrpc and the two messages in them, without a socket (guest.md, section 1.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from guest.rpc.protobuf import (
    MAX_MESSAGE_BYTES,
    Fields,
    number_field,
    octets_field,
    signed,
    text_field,
)

REQUEST, RESPONSE, DATA = 1, 2, 3
MAX_PAYLOAD_BYTES = MAX_MESSAGE_BYTES

# Length, stream, type, flags; big-endian.
HEADER = struct.Struct(">IIBB")

# Brings exactly so many bytes, or raises.
Reader: TypeAlias = Callable[[int], bytes]


class OversizedFrameError(Exception):
    """A frame says that it is larger than any may be.

    Attributes:
        stream: of the frame.
    """

    def __init__(self, stream: int) -> None:
        super().__init__(f"a frame has at most {MAX_PAYLOAD_BYTES} bytes")
        self.stream = stream


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        stream: number of the call; odd, as clients begin them.
        kind: ``REQUEST``, ``RESPONSE`` or ``DATA``; of what was received, any byte.
        payload: at most ``MAX_PAYLOAD_BYTES``.
    """

    stream: int
    kind: int
    payload: bytes = field(repr=False)

    @classmethod
    def read(cls, read: Reader) -> Frame:
        """The next frame.

        Raises:
            OversizedFrameError: it is too large; nothing of it was read but its header.
        """
        length, stream, kind, _ = HEADER.unpack(read(HEADER.size))
        if length > MAX_PAYLOAD_BYTES:
            raise OversizedFrameError(stream)
        return cls(stream, kind, read(length))

    def encoded(self) -> bytes:
        """The frame as it is sent."""
        return HEADER.pack(len(self.payload), self.stream, self.kind, 0) + self.payload


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        service: package and name of the service.
        method: its bare name.
        payload: the message.
        timeout_nanoseconds: how long the caller waits; 0 for no bound.
    """

    service: str
    method: str
    payload: bytes = field(repr=False)
    timeout_nanoseconds: int = 0

    @classmethod
    def parse(cls, message: bytes) -> Request:
        """A request; its metadata decide nothing here.

        Raises:
            MalformedMessageError: it is none.
        """
        fields = Fields(message)
        timeout = signed(fields.number(4) or 0)
        return cls(fields.text(1), fields.text(2), fields.octets(3), max(timeout, 0))

    def encoded(self) -> bytes:
        """The message."""
        names = text_field(1, self.service) + text_field(2, self.method)
        return names + octets_field(3, self.payload) + number_field(4, self.timeout_nanoseconds)


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered: a message, or a status that is not OK.

    Attributes:
        payload: the message.
        code: of the status; 0 is OK.
        message: of the status, in words.
    """

    payload: bytes = field(default=b"", repr=False)
    code: int = 0
    message: str = ""

    @classmethod
    def parse(cls, message: bytes) -> Response:
        """A response.

        Raises:
            MalformedMessageError: it is none.
        """
        fields = Fields(message)
        status = Fields(fields.octets(1))
        return cls(fields.octets(2), signed(status.number(1) or 0), status.text(2))

    def encoded(self) -> bytes:
        """The message."""
        status = number_field(1, self.code) + text_field(2, self.message)
        return octets_field(1, status) + octets_field(2, self.payload)
