"""JSON from strangers: one meaning for every document, or none.

Two parsers that read the same bytes differently are a hole (a repeated member, ``NaN``, a lone
surrogate), so such documents are refused instead of interpreted.
"""

from __future__ import annotations

import json
import re
from typing import Any

from guest.wire.errors import WireError

# Evidence of the deepest TEE nests nine levels; nothing honest comes near this.
MAX_DEPTH = 64

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")


def parse_json(text: bytes | str) -> Any:  # noqa: ANN401  (any JSON value)
    """The value of a JSON document (RFC 8259).

    Raises:
        WireError: it is not UTF-8 JSON, repeats a member, nests deeper than ``MAX_DEPTH``, or holds
            ``NaN``, an infinity, a lone surrogate or an integer of more than 4,300 digits.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        _check_depth(text)
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, WireError) else "the body is not valid JSON"
        raise WireError(reason) from error
    if "\\u" in text:
        _check_surrogates(value)
    return value


def parse_json_object(text: bytes | str) -> dict[str, Any]:
    """The members of a JSON document that is an object.

    Raises:
        WireError: as ``parse_json``, or it is not an object.
    """
    value = parse_json(text)
    if not isinstance(value, dict):
        raise WireError("the body is not a JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise WireError("a JSON object repeats a member")
    return members


def _constant(name: str) -> None:
    raise WireError(f"{name} is not JSON")


def _check_depth(text: str) -> None:
    # The scanner of the standard library recurses in C, so depth is bounded before it runs. Few
    # documents have enough brackets to need the exact count.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise WireError(f"the JSON nests deeper than {MAX_DEPTH} levels")


def _check_surrogates(value: Any) -> None:  # noqa: ANN401
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise WireError("the JSON holds a lone surrogate") from error
