"""The operators' REST API: what the pages show, for programs."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.blueprints.console import (
    api_account,
    api_accounts,
    api_collateral,
    api_inspector,
    api_policies,
    api_proposals,
    api_reference_values,
    api_secrets,
    api_trust,
    audit,
    first_steps,
    overview,
    settings,
)
from app.blueprints.console.decisions import decision_record, exported, whole_decision
from app.blueprints.console.queries import decision_query, decision_summary
from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.console.explanation_json import explanation_as_json
from app.console.permissions import Permission
from app.trust.json_types import JSONObject
from app.trust.signing_keys import StoredKey


def blueprint(*, with_broker: bool, with_attestation: bool) -> Blueprint:
    """The routes that the roles of this process have something to say to."""
    bp = Blueprint("api", __name__, url_prefix="/api/v1")
    _add_decisions(bp)
    audit.add_to_api(bp)
    api_account.add_to(bp)
    api_accounts.add_to(bp)
    first_steps.add_to_api(bp)
    overview.add_to_api(bp)
    settings.add_to_api(bp)
    api_inspector.add_to(bp)
    api_policies.add_to(bp)
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

    @bp.get("/decisions/export")
    @access(Permission.DECISION_READ)
    def export_decisions() -> ResponseReturnValue:
        return exported()

    @bp.get("/decisions/<decision_id>")
    @access(Permission.DECISION_READ)
    def decision(decision_id: str) -> ResponseReturnValue:
        return jsonify(whole_decision(decision_record(decision_id)))

    @bp.get("/decisions/<decision_id>/why")
    @access(Permission.DECISION_READ)
    def why(decision_id: str) -> ResponseReturnValue:
        explanation = services().explain(decision_record(decision_id))
        return jsonify(explanation_as_json(explanation, services().policies))

    @bp.post("/decisions/<decision_id>/replay")
    @access(Permission.DECISION_REPLAY)
    def replay(decision_id: str) -> ResponseReturnValue:
        return jsonify(asdict(services().replay(decision_record(decision_id))))


def _add_keys(bp: Blueprint) -> None:
    @bp.get("/keys")
    @access(Permission.KEY_READ)
    def signing_keys() -> ResponseReturnValue:
        return jsonify([_key(each) for each in services().token_keys.list()])

    @bp.post("/keys/rotate")
    @access(Permission.KEY_ROTATE)
    def rotate() -> ResponseReturnValue:
        services().token_keys.rotate(actor())
        return jsonify(services().token_keys.key_set())


def _key(key: StoredKey) -> JSONObject:
    """A key without its private half; its public half is in the key set."""
    return {
        "key_id": key.key_id,
        "state": key.state,
        "algorithm": key.public_jwk["alg"],
        "created_at": key.created_at.isoformat(),
        "retires_at": key.retires_at.isoformat() if key.retires_at else None,
    }
