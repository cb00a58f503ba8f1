"""Files of reference values that operators import: JSON by name, or CSV.

A JSON file is an object of names and values. A CSV file has a header with the columns ``name`` and
``value``, and ``expires_at`` (ISO 8601 with an offset, or empty) when values expire differently. A
value of a CSV file is JSON where it parses as JSON, and otherwise the text itself.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime

from app.attestation.reference_values import DraftReferenceValue
from app.trust.errors import MalformedReferenceValueError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json, parse_json_object

_COLUMNS = ({"name", "value"}, {"name", "value", "expires_at"})


def is_message(document: JSONObject) -> bool:
    """Whether a JSON file is a message for the RVPS (wire.md, section 11.1) and no table."""
    return isinstance(document.get("type"), str) and isinstance(document.get("payload"), str)


def parse_json_file(content: bytes) -> JSONObject:
    """A JSON file.

    Raises:
        MalformedReferenceValueError: it is no JSON object.
    """
    try:
        return parse_json_object(content)
    except WireError as error:
        raise MalformedReferenceValueError(
            "the file is neither a JSON object nor CSV with the columns name and value"
        ) from error


def parse_csv_file(content: bytes) -> list[DraftReferenceValue]:
    """The values of a CSV file.

    Raises:
        MalformedReferenceValueError: it is no UTF-8, has other columns, or a row does not fit; the
            message names the line.
    """
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        if set(reader.fieldnames or ()) not in _COLUMNS:
            raise MalformedReferenceValueError(
                "a CSV file has the columns name and value, and may have expires_at"
            )
        return [_draft(row, reader.line_num) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedReferenceValueError("the file is no CSV in UTF-8") from error


def parse_value(text: str) -> JSONValue:
    """A value as JSON.

    Raises:
        MalformedReferenceValueError: it is no JSON.
    """
    try:
        return parse_json(text)
    except WireError as error:
        raise MalformedReferenceValueError(
            'a value is JSON: a text stands in quotes ("abc"), a list in brackets (["abc"])'
        ) from error


def parse_expiry(text: str) -> datetime | None:
    """An ISO 8601 time with an offset; ``None`` when it is empty.

    Raises:
        MalformedReferenceValueError: it is no such time.
    """
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise MalformedReferenceValueError("an expiry is a time like 2027-01-31T00:00Z") from error
    if at.tzinfo is None:
        raise MalformedReferenceValueError("an expiry names its offset: 2027-01-31T00:00Z")
    return at


def _draft(row: dict[str, str | None], line: int) -> DraftReferenceValue:
    name, text = row.get("name"), row.get("value")
    if name is None or text is None or None in row:
        raise MalformedReferenceValueError(f"line {line} has not as many cells as the header")
    try:
        return DraftReferenceValue(name, _lenient(text), parse_expiry(row.get("expires_at") or ""))
    except MalformedReferenceValueError as error:
        raise MalformedReferenceValueError(f"line {line}: {error.message}") from error


def _lenient(text: str) -> JSONValue:
    try:
        return parse_json(text)
    except WireError:
        return text
