"""JSON pointers (RFC 6901): where in claims something is found."""

from __future__ import annotations

import re

from app.trust.json_types import JSONValue

# Section 4: no leading zeros, and "-" names what is not there yet.
_INDEX = re.compile(r"0|[1-9][0-9]{0,6}", re.ASCII)


class Missing:
    """What a pointer that leads nowhere resolves to; ``None`` is a value of JSON."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()


def resolve(document: JSONValue, pointer: str) -> JSONValue | Missing:
    """The value that the pointer leads to, or ``MISSING``."""
    value = document
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and _INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return MISSING
    return value
