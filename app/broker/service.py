"""The use cases of the Key Broker Service that guests call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.broker.handshakes import Attested, Begun, HandshakeService
from app.broker.plugins.enabled import Plugins
from app.broker.plugins.ports import Call
from app.broker.policies import ResourcePolicies
from app.broker.release import Released, ReleaseService, Request
from app.broker.tokens import TokenVerifier
from app.trust.clock import Clock
from app.trust.errors import MissingTokenError
from app.trust.revisions import Revisions, RevisionStore
from guest.wire import messages


@dataclass(frozen=True, slots=True)
class BrokerService:
    """The handshake and the release of resources."""

    handshakes: HandshakeService
    verifier: TokenVerifier
    releases: ReleaseService
    policies: ResourcePolicies
    plugins: Plugins
    revisions: RevisionStore
    clock: Clock

    def authenticate(self, request: messages.Request) -> Begun:
        """Challenge a guest (see ``HandshakeService.authenticate``)."""
        return self.handshakes.authenticate(request)

    def attest(self, cookie: str | None, attestation: messages.Attestation) -> Attested:
        """Turn evidence into a token (see ``HandshakeService.attest``)."""
        return self.handshakes.attest(cookie, attestation)

    def release(
        self,
        *,
        cookie: str | None,
        bearer: str | None,
        plugin: str,
        segments: list[str],
        query: Mapping[str, str],
    ) -> Released:
        """Release a resource to whoever holds a token that the policy accepts.

        Args:
            cookie: the session's, if one came.
            bearer: the token of the ``Authorization`` header, if one came.
            plugin: the first segment of the path.
            segments: the others, percent-decoded.
            query: the query string; of a repeated name the last value.

        Raises:
            PluginNotFoundError: no plugin of this name answers guests.
            MalformedResourceError: the path is not of the plugin's form.
            MissingTokenError: neither an attested session nor a bearer token came.
            MalformedTokenError, TokenError, IssuerUnavailableError: as ``TokenVerifier.verify``.
            DomainError: as ``ReleaseService.release``.
        """
        started_at = self.clock.now()
        call = Call(plugin, tuple(segments), query)
        answering = self.plugins.for_guests(plugin, "GET")
        answering.check(call)
        revisions = self.revisions.current()
        unverified_token = self._token(cookie, bearer, revisions)
        token = self.verifier.verify(unverified_token, started_at, revisions)
        policies = self.policies.applicable(revisions, call.path)
        return self.releases.release(Request(token, answering, call, policies, started_at))

    def _token(self, cookie: str | None, bearer: str | None, revisions: Revisions) -> str:
        """The session's token before the bearer's (wire.md 1.4)."""
        token = self.handshakes.token_of(cookie, revisions) if cookie else None
        token = token or bearer
        if token is None:
            raise MissingTokenError("neither an attested session nor a bearer token came along")
        return token
