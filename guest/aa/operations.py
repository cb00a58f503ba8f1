"""What stock guests ask their Attestation Agent, answered byte for byte (guest.md, section 2.4)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum

from guest.aa.agent import AS_TOKEN, AttestationAgent
from guest.aa.attestable import Attestable
from guest.aa.events import Event
from guest.aa.init_data import bind_init_data_digest
from guest.aa.measurement import Measurer
from guest.errors import MeasurementNotEnabledError, MeasurementUnsupportedError


class MeasurementResult(Enum):
    """Answers to ``ExtendRuntimeMeasurement``, by their numbers in the protocol."""

    OK = 0
    NOT_SUPPORTED = 1
    NOT_ENABLED = 2


@dataclass(frozen=True, slots=True)
class AgentOperations:
    """The operations, independent of the protocol that carries them; safe to share by threads.

    Attributes:
        tokens: hands out tokens.
        subject: makes evidence.
        measurer: extends registers.
    """

    tokens: AttestationAgent
    subject: Attestable
    measurer: Measurer

    def get_evidence(self, runtime_data: bytes) -> bytes:
        """``GetEvidence``: compact JSON of the TEE's evidence over these bytes, unhashed.

        Raises:
            AttesterError: no evidence could be made.
        """
        made = self.subject.collect(runtime_data)
        return json.dumps(made, separators=(",", ":")).encode("ascii")

    def get_additional_evidence(self, runtime_data: bytes) -> bytes:
        """``GetAdditionalEvidence``: a compact JSON object by TEE name, nothing without devices.

        Raises:
            AttesterError: a device made no evidence.
        """
        return self.subject.collect_devices(runtime_data).encode("ascii")

    def get_token(self, kind: str) -> bytes:
        """``GetToken``: of ``kbs``, ``{"token","tee_keypair"}``; of ``coco_as``, the token alone.

        Whoever calls this must be one who may have the TEE's private key.

        Raises:
            ConfigError: settings have no server for this type.
            GuestError: attesting failed.
        """
        held = self.tokens.get_token(kind)
        if kind == AS_TOKEN:
            return held.token.encode("ascii")
        return json.dumps(held.as_json(), separators=(",", ":")).encode("ascii")

    def get_tee_type(self) -> str:
        """``GetTeeType``: the wire name."""
        return self.subject.attester.tee

    def get_additional_tees(self) -> list[str]:
        """``GetAdditionalTees``: the wire names of devices."""
        return [each.tee for each in self.subject.beside]

    def bind_init_data(self, digest: bytes) -> bool:
        """``BindInitData``: whether the hardware could be compared with the digest, and agreed.

        Raises:
            InitDataMismatchError: it did not agree.
            AttesterError: it could not be read.
        """
        return bind_init_data_digest(digest, self.subject.attester, self.subject.devices)

    def extend_runtime_measurement(
        self, domain: str, operation: str, content: str, register: int | None = None
    ) -> MeasurementResult:
        """``ExtendRuntimeMeasurement``.

        Raises:
            MalformedEventError: the event cannot be logged so that it reads back.
            ConfigError: there is no default register here, and none was named.
            AttesterError: the hardware refused, or log and register are not in step.
        """
        try:
            self.measurer.measure(Event(domain, operation, content), register)
        except MeasurementNotEnabledError:
            return MeasurementResult.NOT_ENABLED
        except MeasurementUnsupportedError:
            return MeasurementResult.NOT_SUPPORTED
        return MeasurementResult.OK
