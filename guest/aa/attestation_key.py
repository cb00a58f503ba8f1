"""The attestation key of a TPM, by which operators enrol a machine (verifier ``tpm``)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from guest.attester import Devices
from guest.devices.tpm import open_tpm
from guest.devices.tpm_quotes import public_key_info
from guest.devices.tpm_wire import TPMRefusedError


@dataclass(frozen=True, slots=True)
class AttestationKey:
    """A public key.

    Attributes:
        encoded: SubjectPublicKeyInfo, DER.
    """

    encoded: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of it, hex: what ``trusted_aks`` of the verifier lists."""
        return hashlib.sha256(self.encoded).hexdigest()


def read_attestation_key(devices: Devices, *, make: bool) -> AttestationKey:
    """The key that the TPM keeps under the handle of the settings.

    Args:
        devices: the way to the TPM.
        make: make the key first where there is none.

    Raises:
        AttesterError: there is no TPM or no key, or it is not for attestation.
    """
    with open_tpm(devices.paths.tpm, devices.clock) as tpm:
        try:
            public = tpm.read_public(devices.ak_handle)
        except TPMRefusedError as error:
            if not (make and error.is_missing):
                raise
            tpm.make_attestation_key(devices.ak_handle)
            public = tpm.read_public(devices.ak_handle)
    return AttestationKey(public_key_info(public))
