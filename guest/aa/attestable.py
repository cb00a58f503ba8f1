"""What this guest attests with: its TEE, and the devices beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from guest.attester import Attester, ChallengedAttester, Devices
from guest.wire.json_types import JSONValue
from guest.wire.messages import TEEEvidence
from guest.wire.runtime_data import runtime_data, runtime_data_digest


@dataclass(frozen=True, slots=True)
class Attestable:
    """What this guest attests with.

    Attributes:
        attester: of its TEE.
        devices: the way to the hardware.
        init_data: the exact text of the init-data document, if it has one.
        beside: attesters of devices.
    """

    attester: Attester
    devices: Devices
    init_data: str | None = None
    beside: tuple[Attester, ...] = ()

    def collect(self, report_data: bytes) -> JSONValue:
        """Evidence of the TEE over some bytes.

        Raises:
            AttesterError: no evidence could be made.
        """
        return self.attester.collect(report_data, self.devices)

    def collect_devices(self, report_data: bytes) -> str:
        """Evidence of every device over the same bytes: the text of a JSON object by TEE name.

        Returns:
            ``""`` when there are no devices.

        Raises:
            AttesterError: one of them made no evidence.
        """
        return self._devices_text({each.tee: report_data for each in self.beside})

    def compose(self, nonce: str, tee_pubkey: dict[str, str], algorithm: str) -> TEEEvidence:
        """Composite evidence for a challenge: devices first, since the TEE binds their evidence.

        Args:
            nonce: of the challenge, as it was received.
            tee_pubkey: public JWK of the TEE key.
            algorithm: that runtime data are hashed with, the devices', too.

        Raises:
            AttesterError: some part of it could not be made.
        """
        of_device = runtime_data(nonce, tee_pubkey, additional_evidence=None)
        additional = self._devices_text(
            {each.tee: runtime_data_digest(of_device, algorithm) for each in self.beside}
        )
        bound = runtime_data(nonce, tee_pubkey, additional_evidence=additional)
        primary = self._answer(nonce, runtime_data_digest(bound, algorithm))
        return TEEEvidence(primary, additional)

    def _answer(self, nonce: str, report_data: bytes) -> JSONValue:
        if isinstance(self.attester, ChallengedAttester):
            return self.attester.answer(nonce, report_data, self.devices)
        return self.collect(report_data)

    def _devices_text(self, report_data: dict[str, bytes]) -> str:
        made = {each.tee: each.collect(report_data[each.tee], self.devices) for each in self.beside}
        return json.dumps(made, separators=(",", ":")) if made else ""
