"""The Attestation Service: challenges, tokens, policies, reference values, keys (wire.md, 8.1)."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from app.blueprints.broker.admins import policy_member
from app.blueprints.deps import services
from app.blueprints.errors import DECISION_HEADER
from app.blueprints.gate import PUBLIC, access, actor
from app.blueprints.limits import RateLimit
from app.blueprints.parsing import json_object, text_member
from app.console.permissions import Permission
from app.trust.errors import MalformedRequestError
from guest.wire.errors import WireError
from guest.wire.messages import parse_attestation_evaluation

# Verifiers may keep a key set this long; rotation publishes the next key well before it signs.
_KEY_SET_SECONDS = 300


def blueprint(handshakes: RateLimit) -> Blueprint:
    """All routes of the AS; challenges and attestations are limited by address."""
    bp = Blueprint("attestation", __name__)

    @bp.post("/challenge")
    @handshakes
    @access(PUBLIC)
    def challenge() -> ResponseReturnValue:
        body = json_object()
        issued = services().attestation.issue_challenge(
            text_member(body, "tee"), body.get("tee_params", "")
        )
        if "application/json" in request.accept_mimetypes.values():
            return jsonify(issued.as_json())
        return Response(issued.nonce, content_type="text/plain; charset=utf-8")

    @bp.post("/attestation")
    @handshakes
    @access(PUBLIC)
    def attest() -> ResponseReturnValue:
        try:
            evaluation = parse_attestation_evaluation(json_object())
        except WireError as error:
            raise MalformedRequestError(str(error)) from error
        appraised = services().attestation.attest(evaluation)
        g.tee = appraised.tee
        response = Response(appraised.token, content_type="application/jwt")
        response.headers[DECISION_HEADER] = appraised.record.decision_id
        return response

    @bp.get("/.well-known/jwks.json")
    @access(PUBLIC)
    def key_set() -> ResponseReturnValue:
        return _cacheable(jsonify(services().token_keys.key_set()))

    @bp.get("/.well-known/openid-configuration")
    @access(PUBLIC)
    def discovery() -> ResponseReturnValue:
        posture = services().posture
        return _cacheable(
            jsonify(
                {
                    "issuer": posture.token_issuer,
                    "jwks_uri": f"{posture.public_url}/.well-known/jwks.json",
                    "id_token_signing_alg_values_supported": ["ES256"],
                    "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"],
                }
            )
        )

    _add_administration(bp)
    return bp


def _add_administration(bp: Blueprint) -> None:
    @bp.get("/policy")
    @access(PUBLIC)
    def list_policies() -> ResponseReturnValue:
        ids = services().attestation_policies.ids()
        return jsonify([{"policy-id": policy_id} for policy_id in ids])

    @bp.get("/policy/<policy_id>")
    @access(PUBLIC)
    def read_policy(policy_id: str) -> ResponseReturnValue:
        policy = services().attestation_policies.get(policy_id)
        return Response(policy.text, content_type="text/plain; charset=utf-8")

    @bp.post("/policy")
    @access(Permission.POLICY_WRITE)
    def set_policy() -> ResponseReturnValue:
        body = json_object()
        policy_id = text_member(body, "policy_id")
        services().attestation_policies.set(policy_id, policy_member(body), actor())
        return "", 200

    @bp.post("/reference-value")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def register_reference_value() -> ResponseReturnValue:
        services().reference_values.register(json_object(), actor())
        return "", 200

    @bp.get("/reference-value/<path:name>")
    @access(Permission.REFERENCE_VALUE_READ)
    def read_reference_value(name: str) -> ResponseReturnValue:
        return jsonify(services().reference_values.get(name).value)


def _cacheable(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={_KEY_SET_SECONDS}"
    return response
