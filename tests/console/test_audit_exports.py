"""The audit log as a file."""

from __future__ import annotations

import csv
import io
import json

import fakes
import pytest

from app.console.audit_exports import COLUMNS, csv_lines, json_lines
from app.trust.audit import Actor, AuditEntry, AuditQuery


@pytest.fixture
def log() -> fakes.MemoryAuditLog:
    """Records whose texts an attacker chose."""
    db = fakes.MemoryDatabase()
    log = fakes.MemoryAuditLog(db)
    subjects = ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", "plain", 'a "quoted", comma\nand line']
    for subject in subjects:
        with db.transactions():
            log.append(AuditEntry(fakes.NOON, Actor("=ann", "owner"), "a:b:c", subject))
    return log


def test_no_cell_is_a_formula(log: fakes.MemoryAuditLog) -> None:
    """A spreadsheet shows the text, and runs nothing."""
    header, *rows = csv.reader(io.StringIO("".join(csv_lines(log, AuditQuery())), newline=""))
    assert tuple(header) == COLUMNS
    assert len(rows) == 8
    assert [cell for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r"))] == []
    assert rows[0][8] == 'a "quoted", comma\nand line'


def test_filters_and_windows_count(
    log: fakes.MemoryAuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every record that is asked for, window by window."""
    monkeypatch.setattr("app.console.audit_exports._WINDOW", 3)
    lines = [json.loads(line) for line in json_lines(log, AuditQuery(limit=1))]
    assert [line["sequence"] for line in lines] == [8, 7, 6, 5, 4, 3, 2, 1]
    (line,) = json_lines(log, AuditQuery(subject="plain"))
    assert json.loads(line)["entry"]["subject"] == "plain"
