"""What the loopback API answers: the routes of api-server-rest (guest.md, section 8)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from guest.aa.agent import AS_TOKEN, KBS_TOKEN
from guest.aa.tokens import TEEToken
from guest.errors import GuestError, ResourceURIError
from guest.rest.messages import (
    BAD_REQUEST,
    METHOD_NOT_ALLOWED,
    NO_ATTESTATION,
    NO_RESOURCES,
    NOT_FOUND,
    Request,
    Response,
    json_response,
    refusal,
)
from guest.settings import ALL_FEATURES, ATTESTATION, RESOURCE
from guest.wire.encoding import b64url_decode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONValue

VERSION_PREFIX = "Guest Components Version: vouchgate-guest "

_RESOURCES = "/cdh/resource/"
_AGENT = "/aa/"
_INFO = "/info"

_MAX_REPORT_DATA = 64

_log = logging.getLogger(__name__)


class ResourceHub(Protocol):
    """Brings resources."""

    def get_resource(self, uri: str) -> bytes:
        """The plaintext of a resource.

        Raises:
            GuestError: any leaf.
        """
        ...


class TokenAgent(Protocol):
    """Brings tokens."""

    def get_token(self, kind: str) -> TEEToken:
        """A token that is valid for a while yet.

        Raises:
            GuestError: any leaf.
        """
        ...


@dataclass(frozen=True, slots=True)
class API:
    """Answers requests; safe to share between threads.

    Attributes:
        hub: brings resources.
        agent: brings tokens.
        collect: makes evidence over at most 64 bytes.
        tee: wire name of this guest's TEE.
        version: of this program.
        features: ``resource``, ``attestation`` or ``all``.
        insecure_expose_tee_key: hand out the private key with a token.
        collect_devices: makes evidence of the devices beside the TEE, as text; ``""`` without any.
    """

    hub: ResourceHub
    agent: TokenAgent
    collect: Callable[[bytes], JSONValue] = field(repr=False)
    tee: str
    version: str
    features: str = RESOURCE
    insecure_expose_tee_key: bool = False
    collect_devices: Callable[[bytes], str] = field(default=lambda _: "", repr=False)

    def answer(self, request: Request) -> Response:
        """The answer to any request. Never raises a ``GuestError``."""
        route = self._route(request.path)
        if request.method != "GET":
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
        }
        if path not in routes:
            return lambda _: NOT_FOUND
        return routes[path] if self._has(ATTESTATION) else lambda _: NO_ATTESTATION

    def _has(self, feature: str) -> bool:
        return self.features in {feature, ALL_FEATURES}

    def _info(self, request: Request) -> Response:  # noqa: ARG002  (one shape for all routes)
        version = f"{VERSION_PREFIX}{self.version}"
        return json_response({"version": version, "tee": self.tee, "feature": self.features})

    def _resource(self, request: Request) -> Response:
        try:
            path = request.path.removeprefix(_RESOURCES)
            return Response(HTTPStatus.OK, self.hub.get_resource(f"kbs:///{path}"))
        except ResourceURIError:
            return BAD_REQUEST

    def _token(self, request: Request) -> Response:
        kind = request.parameters.get("token_type")
        if kind not in {AS_TOKEN, KBS_TOKEN}:
            return BAD_REQUEST
        held = self.agent.get_token(kind)
        if kind == AS_TOKEN:
            return Response(HTTPStatus.OK, held.token.encode("ascii"))
        members = held.as_json() if self.insecure_expose_tee_key else {"token": held.token}
        return Response(HTTPStatus.OK, json.dumps(members, separators=(",", ":")).encode("ascii"))

    def _evidence(self, request: Request) -> Response:
        report_data = _report_data(request)
        if report_data is None:
            return BAD_REQUEST
        evidence = self.collect(report_data)
        return Response(HTTPStatus.OK, json.dumps(evidence, separators=(",", ":")).encode("ascii"))

    def _additional_evidence(self, request: Request) -> Response:
        report_data = _report_data(request)
        if report_data is None:
            return BAD_REQUEST
        return Response(HTTPStatus.OK, self.collect_devices(report_data).encode("ascii"))


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
