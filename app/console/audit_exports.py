"""The audit log as a file: JSON lines for programs, CSV for spreadsheets; read window by window."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, replace

from app.trust.audit import AuditLog, AuditQuery, AuditRecord
from app.trust.json_types import JSONObject

_WINDOW = 500

COLUMNS = (
    "sequence",
    "at",
    "actor",
    "role",
    "source",
    "token_id",
    "token_label",
    "action",
    "subject",
    "before",
    "after",
    "note",
    "previous",
    "digest",
)
# What spreadsheets take for the beginning of a formula (CWE-1236).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def audit_page(log: AuditLog, query: AuditQuery) -> list[AuditRecord]:
    """One page, newest first: in the order of the chain, or of time where it is filtered."""
    if query.filters:
        return log.search(query)
    return log.page(before=query.before, limit=query.limit)


def audit_line(record: AuditRecord) -> JSONObject:
    """A record as JSON, with its time in ISO 8601."""
    line = asdict(record)
    line["entry"]["at"] = record.entry.at.isoformat()
    return line


def json_lines(log: AuditLog, query: AuditQuery) -> Iterator[str]:
    """Every record that a query asks for, whatever its limit, one JSON object a line."""
    for record in _all(log, query):
        yield json.dumps(audit_line(record), ensure_ascii=False, sort_keys=True) + "\n"


def csv_lines(log: AuditLog, query: AuditQuery) -> Iterator[str]:
    """The same as CSV (RFC 4180) with a header; no cell begins like a formula."""
    yield _csv_line(COLUMNS)
    for record in _all(log, query):
        entry, token = record.entry, record.entry.actor.token
        yield _csv_line(
            (
                str(record.sequence),
                entry.at.isoformat(),
                entry.actor.name,
                entry.actor.role,
                entry.actor.source,
                token.token_id if token else "",
                token.label if token else "",
                entry.action,
                entry.subject,
                entry.before or "",
                entry.after or "",
                entry.note or "",
                record.previous,
                record.digest,
            )
        )


def _all(log: AuditLog, query: AuditQuery) -> Iterator[AuditRecord]:
    query = replace(query, limit=_WINDOW)
    while window := audit_page(log, query):
        yield from window
        query = replace(query, before=window[-1].sequence)


def _csv_line(cells: tuple[str, ...]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(
        f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells
    )
    return written.getvalue()
