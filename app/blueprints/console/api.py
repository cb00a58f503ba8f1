"""The operators' REST API: what the pages show, for programs."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.blueprints.console import (
    api_collateral,
    api_inspector,
    api_proposals,
    api_reference_values,
    api_secrets,
    api_trust,
    audit,
    settings,
)
from app.blueprints.console.queries import decision_query, decision_summary
from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.console.permissions import Permission
from app.trust.decisions import DecisionRecord
from app.trust.errors import DecisionNotFoundError


def blueprint(*, with_broker: bool, with_attestation: bool) -> Blueprint:
    """The routes that the roles of this process have something to say to."""
    bp = Blueprint("api", __name__, url_prefix="/api/v1")
    _add_decisions(bp)
    audit.add_to_api(bp)
    settings.add_to_api(bp)
    api_inspector.add_to(bp)
    api_proposals.add_to(bp)
    if with_broker:
        api_secrets.add_to(bp)
        api_trust.add_to(bp)
    if with_attestation:
        api_reference_values.add_to(bp)
        _add_keys(bp)
        api_collateral.add_to(bp)
    return bp


def _add_decisions(bp: Blueprint) -> None:
    @bp.get("/decisions")
    @access(Permission.DECISION_READ)
    def decisions() -> ResponseReturnValue:
        page = services().decisions.page(decision_query(request.args))
        return jsonify([decision_summary(record) for record in page])

    @bp.get("/decisions/<decision_id>")
    @access(Permission.DECISION_READ)
    def decision(decision_id: str) -> ResponseReturnValue:
        record = _decision(decision_id)
        return jsonify(
            {**decision_summary(record), "inputs": record.inputs, "result": record.result}
        )

    @bp.post("/decisions/<decision_id>/replay")
    @access(Permission.DECISION_REPLAY)
    def replay(decision_id: str) -> ResponseReturnValue:
        return jsonify(asdict(services().replay(_decision(decision_id))))


def _add_keys(bp: Blueprint) -> None:
    @bp.post("/keys/rotate")
    @access(Permission.KEY_ROTATE)
    def rotate() -> ResponseReturnValue:
        services().token_keys.rotate(actor())
        return jsonify(services().token_keys.key_set())


def _decision(decision_id: str) -> DecisionRecord:
    record = services().decisions.find(decision_id)
    if record is None:
        raise DecisionNotFoundError("no decision of this id is recorded")
    return record
