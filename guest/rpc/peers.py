"""Daemons of a stock guest that this one asks instead of doing the work itself, over ttrpc."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from guest.aa.agent import KBS_TOKEN
from guest.aa.operations import MeasurementResult
from guest.errors import PeerError, ResourceURIError
from guest.kbs.tee_keys import TEEKeyPair
from guest.mounts.requests import MountRequest
from guest.rpc.agent_service import AGENT_SERVICE
from guest.rpc.hub_service import (
    KEY_PROVIDER_SERVICE,
    RESOURCE_SERVICE,
    SEALED_SECRET_SERVICE,
    SECURE_MOUNT_SERVICE,
    mount_message,
)
from guest.rpc.protobuf import (
    Fields,
    MalformedMessageError,
    octets_field,
    optional_number_field,
    text_field,
)
from guest.ttrpc.client import TTRPCClient
from guest.wire.errors import WireError
from guest.wire.members import text_member
from guest.wire.resource_uri import ResourceURI
from guest.wire.strict_json import parse_json_object

_TEXT_LIMIT = 1024 * 1024

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class PeerAgent:
    """An Attestation Agent; each method raises ``PeerError`` or ``UnreachableError``."""

    client: TTRPCClient

    def get_evidence(self, runtime_data: bytes) -> bytes:
        """Evidence of the TEE, as JSON."""
        return self._ask("GetEvidence", octets_field(1, runtime_data), lambda it: it.octets(1))

    def get_additional_evidence(self, runtime_data: bytes) -> bytes:
        """Evidence of the devices, as JSON, or nothing."""
        message = octets_field(1, runtime_data)
        return self._ask("GetAdditionalEvidence", message, lambda it: it.octets(1))

    def get_token(self, kind: str) -> bytes:
        """A token, as guest.md, section 2.4 has it."""
        return self._ask("GetToken", text_field(1, kind), lambda it: it.octets(1))

    def get_tee_type(self) -> str:
        """Wire name of the TEE."""
        return self._ask("GetTeeType", b"", lambda it: it.text(1))

    def get_additional_tees(self) -> list[str]:
        """Wire names of the devices."""
        return self._ask("GetAdditionalTees", b"", lambda it: it.texts(1))

    def bind_init_data(self, digest: bytes) -> bool:
        """Have a digest compared; stock agents refuse that over ttrpc."""
        return self._ask("BindInitData", octets_field(1, digest), lambda _: True)

    def extend_runtime_measurement(
        self, domain: str, operation: str, content: str, register: int | None = None
    ) -> MeasurementResult:
        """Have a register extended with an event."""
        message = text_field(1, domain) + text_field(2, operation) + text_field(3, content)
        message += optional_number_field(4, register)
        number = self._ask("ExtendRuntimeMeasurement", message, lambda it: it.number(1) or 0)
        try:
            return MeasurementResult(number)
        except ValueError as error:
            raise PeerError("the Attestation Agent measured with an unknown result") from error

    def _ask(self, method: str, message: bytes, take: Callable[[Fields], _Value]) -> _Value:
        return _taken(self.client.call(AGENT_SERVICE, method, message), take)


@dataclass(frozen=True, slots=True)
class PeerTokenSource:
    """Tokens of the KBS that an Attestation Agent gets; they are kept here, and not asked anew."""

    agent: PeerAgent

    def fetch(self) -> tuple[str, TEEKeyPair]:
        """A token and its key pair.

        Raises:
            PeerError: the agent refused, or its answer holds no token with a key.
            UnreachableError: it did not answer.
        """
        try:
            members = parse_json_object(self.agent.get_token(KBS_TOKEN))
            token = text_member(members, "token", limit=_TEXT_LIMIT)
            return token, TEEKeyPair.from_pem(
                text_member(members, "tee_keypair", limit=_TEXT_LIMIT)
            )
        except WireError as error:
            raise PeerError("the Attestation Agent's answer holds no token with a key") from error


@dataclass(frozen=True, slots=True)
class PeerHub:
    """A Confidential Data Hub; each method raises ``PeerError`` or ``UnreachableError``."""

    client: TTRPCClient

    def get_resource(self, uri: str) -> bytes:
        """The plaintext of a resource.

        Raises:
            ResourceURIError: not a resource URI.
        """
        try:
            ResourceURI.parse(uri)
        except WireError as error:
            raise ResourceURIError(str(error)) from error
        return self._ask(RESOURCE_SERVICE, "GetResource", text_field(1, uri))

    def unseal_secret(self, text: str) -> bytes:
        """The plaintext of a sealed secret."""
        return self._ask(SEALED_SECRET_SERVICE, "UnsealSecret", text_field(1, text))

    def unwrap_key(self, request: bytes) -> bytes:
        """The answer to a request of ocicrypt."""
        return self._ask(KEY_PROVIDER_SERVICE, "UnWrapKey", octets_field(1, request))

    def mount(self, request: MountRequest) -> None:
        """Have a volume mounted."""
        self._ask(SECURE_MOUNT_SERVICE, "SecureMount", mount_message(request))

    def _ask(self, service: str, method: str, message: bytes) -> bytes:
        return _taken(self.client.call(service, method, message), lambda it: it.octets(1))


def _taken(response: Fields, take: Callable[[Fields], _Value]) -> _Value:
    try:
        return take(response)
    except MalformedMessageError as error:
        raise PeerError(f"the answer is of another form: {error}") from error
