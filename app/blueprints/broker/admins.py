"""What operators call on the KBS: secrets, policies and reference values (wire.md, section 7)."""

from __future__ import annotations

import json

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import body_bytes, json_object, text_member
from app.broker.secrets import ResourceID
from app.console.permissions import Permission
from app.trust.errors import MalformedPolicyError
from app.trust.json_types import JSONObject
from guest.wire.encoding import b64url_decode
from guest.wire.errors import WireError


def add_routes(bp: Blueprint, *, with_attestation: bool) -> None:
    """Add the operators' routes.

    Args:
        bp: the blueprint of the KBS.
        with_attestation: whether the Attestation Service is in the same process; only then are
            there attestation policies and reference values to administer here.
    """

    @bp.post("/resource/<path:path>")
    @access(Permission.SECRET_WRITE)
    def write_resource(path: str) -> ResponseReturnValue:
        resource_id = ResourceID.of(path.split("/"))
        services().custody.write(resource_id, body_bytes(), actor())
        return _empty("text/xml")

    @bp.delete("/resource/<path:path>")
    @access(Permission.SECRET_DELETE)
    def delete_resource(path: str) -> ResponseReturnValue:
        services().custody.delete(ResourceID.of(path.split("/")), actor())
        return _empty("text/xml")

    @bp.post("/resource-policy")
    @access(Permission.POLICY_WRITE)
    def set_resource_policy() -> ResponseReturnValue:
        services().resource_policies.set(policy_member(json_object()), actor())
        return _empty()

    @bp.get("/resource-policy")
    @access(Permission.POLICY_READ)
    def list_resource_policies() -> ResponseReturnValue:
        return jsonify(services().resource_policies.ids())

    if with_attestation:
        _add_attestation_routes(bp)


def policy_member(body: JSONObject) -> str:
    """The policy text of a request's ``policy`` member, base64url of UTF-8.

    Raises:
        MalformedRequestError: there is no such text member.
        MalformedPolicyError: it is not base64url, or not UTF-8.
    """
    encoded = text_member(body, "policy")
    try:
        return b64url_decode(encoded.rstrip("=")).decode("utf-8")
    except (WireError, UnicodeDecodeError) as error:
        raise MalformedPolicyError("the policy is not base64url of UTF-8 text") from error


def _add_attestation_routes(bp: Blueprint) -> None:
    @bp.post("/attestation-policy")
    @access(Permission.POLICY_WRITE)
    def set_attestation_policy() -> ResponseReturnValue:
        body = json_object()
        policy_id = text_member(body, "policy_id")
        services().attestation_policies.set(policy_id, policy_member(body), actor())
        return _empty()

    @bp.post("/reference-value")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def register_reference_value() -> ResponseReturnValue:
        services().reference_values.register(json_object(), actor())
        return _empty("application/json")

    @bp.get("/reference-value/<path:name>")
    @access(Permission.REFERENCE_VALUE_READ)
    def read_reference_value(name: str) -> ResponseReturnValue:
        # Bare, without a line's end: Trustee's client prints the body as it is.
        value = services().reference_values.get(name).value
        return Response(json.dumps(value), content_type="application/json")


def _empty(content_type: str | None = None) -> Response:
    response = Response(status=200)
    if content_type is None:
        del response.headers["Content-Type"]
    else:
        response.headers["Content-Type"] = content_type
    return response
