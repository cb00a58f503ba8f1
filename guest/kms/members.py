"""Reading what whoever sealed says of a provider; members that nobody knows are refused."""

from __future__ import annotations

import re
from collections.abc import Collection

from guest.errors import MalformedSecretError
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.members import object_value, optional_text_member, text_member

SETTINGS = "provider_settings"
ANNOTATIONS = "annotations"

_TEXT_LIMIT = 4096
_MOST_PAIRS = 64


def check_known(members: JSONObject, known: Collection[str], table: str) -> None:
    """Refuse what nobody reads: it may have been meant to protect.

    Raises:
        MalformedSecretError: a member is not known.
    """
    unknown = sorted(members.keys() - set(known))
    if unknown:
        expected = ", ".join(sorted(known)) or "nothing"
        raise MalformedSecretError(f"{table} may have {expected}, and not {unknown[0]!r}")


def text(members: JSONObject, name: str, pattern: str, table: str) -> str:
    """A text that must be there and match a pattern as a whole.

    Raises:
        MalformedSecretError: it is missing, something else, or does not match.
    """
    try:
        value = text_member(members, name, limit=_TEXT_LIMIT)
    except WireError as error:
        raise MalformedSecretError(f"{table}: {error}") from error
    return matching(value, pattern, f"{table}.{name}")


def optional_text(members: JSONObject, name: str, pattern: str, table: str) -> str:
    """The same, or ``""`` when it is missing, null or empty.

    Raises:
        MalformedSecretError: it is something else, or does not match.
    """
    try:
        value = optional_text_member(members, name, limit=_TEXT_LIMIT)
    except WireError as error:
        raise MalformedSecretError(f"{table}: {error}") from error
    return matching(value, pattern, f"{table}.{name}") if value else ""


def matching(value: str, pattern: str, name: str) -> str:
    """A text, when it matches a pattern as a whole.

    Raises:
        MalformedSecretError: it does not.
    """
    if re.fullmatch(pattern, value, re.ASCII) is None:
        raise MalformedSecretError(f"{name} does not read as this provider's do")
    return value


def texts(members: JSONObject, name: str, table: str) -> dict[str, str]:
    """A table of texts, empty when it is missing.

    Raises:
        MalformedSecretError: it is something else.
    """
    try:
        given = object_value(members.get(name, {}), name)
        pairs = {key: text_member(given, key, limit=_TEXT_LIMIT) for key in given}
    except WireError as error:
        raise MalformedSecretError(f"{table}: {error}") from error
    if len(pairs) > _MOST_PAIRS:
        raise MalformedSecretError(f"{table}.{name} has more than {_MOST_PAIRS} members")
    return pairs


def base64(members: JSONObject, name: str, table: str) -> bytes:
    """The bytes of a member in base64, which must be there.

    Raises:
        MalformedSecretError: it is missing, or something else.
    """
    try:
        return b64_decode(text_member(members, name, limit=_TEXT_LIMIT))
    except WireError as error:
        raise MalformedSecretError(f"{table}: {error}") from error
