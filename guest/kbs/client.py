"""The KBS as guests see it: the handshake driven over HTTP, and resources by token."""

from __future__ import annotations

import re

from guest.errors import ProtocolError
from guest.kbs.handshake import EvidenceMaker, Handshake
from guest.kbs.replies import success_json
from guest.kbs.tee_keys import TEEKeyPair
from guest.kbs.transport import Reply, Transport
from guest.wire.resource_uri import ResourceURI

PREFIX = "/kbs/v0"
SESSION_COOKIE = "kbs-session-id"

# The characters of a cookie value (RFC 6265, section 4.1.1).
_SESSION = re.compile(rf"{SESSION_COOKIE}=([!#-+\--:<-\[\]-~]{{1,4096}})(?:;|$)")


class KBSClient:
    """Calls one KBS. The session cookie lives as long as one handshake."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def attest(self, handshake: Handshake, make: EvidenceMaker) -> str:
        """Run the handshake; the token, unverified.

        Args:
            handshake: a fresh one.
            make: makes evidence for the challenge.

        Raises:
            AttesterError: there is no evidence.
            ConnectionFailedError, ProtocolError, RefusedError: the server.
        """
        reply = self._transport.post(f"{PREFIX}/auth", handshake.request(), {})
        handshake.receive_challenge(success_json(reply))
        evidence = handshake.evidence(make)
        reply = self._transport.post(
            f"{PREFIX}/attest", handshake.attestation(evidence), _session(reply)
        )
        return handshake.receive_token(success_json(reply))

    def fetch(self, uri: ResourceURI, token: str, key_pair: TEEKeyPair) -> bytes:
        """The plaintext of a resource.

        Args:
            uri: of the resource; its host routes nothing.
            token: that vouches for the key.
            key_pair: that the response is sealed to.

        Raises:
            RefusedError: the KBS refused; ``UnauthorizedError`` when a fresh token may help.
            SealedResponseError: the response does not open.
            ConnectionFailedError, ProtocolError: there was no proper answer.
        """
        path = f"{PREFIX}/{uri.plugin}/{uri.path}"
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        return key_pair.open(success_json(self._transport.get(path, headers)))


def _session(reply: Reply) -> dict[str, str]:
    """The header that continues the session which an answer began.

    Raises:
        ProtocolError: the answer began none.
    """
    for cookie in reply.cookies:
        match = _SESSION.match(cookie)
        if match:
            return {"Cookie": f"{SESSION_COOKIE}={match[1]}"}
    raise ProtocolError("the server answered the request without a session cookie")
