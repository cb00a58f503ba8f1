"""The REST interface of an Attestation Service, as guests call it (wire.md, section 8.1)."""

from __future__ import annotations

from guest.errors import ProtocolError
from guest.kbs.replies import check_success
from guest.kbs.transport import Transport
from guest.wire.appraisals import AttestationEvaluation
from guest.wire.errors import WireError
from guest.wire.messages import NONCE_LIMIT, parse_challenge
from guest.wire.strict_json import parse_json_object

_TOKEN_LIMIT = 1024 * 1024


class ASClient:
    """Calls one Attestation Service."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def challenge(self, tee: str) -> str:
        """A nonce for evidence of a TEE; ``""`` from a service that issues none.

        Services answer JSON with a member ``nonce``, or the nonce itself as text.

        Raises:
            RefusedError: the service refused.
            ConnectionFailedError, ProtocolError: there was no proper answer.
        """
        body = {"tee": tee, "tee_params": ""}
        reply = self._transport.post("/challenge", body, {"Accept": "application/json"})
        check_success(reply)
        text = _text(reply.body, "challenge")
        if reply.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return text.strip()
        try:
            return parse_challenge(parse_json_object(text)).nonce
        except WireError as error:
            raise ProtocolError(f"the service's challenge is malformed: {error}") from error

    def attest(self, evaluation: AttestationEvaluation) -> str:
        """The token for some evidence, unverified.

        Raises:
            RefusedError: the service refused.
            ConnectionFailedError, ProtocolError: there was no proper answer.
        """
        reply = self._transport.post("/attestation", evaluation.as_json(), {})
        check_success(reply)
        token = _text(reply.body, "token").strip()
        if not token or len(token) > _TOKEN_LIMIT:
            raise ProtocolError("the service answered without a token")
        return token


def _text(body: bytes, name: str) -> str:
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError as error:
        raise ProtocolError(f"the service's {name} is not text") from error
    if name == "challenge" and len(text) > NONCE_LIMIT:
        raise ProtocolError("the service's challenge is longer than any nonce")
    return text
