"""The audit log: what operators did, filtered; its chain verified; and as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request, url_for
from flask import stream_with_context as streamed
from flask.typing import ResponseReturnValue

from app.blueprints.deps import services
from app.blueprints.gate import access
from app.blueprints.parsing import page_limit
from app.console.audit_exports import audit_line, audit_page, csv_lines, json_lines
from app.console.permissions import Permission
from app.trust.audit import AuditLog, AuditQuery
from app.trust.errors import MalformedRequestError

_FILTERS = ("actor", "action", "subject", "since", "until")
_LONGEST_FILTER = 512
# As many digits as a sequence can have.
_DIGITS = 18
_Lines = Callable[[AuditLog, AuditQuery], Iterator[str]]


def add_to(bp: Blueprint) -> None:
    """Add the pages."""
    _add_list(bp)
    _add_chain(bp)
    _add_exports(bp)


def add_to_api(bp: Blueprint) -> None:
    """Add the routes for programs."""

    @bp.get("/audit")
    @access(Permission.AUDIT_READ)
    def audit() -> ResponseReturnValue:
        page = audit_page(services().audit, audit_query(request.args))
        return jsonify([audit_line(record) for record in page])

    @bp.get("/audit/chain")
    @access(Permission.AUDIT_READ)
    def verify_audit() -> ResponseReturnValue:
        found = services().audit_keeping.verify(_sequence(request.args, "after") or 0)
        return jsonify(
            {
                "reached": found.reached.sequence,
                "digest": found.reached.digest,
                "checked": found.checked,
                "broken": asdict(found.broken) if found.broken else None,
                "is_end": found.is_end,
            }
        )

    _add_exports(bp)


def audit_query(parameters: Mapping[str, str]) -> AuditQuery:
    """Which records a list shows.

    Raises:
        MalformedRequestError: a filter has a value that it cannot have.
    """
    for name in ("actor", "action", "subject"):
        if len(parameters.get(name, "")) > _LONGEST_FILTER:
            raise MalformedRequestError(f"{name} has at most {_LONGEST_FILTER} characters")
    return AuditQuery(
        actor=parameters.get("actor") or None,
        action=parameters.get("action") or None,
        subject=parameters.get("subject") or None,
        since=_moment(parameters, "since"),
        until=_moment(parameters, "until"),
        before=_sequence(parameters, "before"),
        limit=page_limit(),
    )


def _add_list(bp: Blueprint) -> None:
    @bp.get("/audit")
    @access(Permission.AUDIT_READ)
    def audit() -> ResponseReturnValue:
        query = audit_query(request.args)
        records = audit_page(services().audit, query)
        kept: dict[str, Any] = {
            name: request.args[name] for name in _FILTERS if request.args.get(name)
        }
        is_full = len(records) == query.limit
        older = url_for(".audit", **kept, before=records[-1].sequence) if is_full else None
        return render_template(
            "console/audit/list.html",
            records=records,
            chain=services().audit_keeping.state(),
            actions=services().audit.actions(),
            filters=request.args,
            kept=kept,
            newest=url_for(".audit", **kept) if query.before is not None else None,
            older=older,
        )

    @bp.get("/audit/<int:sequence>")
    @access(Permission.AUDIT_READ)
    def audit_record(sequence: int) -> ResponseReturnValue:
        record = services().audit.find(sequence) if sequence < 10**_DIGITS else None
        if record is None:
            abort(404, "There is no audit record of this number.")
        return render_template("console/audit/show.html", record=record)


def _add_chain(bp: Blueprint) -> None:
    @bp.get("/audit/chain")
    @access(Permission.AUDIT_READ)
    def audit_chain() -> ResponseReturnValue:
        keeping = services().audit_keeping
        found = keeping.verify(_sequence(request.args, "after") or 0)
        goes_on = not found.is_end and found.broken is None
        following = url_for(".audit_chain", after=found.reached.sequence, until="end")
        page = render_template(
            "console/audit/chain.html",
            found=found,
            state=keeping.state(),
            following=following if goes_on else None,
            is_running=request.args.get("until") == "end",
        )
        # Piece after piece without a script: each page leads to the next by itself.
        runs = goes_on and request.args.get("until") == "end"
        return (page, 200, {"Refresh": f"0; url={following}"}) if runs else page


def _add_exports(bp: Blueprint) -> None:
    @bp.get("/audit.jsonl")
    @access(Permission.AUDIT_READ)
    def export_audit() -> ResponseReturnValue:
        return _file(json_lines, "audit.jsonl", "application/x-ndjson")

    @bp.get("/audit.csv")
    @access(Permission.AUDIT_READ)
    def export_audit_csv() -> ResponseReturnValue:
        return _file(csv_lines, "audit.csv", "text/csv; charset=utf-8")


def _file(lines: _Lines, name: str, content_type: str) -> Response:
    query = audit_query(request.args)
    response = Response(streamed(lines(services().audit, query)), content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _moment(parameters: Mapping[str, str], name: str) -> datetime | None:
    """A time in ISO 8601; without an offset it is UTC."""
    text = parameters.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedRequestError(f"{name} is a time such as 2026-01-31T12:00") from error


def _sequence(parameters: Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise MalformedRequestError(f"{name} is the sequence number of a record")
    return int(text)
