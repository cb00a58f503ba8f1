"""A strict reader for DER (ITU-T X.690, section 10): what certificates are written in.

It exists because vendors issue certificates that general libraries announce to refuse (AMD's chip
certificates have the serial number 0), and because a verifier should read no more of a certificate
than it checks. Definite lengths in their shortest form, low tag numbers, nothing left over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OID = 0x06
UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
IA5_STRING = 0x16
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

# A certificate of 4 GiB is none; four length bytes are more than anyone needs.
_MAX_LENGTH_BYTES = 4


class DERError(ValueError):
    """The bytes are not the DER that was expected."""


def check_whole_signature(signed: bytes, signature: bytes) -> None:
    """A signed structure ends in its signature, whose BIT STRING leaves no bit of an octet unused.

    Libraries look past that, which gives one structure two encodings.

    Args:
        signed: a certificate or a revocation list (RFC 5280, sections 4.1 and 5.1).
        signature: the value that a library has read from it.

    Raises:
        DERError: bits are said to be unused.
    """
    if not signed.endswith(b"\x00" + signature):
        raise DERError("bits of the signature are unused")


@dataclass(frozen=True, slots=True)
class DERValue:
    """One value.

    Attributes:
        tag: the identifier byte.
        content: its content.
        encoded: identifier, length and content, as they stood.
    """

    tag: int
    content: bytes
    encoded: bytes

    def children(self) -> list[DERValue]:
        """The values that a constructed value holds.

        Raises:
            DERError: it is not constructed, or its content is not a row of values.
        """
        if not self.tag & 0x20:
            raise DERError("not a constructed value")
        return read_values(self.content)

    def expect(self, tag: int) -> DERValue:
        """Itself, when it has this tag.

        Raises:
            DERError: it has another.
        """
        if self.tag != tag:
            raise DERError(f"tag {self.tag:#04x} in the place of {tag:#04x}")
        return self


def read_value(data: bytes, tag: int) -> DERValue:
    """The one value of this tag that the bytes are.

    Raises:
        DERError: they are something else, or more.
    """
    values = read_values(data)
    if len(values) != 1:
        raise DERError(f"{len(values)} values in the place of one")
    return values[0].expect(tag)


def read_values(data: bytes) -> list[DERValue]:
    """The values that stand one after another.

    Raises:
        DERError: the bytes end within one, or are not DER.
    """
    values = []
    at = 0
    while at < len(data):
        start, length = _header(data, at)
        end = start + length
        if end > len(data):
            raise DERError("ends within a value")
        values.append(DERValue(data[at], data[start:end], data[at:end]))
        at = end
    return values


def integer(value: DERValue) -> int:
    """The number of an INTEGER.

    Raises:
        DERError: another tag, or not the shortest form.
    """
    content = value.expect(INTEGER).content
    if not content or (len(content) > 1 and (content[0], content[1] >> 7) in {(0, 0), (0xFF, 1)}):
        raise DERError("not an integer in its shortest form")
    return int.from_bytes(content, "big", signed=True)


def object_identifier(value: DERValue) -> str:
    """The dotted form of an OBJECT IDENTIFIER.

    Raises:
        DERError: another tag, or not well formed.
    """
    content = value.expect(OID).content
    if not content or content[-1] & 0x80:
        raise DERError("not an object identifier")
    arcs = [0]
    for byte in content:
        arcs[-1] = arcs[-1] << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(0)
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:-1]]))


def bit_string(value: DERValue) -> bytes:
    """The bytes of a BIT STRING without unused bits.

    Raises:
        DERError: another tag, or bits left over.
    """
    content = value.expect(BIT_STRING).content
    if content[:1] != b"\0":
        raise DERError("a bit string with unused bits")
    return content[1:]


def time(value: DERValue) -> datetime:
    """The instant of a UTCTime or GeneralizedTime, as certificates write it (RFC 5280, 4.1.2.5).

    Raises:
        DERError: another tag, or not in the form with seconds and ``Z``.
    """
    text = value.content.decode("ascii", "replace")
    if value.tag == UTC_TIME and len(text) == 13:
        # Two-digit years mean 1950 to 2049 (RFC 5280, section 4.1.2.5.1).
        text = ("19" if text[:2] >= "50" else "20") + text
    elif value.tag != GENERALIZED_TIME:
        raise DERError("not a time")
    if len(text) != 15 or not text[:14].isdigit():
        raise DERError("not a time in UTC with seconds")
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise DERError("no such time") from error


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the value begins, and its length."""
    if data[at] & 0x1F == 0x1F:
        raise DERError("a high tag number")
    if at + 1 >= len(data):
        raise DERError("ends within a header")
    first = data[at + 1]
    if first < 0x80:
        return at + 2, first
    count = first & 0x7F
    start = at + 2 + count
    if not 1 <= count <= _MAX_LENGTH_BYTES or start > len(data):
        raise DERError("not a definite length")
    length = int.from_bytes(data[at + 2 : start], "big")
    if length < 0x80 or data[at + 2] == 0:
        raise DERError("not the shortest form of a length")
    return start, length
