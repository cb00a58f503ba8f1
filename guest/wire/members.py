"""Reading members of JSON objects from strangers: the type is checked where the value is taken."""

from __future__ import annotations

from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue


def object_value(value: JSONValue, name: str) -> JSONObject:
    """A value that must be a JSON object.

    Raises:
        WireError: it is something else.
    """
    if not isinstance(value, dict):
        raise WireError(f"{name} is not a JSON object")
    return value


def text_member(members: JSONObject, name: str, *, limit: int) -> str:
    """A member that must be there, be text, and have at most ``limit`` characters.

    Raises:
        WireError: it is missing, of another type, or longer.
    """
    value = members.get(name)
    if not isinstance(value, str):
        raise WireError(f"the member {name} must be there and be text")
    if len(value) > limit:
        raise WireError(f"the member {name} has more than {limit} characters")
    return value


def optional_text_member(members: JSONObject, name: str, *, limit: int) -> str | None:
    """A member that may be missing or null; otherwise as ``text_member``.

    Raises:
        WireError: it is of another type, or longer than ``limit`` characters.
    """
    if members.get(name) is None:
        return None
    return text_member(members, name, limit=limit)
