"""Pages of the audit log: what operators did, with its chain checked, and as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from flask import Blueprint, Response, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue

from app.blueprints.deps import services
from app.blueprints.gate import access
from app.blueprints.parsing import page_limit, whole_number
from app.console.permissions import Permission
from app.trust.audit import GENESIS, AuditLog, AuditRecord, first_broken_link

_EXPORT_WINDOW = 500


def add_to(bp: Blueprint) -> None:
    """Add the routes."""

    @bp.get("/audit")
    @access(Permission.AUDIT_READ)
    def audit() -> ResponseReturnValue:
        limit = page_limit()
        before = whole_number(request.args, "before", 0) or None
        # One record more than is shown: the oldest one is checked against its predecessor.
        window = services().audit.page(before=before, limit=limit + 1)
        return render_template(
            "console/audit/list.html",
            records=window[:limit],
            broken=_broken_link(window),
            before=before,
            older=window[limit - 1].sequence if len(window) > limit else None,
        )

    @bp.get("/audit.jsonl")
    @access(Permission.AUDIT_READ)
    def export_audit() -> ResponseReturnValue:
        lines = stream_with_context(_lines(services().audit))
        response = Response(lines, mimetype="application/x-ndjson")
        response.headers["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
        return response


def _broken_link(window: list[AuditRecord]) -> int | None:
    """The first record of a window, newest first, that does not chain to the one before it."""
    oldest_first = window[::-1]
    if not oldest_first:
        return None
    first = oldest_first[0]
    previous = GENESIS if first.sequence == 1 else first.previous
    return first_broken_link(oldest_first, previous)


def _lines(log: AuditLog) -> Iterator[str]:
    """Every record as a line of JSON, newest first, read window by window."""
    before: int | None = None
    while window := log.page(before=before, limit=_EXPORT_WINDOW):
        for record in window:
            members = asdict(record)
            members["entry"]["at"] = record.entry.at.isoformat()
            yield json.dumps(members, ensure_ascii=False, sort_keys=True) + "\n"
        before = window[-1].sequence
