"""The service of the Attestation Agent (guest.md, section 1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from guest.aa.agent import KBS_TOKEN
from guest.errors import DeniedError
from guest.rpc.protobuf import Fields, number_field, octets_field, text_field, texts_field
from guest.rpc.services import Method, Services

AGENT_SERVICE = "attestation_agent.AttestationAgentService"

_ERROR = "[ERROR:attestation-agent] "


class Result(Protocol):
    """The outcome of a measurement, by its number in the protocol."""

    @property
    def value(self) -> int:
        """The number."""
        ...


class AgentOperations(Protocol):
    """What the Attestation Agent does; each may raise any ``GuestError``."""

    def get_evidence(self, runtime_data: bytes) -> bytes:
        """Evidence of the TEE, as JSON."""
        ...

    def get_additional_evidence(self, runtime_data: bytes) -> bytes:
        """Evidence of the devices, as JSON, or nothing."""
        ...

    def get_token(self, kind: str) -> bytes:
        """A token; one of the KBS comes with the private key."""
        ...

    def get_tee_type(self) -> str:
        """Wire name of the TEE."""
        ...

    def get_additional_tees(self) -> list[str]:
        """Wire names of the devices."""
        ...

    def bind_init_data(self, digest: bytes) -> bool:
        """Compare a digest with what the hardware was started with."""
        ...

    def extend_runtime_measurement(
        self, domain: str, operation: str, content: str, register: int | None = None
    ) -> Result:
        """Extend a register with an event, and log it."""
        ...


@dataclass(frozen=True, slots=True)
class AgentService:
    """Answers for an Attestation Agent.

    Attributes:
        operations: what it does.
        callers_may_have_key: whether whoever can call is one who may have the TEE's private key.
    """

    operations: AgentOperations
    callers_may_have_key: bool

    def services(self) -> Services:
        """The table of its methods."""
        get_evidence_failed = f"{_ERROR}AA-KBC get evidence failed"
        get_tee_failed = f"{_ERROR}AA-KBC get tee type failed"
        methods = {
            "GetEvidence": Method(self._evidence, get_evidence_failed),
            "GetAdditionalEvidence": Method(self._additional_evidence, get_evidence_failed),
            "GetToken": Method(self._token, f"{_ERROR}AA-KBC get token failed"),
            "ExtendRuntimeMeasurement": Method(
                self._extend, f"{_ERROR}AA extend runtime measurement failed"
            ),
            # Stock agents have this one over gRPC only.
            "BindInitData": Method(self._bind, f"{_ERROR}AA binding init data failed"),
            "GetTeeType": Method(self._tee, get_tee_failed),
            "GetAdditionalTees": Method(self._additional_tees, get_tee_failed),
        }
        return {AGENT_SERVICE: methods}

    def _evidence(self, request: Fields) -> bytes:
        return octets_field(1, self.operations.get_evidence(request.octets(1)))

    def _additional_evidence(self, request: Fields) -> bytes:
        return octets_field(1, self.operations.get_additional_evidence(request.octets(1)))

    def _token(self, request: Fields) -> bytes:
        kind = request.text(1)
        if kind == KBS_TOKEN and not self.callers_may_have_key:
            raise DeniedError("the TEE's private key is not for whoever asks", status=403)
        return octets_field(1, self.operations.get_token(kind))

    def _extend(self, request: Fields) -> bytes:
        texts = (request.text(1), request.text(2), request.text(3))
        result = self.operations.extend_runtime_measurement(*texts, request.number(4))
        return number_field(1, result.value)

    def _bind(self, request: Fields) -> bytes:
        self.operations.bind_init_data(request.octets(1))
        return b""

    def _tee(self, request: Fields) -> bytes:  # noqa: ARG002  (one shape for all methods)
        return text_field(1, self.operations.get_tee_type())

    def _additional_tees(self, request: Fields) -> bytes:  # noqa: ARG002  (one shape for all methods)
        return texts_field(1, self.operations.get_additional_tees())
