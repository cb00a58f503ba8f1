"""What the loopback API answers: the routes of api-server-rest (guest.md, section 8)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from guest.aa.agent import AS_TOKEN, KBS_TOKEN
from guest.errors import GuestError, PeerError, ResourceURIError
from guest.kms.ports import ResourceFetcher
from guest.rest.messages import (
    BAD_REQUEST,
    FORBIDDEN,
    METHOD_NOT_ALLOWED,
    NO_ATTESTATION,
    NO_RESOURCES,
    NOT_FOUND,
    Request,
    Response,
    json_response,
    refusal,
)
from guest.rpc.agent_service import AgentOperations
from guest.serving_settings import ALL_FEATURES, ATTESTATION, RESOURCE
from guest.wire.encoding import b64url_decode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.members import text_member
from guest.wire.strict_json import parse_json_object

VERSION_PREFIX = "Guest Components Version: vouchgate-guest "

_RESOURCES = "/cdh/resource/"
_AGENT = "/aa/"
_INFO = "/info"
_EVENTS = "/aa/aael"
_METHODS = {_EVENTS: "POST"}

# Events of this domain are the guest's own, such as the pulling of images: verifiers believe that
# no container wrote them (guest.md, section 7.8).
RESERVED_DOMAIN = "github.com/confidential-containers"
_EVENT_LIMIT = 8 * 1024
_NOT_MEASURED = {
    1: "The platform does not support runtime measurement",
    2: "Attestation Agent does not enable eventlog recording",
}

_MAX_REPORT_DATA = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class API:
    """Answers requests; safe to share between threads.

    Attributes:
        get_resource: brings a resource by its URI; may raise any ``GuestError``.
        operations: of an Attestation Agent, this guest's or a stock one.
        version: of this program.
        features: ``resource``, ``attestation`` or ``all``.
        insecure_expose_tee_key: hand out the private key with a token.
    """

    get_resource: ResourceFetcher = field(repr=False)
    operations: AgentOperations
    version: str
    features: str = RESOURCE
    insecure_expose_tee_key: bool = False

    def answer(self, request: Request) -> Response:
        """The answer to any request. Never raises a ``GuestError``."""
        route = self._route(request.path)
        if request.method != _METHODS.get(request.path, "GET"):
            # Upstream takes any method for resources, and knows other methods of /aa not at all.
            return NOT_FOUND if request.path.startswith(_AGENT) else METHOD_NOT_ALLOWED
        try:
            return route(request)
        except GuestError as error:
            _log.info("%s failed: %s", request.path, error.code)
            # A container cannot act on the difference between statuses that proxies and clients
            # give meanings of their own; the code tells it.
            sentence = f"{error.code}: {error}"
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, sentence, error.code)

    def _route(self, path: str) -> Callable[[Request], Response]:
        if path == _INFO:
            return self._info
        if path.startswith(_RESOURCES):
            return self._resource if self._has(RESOURCE) else lambda _: NO_RESOURCES
        routes = {
            "/aa/token": self._token,
            "/aa/evidence": self._evidence,
            "/aa/additional-evidence": self._additional_evidence,
            _EVENTS: self._event,
        }
        if path not in routes:
            return lambda _: NOT_FOUND
        return routes[path] if self._has(ATTESTATION) else lambda _: NO_ATTESTATION

    def _has(self, feature: str) -> bool:
        return self.features in {feature, ALL_FEATURES}

    def _info(self, request: Request) -> Response:  # noqa: ARG002  (one shape for all routes)
        members: JSONObject = {
            "version": f"{VERSION_PREFIX}{self.version}",
            "tee": self.operations.get_tee_type(),
        }
        beside = self.operations.get_additional_tees()
        if beside:
            members["additional_tees"] = list(beside)
        return json_response(members | {"feature": self.features})

    def _resource(self, request: Request) -> Response:
        try:
            path = request.path.removeprefix(_RESOURCES)
            return Response(HTTPStatus.OK, self.get_resource(f"kbs:///{path}"))
        except ResourceURIError:
            return BAD_REQUEST

    def _token(self, request: Request) -> Response:
        kind = request.parameters.get("token_type")
        if kind not in {AS_TOKEN, KBS_TOKEN}:
            return BAD_REQUEST
        token = self.operations.get_token(kind)
        if kind == KBS_TOKEN and not self.insecure_expose_tee_key:
            token = _without_key(token)
        return Response(HTTPStatus.OK, token)

    def _evidence(self, request: Request) -> Response:
        report_data = _report_data(request)
        if report_data is None:
            return BAD_REQUEST
        return Response(HTTPStatus.OK, self.operations.get_evidence(report_data))

    def _additional_evidence(self, request: Request) -> Response:
        report_data = _report_data(request)
        if report_data is None:
            return BAD_REQUEST
        return Response(HTTPStatus.OK, self.operations.get_additional_evidence(report_data))

    def _event(self, request: Request) -> Response:
        """Upstream answers an event that was not measured with 200 and a sentence."""
        try:
            members = parse_json_object(request.body)
            names = ("domain", "operation", "content")
            texts = [text_member(members, name, limit=_EVENT_LIMIT) for name in names]
        except WireError:
            return BAD_REQUEST
        if texts[0] == RESERVED_DOMAIN:
            return FORBIDDEN
        domain, operation, content = texts
        result = self.operations.extend_runtime_measurement(domain, operation, content)
        sentence = _NOT_MEASURED.get(result.value)
        if sentence is None:
            return json_response({"success": "true"})
        return json_response({"success": "false", "message": sentence})


def _without_key(token: bytes) -> bytes:
    """A token of the KBS as containers may have it.

    Raises:
        PeerError: the agent's answer holds none.
    """
    try:
        members = parse_json_object(token)
        kept: JSONObject = {"token": text_member(members, "token", limit=len(token))}
    except WireError as error:
        raise PeerError("the Attestation Agent's answer holds no token") from error
    return json.dumps(kept, separators=(",", ":")).encode("ascii")


def _report_data(request: Request) -> bytes | None:
    """The bytes to bind, or ``None`` when they are missing, undecodable, or more than 64."""
    text = request.parameters.get("runtime_data")
    encoding = request.parameters.get("encoding")
    if text is None or encoding not in {None, "base64"}:
        return None
    try:
        data = text.encode("utf-8") if encoding is None else b64url_decode(text)
    except (WireError, UnicodeEncodeError):
        return None
    return data if len(data) <= _MAX_REPORT_DATA else None
