"""What names and values of reference values look like."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from app.trust.errors import MalformedReferenceValueError
from app.trust.json_types import JSONValue
from guest.wire.canonical import canonical_json
from guest.wire.errors import WireError

MAX_NAME_LENGTH = 512
# A vendor's whole catalogue of firmware fits; a message beyond is a mistake.
MAX_VALUES = 10_000


def check_form(values: Mapping[str, JSONValue]) -> None:
    """Values could be registered together, each under its name.

    Raises:
        MalformedReferenceValueError: a name or value of the wrong form, too many or no values.
    """
    if not 1 <= len(values) <= MAX_VALUES:
        raise MalformedReferenceValueError(f"a message holds 1 to {MAX_VALUES} values")
    for name, value in values.items():
        if not is_name(name):
            raise MalformedReferenceValueError(
                f"a name has 1 to {MAX_NAME_LENGTH} characters and no control characters"
            )
        try:
            canonical_json(value)
        except WireError as error:
            raise MalformedReferenceValueError(
                "a value has no canonical JSON form: no number may be beyond 2^53"
            ) from error


def is_name(name: str) -> bool:
    """Whether a text can be the name of a reference value."""
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        return False
    # Categories Cc, Cs: control characters, and surrogates that no encoding has.
    return not any(unicodedata.category(character) in {"Cc", "Cs"} for character in name)
