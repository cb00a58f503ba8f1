"""What guests call: the RCAR handshake and resources (wire.md, sections 1 to 3)."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from app.blueprints.broker.cookie import SESSION_COOKIE, set_session_cookie
from app.blueprints.deps import services
from app.blueprints.errors import DECISION_HEADER
from app.blueprints.gate import GUEST, PUBLIC, access
from app.blueprints.limits import RateLimit
from app.blueprints.parsing import bearer_token, json_object, query_parameters
from app.trust.errors import MalformedRequestError, PluginNotFoundError
from guest.wire.errors import WireError
from guest.wire.messages import parse_attestation, parse_request


def add_routes(bp: Blueprint, handshakes: RateLimit) -> None:
    """Add the guests' routes; handshakes are limited by address."""

    @bp.post("/auth")
    @handshakes
    @access(PUBLIC)
    def authenticate() -> ResponseReturnValue:
        try:
            wanted = parse_request(json_object())
        except WireError as error:
            raise MalformedRequestError(str(error)) from error
        begun = services().kbs.authenticate(wanted)
        response = jsonify(begun.challenge.as_json())
        set_session_cookie(response, begun.cookie, begun.expires_at)
        return response

    @bp.post("/attest")
    @handshakes
    @access(GUEST)
    def attest() -> ResponseReturnValue:
        try:
            attestation = parse_attestation(json_object())
        except WireError as error:
            raise MalformedRequestError(str(error)) from error
        cookie = request.cookies.get(SESSION_COOKIE)
        attested = services().kbs.attest(cookie, attestation)
        g.tee = attested.tee
        response = jsonify({"token": attested.token})
        set_session_cookie(response, cookie or "", attested.expires_at)
        if attested.decision_id:
            response.headers[DECISION_HEADER] = attested.decision_id
        return response

    @bp.get("/resource/<path:path>")
    @access(GUEST)
    def read_resource(path: str) -> ResponseReturnValue:
        return _release("resource", path)

    @bp.route("/<path:path>", methods=["GET", "POST", "PUT", "DELETE"])
    @access(GUEST)
    def call_plugin(path: str) -> ResponseReturnValue:
        plugin = path.partition("/")[0][:64]
        raise PluginNotFoundError(f"no plugin named {plugin!r} takes {request.method} here")


def _release(plugin: str, path: str) -> Response:
    released = services().kbs.release(
        cookie=request.cookies.get(SESSION_COOKIE),
        bearer=bearer_token(),
        plugin=plugin,
        segments=path.split("/"),
        query=query_parameters(),
    )
    response = jsonify(released.body)
    response.headers[DECISION_HEADER] = released.decision_id
    return response
