"""PCRs of a TPM as attesters use them: for init data, and for runtime measurements."""

from __future__ import annotations

from guest.attester import Devices
from guest.errors import MeasurementUnsupportedError

PCR_COUNT = 24
INIT_DATA_PCR = 8
# Software can reset these (PC Client Platform TPM Profile, section 4.6), so they prove nothing.
RESETTABLE = frozenset({16, 23})


class TPMRegisters:
    """Fits ``MeasuringAttester`` and ``InitDataRegisterAttester``."""

    measurement_algorithm = "sha256"
    # None is free by convention: the firmware, boot loaders and systemd use PCR 0 to 15, and the
    # rest is resettable or closed to the operating system.
    default_register: int | None = None
    evidence_carries_log = False

    def init_data_register(self, devices: Devices) -> bytes:
        """PCR 8.

        Raises:
            AttesterError: the TPM failed.
        """
        return _read(INIT_DATA_PCR, devices)

    def extend_init_data(self, digest: bytes, devices: Devices) -> None:
        """Extend PCR 8.

        Raises:
            AttesterError: the TPM failed.
        """
        _extend(INIT_DATA_PCR, digest, devices)

    def log_index(self, pcr: int) -> int:
        """The PCR's own number.

        Raises:
            MeasurementUnsupportedError: there is no such PCR, init data has it, or software could
                reset it.
        """
        if not 0 <= pcr < PCR_COUNT:
            raise MeasurementUnsupportedError(f"a TPM has PCR 0 to {PCR_COUNT - 1}")
        if pcr == INIT_DATA_PCR:
            raise MeasurementUnsupportedError("PCR 8 is for init data")
        if pcr in RESETTABLE:
            raise MeasurementUnsupportedError(f"any program can reset PCR {pcr}; it proves nothing")
        return pcr

    def read_register(self, pcr: int, devices: Devices) -> bytes:
        """A PCR of the SHA-256 bank.

        Raises:
            AttesterError: the TPM failed.
        """
        return _read(pcr, devices)

    def extend_register(self, pcr: int, digest: bytes, devices: Devices) -> None:
        """Extend a PCR of the SHA-256 bank.

        Raises:
            AttesterError: the TPM failed.
        """
        _extend(pcr, digest, devices)


def _read(pcr: int, devices: Devices) -> bytes:
    # Attesters are loaded to look for TEEs; the way to the hardware only when there is one.
    from guest.devices.tpm import open_tpm

    with open_tpm(devices.paths.tpm, devices.clock) as tpm:
        return tpm.read_pcrs(1 << pcr)[pcr]


def _extend(pcr: int, digest: bytes, devices: Devices) -> None:
    from guest.devices.tpm import open_tpm

    with open_tpm(devices.paths.tpm, devices.clock) as tpm:
        tpm.extend_pcr(pcr, digest)
