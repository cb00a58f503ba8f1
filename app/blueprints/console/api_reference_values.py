"""The operators' REST API of reference values: lists, history, readers, and changes."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.attestation.reference_values import DraftReferenceValue, ReferenceValue, RegisteredValue
from app.blueprints.console.reference_values import HISTORY_PAGE, expiry_state
from app.blueprints.deps import services
from app.blueprints.gate import access, actor, require
from app.blueprints.parsing import body_bytes, json_object, page_limit, whole_number
from app.console.attested_values import Offer, take
from app.console.permissions import Permission
from app.console.reference_value_files import parse_expiry
from app.console.reference_value_imports import ImportPlan
from app.trust.errors import (
    MalformedReferenceValueError,
    MalformedRequestError,
    ReferenceValueNotFoundError,
)
from app.trust.json_types import JSONObject, JSONValue

_SOURCE = "rest"
_CSV = "text/csv"


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_reading(bp)
    _add_writing(bp)
    _add_taking(bp)


def _add_reading(bp: Blueprint) -> None:
    @bp.get("/reference-values")
    @access(Permission.REFERENCE_VALUE_READ)
    def reference_values() -> ResponseReturnValue:
        after, limit = request.args.get("after") or None, page_limit()
        if request.args.get("use") == "unread":
            page = services().reference_value_use.unread(after=after, limit=limit)
        else:
            containing = request.args.get("containing") or None
            page = services().reference_values.page(
                after=after, limit=limit, containing=containing, state=expiry_state()
            )
        return jsonify([_value(each) for each in page])

    @bp.get("/reference-values/history")
    @access(Permission.REFERENCE_VALUE_READ)
    def reference_value_history() -> ResponseReturnValue:
        before = whole_number(request.args, "before", 0) or None
        history = services().reference_values.history(
            _name(), before=before, limit=page_limit(HISTORY_PAGE)
        )
        if not history and before is None:
            raise ReferenceValueNotFoundError("there never was a reference value of this name")
        return jsonify([_entry(each) for each in history])

    @bp.get("/reference-values/missing")
    @access(Permission.REFERENCE_VALUE_READ)
    def missing_reference_values() -> ResponseReturnValue:
        return jsonify([asdict(each) for each in services().reference_value_use.missing()])


def _add_writing(bp: Blueprint) -> None:
    @bp.post("/reference-values")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def add_reference_values() -> ResponseReturnValue:
        drafts = _drafts(json_object().get("values"))
        added = services().reference_values.add(drafts, _SOURCE, actor())
        return jsonify([_value(each) for each in added])

    @bp.post("/reference-values/import")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def import_reference_values() -> ResponseReturnValue:
        filename = "body.csv" if request.mimetype == _CSV else "body.json"
        plan = services().imports.plan_file(body_bytes(), filename, _SOURCE)
        change = plan.change()
        if _is_asked_for("dry_run"):
            return jsonify({"registered": False, "proposal_id": None, **_plan(plan)})
        if _is_asked_for("draft"):
            require(Permission.PROPOSAL_WRITE)
            proposal = services().proposals.propose(change, actor())
            proposal_id = proposal.proposal_id
            return jsonify({"registered": False, "proposal_id": proposal_id, **_plan(plan)})
        services().reference_values.add(change.register, change.source, actor())
        return jsonify({"registered": True, "proposal_id": None, **_plan(plan)})

    @bp.delete("/reference-values")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def withdraw_reference_value() -> ResponseReturnValue:
        name = _name()
        services().reference_values.withdraw(name, actor())
        return jsonify({"name": name, "withdrawn": True})


def _add_taking(bp: Blueprint) -> None:
    @bp.get("/decisions/<decision_id>/reference-values")
    @access(Permission.REFERENCE_VALUE_READ)
    def offered_reference_values(decision_id: str) -> ResponseReturnValue:
        return jsonify(_offer(services().attested_values.offer(decision_id)))

    @bp.post("/decisions/<decision_id>/reference-values")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def take_reference_values(decision_id: str) -> ResponseReturnValue:
        names = json_object().get("names")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise MalformedRequestError("names is a list of names")
        change = take(services().attested_values.offer(decision_id), names)
        added = services().reference_values.add(change.register, change.source, actor())
        return jsonify([_value(each) for each in added])


def _is_asked_for(name: str) -> bool:
    return request.args.get(name, "") in ("true", "1")


def _name() -> str:
    """The parameter ``name``; names have slashes, so that they are no part of a path."""
    name = request.args.get("name")
    if not name:
        raise MalformedRequestError("name says which reference value")
    return name


def _drafts(values: JSONValue) -> list[DraftReferenceValue]:
    if not isinstance(values, list):
        raise MalformedRequestError("values is a list of objects with name and value")
    return [_draft(each) for each in values]


def _draft(entry: JSONValue) -> DraftReferenceValue:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise MalformedRequestError("each of values is an object with a name")
    value, expires_at = entry.get("value"), entry.get("expires_at")
    if value is None or not isinstance(expires_at, str | None):
        raise MalformedReferenceValueError(
            "each of values has a value that is not null, and may have expires_at, a time"
        )
    return DraftReferenceValue(entry["name"], value, parse_expiry(expires_at or ""))


def _value(value: ReferenceValue) -> JSONObject:
    return {
        **asdict(value),
        "expires_at": value.expires_at.isoformat(),
        "registered_at": value.registered_at.isoformat(),
        "state": services().reference_values.state_of(value),
    }


def _entry(entry: RegisteredValue) -> JSONObject:
    return {
        **_value(entry.value),
        "number": entry.number,
        "registered_by": entry.registered_by,
        "active": entry.active,
        "withdrawn_at": entry.withdrawn_at.isoformat() if entry.withdrawn_at else None,
        "withdrawn_by": entry.withdrawn_by,
    }


def _plan(plan: ImportPlan) -> JSONObject:
    return {
        "source": plan.source,
        "values": [
            {
                "line": each.line,
                "name": each.draft.name,
                "effect": each.effect,
                "before": each.before.value if each.before else None,
                "after": each.draft.value,
                "provenance": asdict(each.draft.provenance) if each.draft.provenance else None,
            }
            for each in plan.values
        ],
    }


def _offer(offer: Offer) -> JSONObject:
    return {
        **asdict(offer),
        "at": offer.at.isoformat(),
        "evidence": [{"tee": tee, "digest": digest} for tee, digest in offer.evidence],
    }
