"""Files of reference values that operators import, with every fault named by its line.

A file is one of these; what it is follows from its content, and from a name that ends in ``.csv``:

- a message for the RVPS (wire.md, section 11.1), or a list of messages;
- a JSON object of names and values;
- a JSON list of objects with ``name``, ``value`` and, if they like, ``expires_at``;
- CSV with the columns ``name`` and ``value``, and ``expires_at`` (ISO 8601 with an offset, or
  empty) when values expire differently. A value is JSON where it parses as JSON, otherwise the text
  itself.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from app.attestation.reference_value_messages import ReadMessage
from app.attestation.reference_values import DraftReferenceValue, drafts_of
from app.trust.errors import MalformedReferenceValueError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json

_COLUMNS = ({"name", "value"}, {"name", "value", "expires_at"})
_MEMBERS = {"name", "value", "expires_at"}
_SPACE = " \t\r\n"

ReadsMessages = Callable[[JSONObject], ReadMessage]


@dataclass(frozen=True, slots=True)
class LocatedDraft:
    """A value of a file, and the line that it begins on, 1-based."""

    line: int
    draft: DraftReferenceValue


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file.

    Attributes:
        line: where, 1-based; ``None`` when it is the file as a whole.
    """

    line: int | None
    message: str

    def __str__(self) -> str:
        """With its line, where there is one."""
        return self.message if self.line is None else f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What a file holds.

    Attributes:
        source: how its values came, for whoever reads them later.
        faults: in the order of lines; nothing of a file with faults is used.
    """

    source: str
    drafts: tuple[LocatedDraft, ...] = ()
    faults: tuple[Fault, ...] = ()


def parse_file(
    content: bytes, filename: str, read_message: ReadsMessages, *, source: str
) -> ParsedFile:
    """Read a file.

    Args:
        content: the file.
        filename: by which CSV is told from JSON.
        read_message: reads messages for the RVPS.
        source: how values came that are in no message, which names its own.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return ParsedFile(source, faults=(Fault(line, "this is no text in UTF-8"),))
    if filename.lower().endswith(".csv"):
        return _once_each(_parse_csv(text, source))
    return _once_each(_parse_json_text(text, read_message, source))


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


def _parse_csv(text: str, source: str) -> ParsedFile:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    drafts: list[LocatedDraft] = []
    faults: list[Fault] = []
    try:
        if set(reader.fieldnames or ()) not in _COLUMNS:
            columns = "a CSV file has the columns name and value, and may have expires_at"
            return ParsedFile(source, faults=(Fault(1, columns),))
        line = reader.line_num + 1
        for row in reader:
            try:
                drafts.append(LocatedDraft(line, _row_draft(row)))
            except MalformedReferenceValueError as error:
                faults.append(Fault(line, error.message))
            line = reader.line_num + 1
    except csv.Error:
        faults.append(Fault(reader.line_num, "this is no CSV: a quote is open or out of place"))
    return ParsedFile(source, tuple(drafts), tuple(faults))


def _row_draft(row: dict[str, str | None]) -> DraftReferenceValue:
    name, text = row.get("name"), row.get("value")
    if name is None or text is None or None in row:
        raise MalformedReferenceValueError("there are not as many cells as in the header")
    return DraftReferenceValue(name, _lenient(text), parse_expiry(row.get("expires_at") or ""))


def _lenient(text: str) -> JSONValue:
    try:
        return parse_json(text)
    except WireError:
        return text


def _parse_json_text(text: str, read_message: ReadsMessages, source: str) -> ParsedFile:
    try:
        document = parse_json(text)
    except WireError as error:
        return ParsedFile(source, faults=(_json_fault(text, error),))
    if isinstance(document, list):
        return _parse_entries(text, read_message, source)
    if not isinstance(document, dict):
        kinds = "a file of values is a JSON object or list, or CSV with the name ending in .csv"
        return ParsedFile(source, faults=(Fault(1, kinds),))
    if _is_message(document):
        return _read_messages([(1, document)], read_message, source)
    members = tuple(
        LocatedDraft(line, DraftReferenceValue(name, value)) for line, name, value in _members(text)
    )
    return ParsedFile(source, members)


def _json_fault(text: str, error: WireError) -> Fault:
    cause = error.__cause__
    if isinstance(cause, json.JSONDecodeError):
        return Fault(cause.lineno, f"this is no JSON: {cause.msg.lower()}")
    seen: dict[str, int] = {}
    try:
        for line, name, _ in _members(text):
            if name in seen:
                return Fault(line, f"the name stands on line {seen[name]} already")
            seen[name] = line
    except (ValueError, IndexError, RecursionError):
        return Fault(None, str(error))
    return Fault(None, str(error))


def _parse_entries(text: str, read_message: ReadsMessages, source: str) -> ParsedFile:
    entries = list(_elements(text))
    messages = [(line, each) for line, each in entries if _is_message(each)]
    if messages and len(messages) == len(entries):
        return _read_messages(messages, read_message, source)
    drafts: list[LocatedDraft] = []
    faults: list[Fault] = []
    for line, entry in entries:
        try:
            drafts.append(LocatedDraft(line, _entry_draft(entry)))
        except MalformedReferenceValueError as error:
            faults.append(Fault(line, error.message))
    return ParsedFile(source, tuple(drafts), tuple(faults))


def _entry_draft(entry: JSONValue) -> DraftReferenceValue:
    if not isinstance(entry, dict) or not {"name", "value"} <= entry.keys() <= _MEMBERS:
        raise MalformedReferenceValueError(
            "each entry of a list is an object with name and value, and may have expires_at"
        )
    name, expires_at = entry["name"], entry.get("expires_at") or ""
    if not isinstance(name, str) or not isinstance(expires_at, str):
        raise MalformedReferenceValueError("name and expires_at are text")
    return DraftReferenceValue(name, entry["value"], parse_expiry(expires_at))


def _is_message(document: JSONValue) -> bool:
    return (
        isinstance(document, dict)
        and isinstance(document.get("type"), str)
        and isinstance(document.get("payload"), str)
    )


def _read_messages(
    messages: list[tuple[int, JSONObject]], read_message: ReadsMessages, source: str
) -> ParsedFile:
    drafts: list[LocatedDraft] = []
    faults: list[Fault] = []
    sources: dict[str, None] = {}
    for line, message in messages:
        try:
            read = read_message(message)
        except MalformedReferenceValueError as error:
            faults.append(Fault(line, error.message))
        else:
            sources[str(read.provenance)] = None
            drafts += [LocatedDraft(line, draft) for draft in drafts_of(read)]
    return ParsedFile(", ".join(sources) or source, tuple(drafts), tuple(faults))


def _once_each(parsed: ParsedFile) -> ParsedFile:
    """The file, with names that stand in it twice among its faults."""
    first: dict[str, int] = {}
    faults = list(parsed.faults)
    for each in parsed.drafts:
        before = first.setdefault(each.draft.name, each.line)
        if before != each.line:
            faults.append(Fault(each.line, f"the name stands on line {before} already"))
    if not parsed.drafts and not faults:
        faults.append(Fault(None, "there is no value in this file"))
    ordered = sorted(faults, key=lambda fault: fault.line or 0)
    return ParsedFile(parsed.source, parsed.drafts, tuple(ordered))


def _members(text: str) -> Iterator[tuple[int, str, JSONValue]]:
    """Line, name and value of each member of an object that parses."""
    decoder, at = json.JSONDecoder(), text.index("{") + 1
    line, counted = 1, 0
    while (at := _after(text, at, _SPACE + ",")) < len(text) and text[at] != "}":
        line, counted = line + text.count("\n", counted, at), at
        name, at = decoder.raw_decode(text, at)
        value, at = decoder.raw_decode(text, _after(text, at, _SPACE + ":"))
        yield line, name, value


def _elements(text: str) -> Iterator[tuple[int, JSONValue]]:
    """Line and value of each element of a list that parses."""
    decoder, at = json.JSONDecoder(), text.index("[") + 1
    line, counted = 1, 0
    while (at := _after(text, at, _SPACE + ",")) < len(text) and text[at] != "]":
        line, counted = line + text.count("\n", counted, at), at
        value, at = decoder.raw_decode(text, at)
        yield line, value


def _after(text: str, at: int, skipped: str) -> int:
    while at < len(text) and text[at] in skipped:
        at += 1
    return at
