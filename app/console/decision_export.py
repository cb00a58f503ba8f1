"""Decisions as lines of a file, read page by page: CSV for people, JSON Lines for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from app.trust.decisions import DecisionQuery, DecisionRecord, DecisionStore

_WINDOW = 500
_COLUMNS = (
    "decision_id",
    "at",
    "kind",
    "outcome",
    "reason",
    "tee",
    "subject",
    "measurement",
    "policy_digest",
    "reference_values_digest",
    "token_id",
    "issuer",
    "latency_us",
)
# A spreadsheet takes a cell that begins so for a formula, and formulas can send the others away.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(store: DecisionStore, query: DecisionQuery) -> Iterator[str]:
    """A head and a line for each decision (RFC 4180), newest first.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    yield _csv_line(_COLUMNS)
    for record in every_decision(store, query):
        values = _values(record)
        yield _csv_line([_harmless(values[name]) for name in _COLUMNS])


def json_lines(store: DecisionStore, query: DecisionQuery) -> Iterator[str]:
    """A JSON object for each decision and line, newest first."""
    for record in every_decision(store, query):
        yield json.dumps(_values(record), ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Callable[[DecisionStore, DecisionQuery], Iterator[str]]] = {
    "csv": csv_lines,
    "jsonl": json_lines,
}


def every_decision(store: DecisionStore, query: DecisionQuery) -> Iterator[DecisionRecord]:
    """All that a query asks for, however many: one page of them is in memory at a time."""
    window = replace(query, limit=_WINDOW)
    while page := store.page(window):
        yield from page
        window = replace(window, before=page[-1].decision_id)


def _values(record: DecisionRecord) -> dict[str, str | int | None]:
    values = {name: getattr(record, name) for name in _COLUMNS}
    return {**values, "at": record.at.isoformat()}


def _harmless(value: str | int | None) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv_line(cells: object) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)  # type: ignore[arg-type]  # texts
    return line.getvalue()
