"""Parts of evidence that is JSON: its byte strings and numbers, however they are written."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterator
from typing import Any

from mutations.sweep import Part

Path = tuple[str | int, ...]
Verify = Callable[[Any], object]

ENCODINGS: dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "base64": (base64.b64decode, lambda data: base64.b64encode(data).decode()),
    "base64url": (base64.urlsafe_b64decode, lambda data: base64.urlsafe_b64encode(data).decode()),
    "hex": (bytes.fromhex, bytes.hex),
    "integers": (bytes, list),
}


def leaf(
    evidence: Any, path: Path, encoding: str, verify: Verify, *spans: range, **how: Any
) -> Part:
    """A byte string somewhere in evidence.

    Args:
        evidence: JSON; it is not changed.
        path: members and indices.
        encoding: one of ``ENCODINGS``.
        verify: takes evidence.
        spans: see ``Part``.
        how: other attributes of ``Part``.
    """
    decode, encode = ENCODINGS[encoding]
    data = decode(at(evidence, path))
    name = how.pop("name", ".".join(str(each) for each in path))
    return Part(
        name, data, lambda other: verify(placed(evidence, path, encode(other))), spans, **how
    )


def number(evidence: Any, path: Path, size: int, verify: Verify) -> Part:
    """A number somewhere in evidence; it has bits, and no length of its own."""
    data = at(evidence, path).to_bytes(size, "little")

    def attempt(other: bytes) -> object:
        return verify(placed(evidence, path, int.from_bytes(other, "little")))

    return Part(".".join(str(each) for each in path), data, attempt, end=0)


def integer_leaves(
    evidence: Any, path: Path, sizes: Callable[[Path], int], verify: Verify
) -> Iterator[Part]:
    """Every list of integers and every number below a path.

    Args:
        evidence: JSON.
        path: where to begin.
        sizes: of the number at a path, in bytes.
        verify: takes evidence.
    """
    value = at(evidence, path)
    if isinstance(value, dict):
        for name in value:
            yield from integer_leaves(evidence, (*path, name), sizes, verify)
    elif isinstance(value, list) and all(isinstance(each, int) for each in value):
        yield leaf(evidence, path, "integers", verify)
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from integer_leaves(evidence, (*path, index), sizes, verify)
    elif isinstance(value, int):
        yield number(evidence, path, sizes(path), verify)


def at(evidence: Any, path: Path) -> Any:
    """The value at a path."""
    for each in path:
        evidence = evidence[each]
    return evidence


def placed(evidence: Any, path: Path, value: Any) -> Any:
    """The evidence with another value at a path; the rest is shared."""
    first, *rest = path
    changed = copy.copy(evidence)
    changed[first] = placed(evidence[first], tuple(rest), value) if rest else value
    return changed
