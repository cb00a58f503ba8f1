"""CBOR from strangers (RFC 8949), read strictly: one value, definite lengths, no key twice.

Tags keep their numbers and mean nothing: the library would make dates, fractions, shared references
and patterns of them, none of which evidence has.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import NoReturn

from cbor2 import CBORDecoder, CBORError, CBORTag

from app.trust.errors import MalformedEvidenceError

MAX_DEPTH = 16

# Every tag that the library has a meaning for.
_MEANINGFUL = (
    *(0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100),
    *(256, 258, 260, 261, 1004, 43000, 55799),
)


def parse_cbor(data: bytes, name: str, *, plain_tags: Collection[int] = ()) -> object:
    """The one value that the bytes are.

    Args:
        data: what is read.
        name: what it is, for messages: ``the token``.
        plain_tags: tags that stay what they are although the library has a meaning for them.

    Raises:
        MalformedEvidenceError: they are something else, or more.
    """
    stream = io.BytesIO(data)
    decoder = CBORDecoder(
        stream,
        semantic_decoders=dict.fromkeys(_MEANINGFUL, _refuse_tag)
        | {tag: partial(_keep_tag, tag) for tag in plain_tags},
        max_depth=MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )
    try:
        value = decoder.decode()
    except (CBORError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise MalformedEvidenceError(f"{name} is not the CBOR that was expected") from error
    if stream.read(1):
        raise MalformedEvidenceError(f"{name} has bytes behind its end")
    return value


def parse_map(value: object, name: str) -> dict[int, object]:
    """The members of a map, by label.

    Raises:
        MalformedEvidenceError: no map, or a label is no integer.
    """
    # A float or a boolean equals an integer to Python, and is another label to CBOR.
    if not isinstance(value, Mapping) or not {int}.issuperset(map(type, value)):
        raise MalformedEvidenceError(f"{name} is not a map with numbers for labels")
    return dict(value)


def parse_array(value: object, size: int, name: str) -> Sequence[object]:
    """The elements of an array of exactly so many.

    Raises:
        MalformedEvidenceError: it is none.
    """
    if not isinstance(value, list | tuple) or len(value) != size:
        raise MalformedEvidenceError(f"{name} is not an array of {size}")
    return value


def untag(value: object, tag: int, name: str) -> object:
    """What the tag is on.

    Raises:
        MalformedEvidenceError: another tag, or none.
    """
    if not isinstance(value, CBORTag) or value.tag != tag:
        raise MalformedEvidenceError(f"{name} does not have the tag {tag}")
    content: object = value.value
    return content


def take_bytes(members: Mapping[int, object], label: int, sizes: Sequence[int]) -> bytes:
    """The byte string under a label.

    Args:
        members: of a map.
        label: which.
        sizes: the lengths that it may have; none means any.

    Raises:
        MalformedEvidenceError: none, or of another length.
    """
    value = members.get(label)
    if not isinstance(value, bytes) or (sizes and len(value) not in sizes):
        raise MalformedEvidenceError(f"the byte string with the label {label} is missing or odd")
    return value


def take_text(members: Mapping[int, object], label: int) -> str:
    """The text under a label.

    Raises:
        MalformedEvidenceError: none.
    """
    value = members.get(label)
    if not isinstance(value, str):
        raise MalformedEvidenceError(f"the text with the label {label} is missing")
    return value


def take_optional_text(members: Mapping[int, object], label: int) -> str | None:
    """The text under a label, ``None`` where there is no such label.

    Raises:
        MalformedEvidenceError: something else.
    """
    return take_text(members, label) if label in members else None


def take_integer(members: Mapping[int, object], label: int) -> int:
    """The integer under a label.

    Raises:
        MalformedEvidenceError: none; a boolean is none either.
    """
    value = members.get(label)
    if type(value) is not int:
        raise MalformedEvidenceError(f"the integer with the label {label} is missing")
    return value


def _keep_tag(tag: int, value: object, immutable: bool) -> CBORTag:  # noqa: FBT001  (the library's shape)
    del immutable
    return CBORTag(tag, value)


def _refuse_tag(value: object, immutable: bool) -> NoReturn:  # noqa: FBT001  (the library's shape)
    del value, immutable
    raise ValueError("a tag with a meaning of its own")
