"""The Confidential Data Hub: resources, fetched with a token that the Attestation Agent brings."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from guest.aa.agent import AttestationAgent
from guest.errors import ResourceURIError, UnauthorizedError
from guest.kbs.client import KBSClient
from guest.wire.errors import WireError
from guest.wire.resource_uri import ResourceURI

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hub:
    """Fetches resources of one KBS.

    Attributes:
        agent: brings tokens; it alone attests.
        kbs: releases resources. In the passport model it has never seen this guest's evidence.
        token_type: which of the agent's tokens this KBS takes.
    """

    agent: AttestationAgent
    kbs: KBSClient
    token_type: str

    def get_resource(self, uri: str) -> bytes:
        """The plaintext of a resource.

        A token that the KBS refuses is replaced once, because it may have been revoked or outlived
        its signing key. Denials and missing resources are final.

        Raises:
            ResourceURIError: not a resource URI.
            UnauthorizedError: the KBS refused a fresh token too.
            GuestError: any other leaf.
        """
        try:
            parsed = ResourceURI.parse(uri)
        except WireError as error:
            raise ResourceURIError(str(error)) from error
        held = self.agent.get_token(self.token_type)
        try:
            return self.kbs.fetch(parsed, held.token, held.key_pair)
        except UnauthorizedError as error:
            _log.info("the KBS refused the token (%s), attesting afresh", error.reason or "401")
        self.agent.forget(self.token_type, held)
        fresh = self.agent.get_token(self.token_type)
        return self.kbs.fetch(parsed, fresh.token, fresh.key_pair)
