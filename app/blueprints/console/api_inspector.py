"""The inspector, for programs: what is looked at stands in a body, never in an address."""

from __future__ import annotations

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access
from app.blueprints.parsing import json_object, text_member
from app.console.inspection.composer import InitDataDraft, compose
from app.console.inspection.evidence import parse_evidence
from app.console.inspection.init_data import inspect_init_data
from app.console.inspection.reports import (
    evidence_as_json,
    init_data_as_json,
    token_as_json,
    uri_as_json,
)
from app.console.issuer_requests import text_of
from app.console.permissions import Permission
from app.trust.json_types import JSONObject


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_guests_things(bp)
    _add_init_data(bp)


def _add_guests_things(bp: Blueprint) -> None:
    @bp.post("/inspect/token")
    @access(Permission.INSPECTOR_USE)
    def inspect_token() -> ResponseReturnValue:
        text = text_member(json_object(), "token")
        return jsonify(token_as_json(services().inspectors.tokens.inspect(text)))

    @bp.post("/inspect/evidence")
    @access(Permission.INSPECTOR_USE)
    def inspect_evidence() -> ResponseReturnValue:
        body = json_object()
        items = parse_evidence(text_member(body, "evidence"), text_of(body, "tee") or None)
        inspector = services().inspectors.evidence
        return jsonify(evidence_as_json([inspector.inspect(item) for item in items]))

    @bp.post("/inspect/uri")
    @access(Permission.INSPECTOR_USE)
    def inspect_uri() -> ResponseReturnValue:
        report = services().inspectors.uris.inspect(
            text_member(json_object(), "uri"), tells_existence=may(g.caller, Permission.SECRET_READ)
        )
        return jsonify(uri_as_json(report))


def _add_init_data(bp: Blueprint) -> None:
    @bp.post("/inspect/init-data")
    @access(Permission.INSPECTOR_USE)
    def inspect_document() -> ResponseReturnValue:
        text = text_member(json_object(), "init_data")
        return jsonify(init_data_as_json(inspect_init_data(text)))

    @bp.post("/init-data")
    @access(Permission.INSPECTOR_USE)
    def compose_init_data() -> ResponseReturnValue:
        return jsonify(init_data_as_json(compose(draft_of(json_object()))))


def draft_of(body: JSONObject) -> InitDataDraft:
    """What a request puts into init data; what it leaves out is filled in from this server.

    Raises:
        MalformedRequestError: a member is no text, or too long.
    """
    public = services().posture.public_url
    given = {name: text_of(body, name) for name in InitDataDraft.__slots__}
    defaults = {
        "kbs_url": public,
        "certificate": services().inspectors.server_certificate(),
        "algorithm": "sha256",
    }
    return InitDataDraft(
        **{name: given[name] if name in body else defaults.get(name, "") for name in given}
    )
