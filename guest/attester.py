"""The port that every attester fits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Flag, auto
from pathlib import Path
from typing import Protocol, runtime_checkable

from guest.clock import Clock, SystemClock
from guest.devices.configfs_tsm import ConfigfsTSM, Filesystem, KernelFilesystem
from guest.devices.nodes import KernelNodes, Nodes
from guest.devices.paths import AZURE_METADATA, DEFAULT_AK_HANDLE, DevicePaths
from guest.errors import DeviceError
from guest.wire.json_types import JSONValue


class Place(Flag):
    """Where in composite evidence an attester may stand."""

    PRIMARY = auto()
    DEVICE = auto()


@dataclass(frozen=True, slots=True)
class Devices:
    """What attesters reach the hardware through.

    Attributes:
        paths: where things are.
        files: how configfs-tsm and measurement registers are read and written.
        nodes: how character devices are opened.
        clock: to wait on for hardware.
        ak_handle: of the attestation key that a TPM keeps.
        azure_metadata: URL of Azure's metadata service.
    """

    paths: DevicePaths = field(default_factory=DevicePaths)
    files: Filesystem = field(default_factory=KernelFilesystem)
    nodes: Nodes = field(default_factory=KernelNodes)
    clock: Clock = field(default_factory=SystemClock)
    ak_handle: int = DEFAULT_AK_HANDLE
    azure_metadata: str = AZURE_METADATA

    @property
    def tsm(self) -> ConfigfsTSM:
        """The kernel's report interface."""
        return ConfigfsTSM(self.paths.tsm_report, self.files)


class Attester(Protocol):
    """Makes evidence of one kind of TEE.

    Attributes:
        tee: wire name.
        rank: place in the order of detection, lowest first; ``None`` is never detected and must be
            named.
        insecure: whether its evidence can be forged by anyone.
        place: whether it makes primary evidence, that of a device beside it, or either.
    """

    @property
    def tee(self) -> str:
        """Wire name of the TEE."""
        ...

    @property
    def rank(self) -> int | None:
        """Place in the order of detection."""
        ...

    @property
    def insecure(self) -> bool:
        """Whether anyone can forge its evidence."""
        ...

    @property
    def place(self) -> Place:
        """Where its evidence may stand."""
        ...

    def is_present(self, devices: Devices) -> bool:
        """Whether this guest runs in such a TEE. Never raises."""
        ...

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """Evidence over some bytes, as JSON of the TEE's own shape.

        Args:
            report_data: at most 64 bytes for hardware, which pads them on the right with zeros.
            devices: the way to the hardware.

        Raises:
            AttesterError: no evidence could be made.
        """
        ...


@runtime_checkable
class InitDataAttester(Protocol):
    """What an attester also is when its hardware holds the digest of init data."""

    def init_data_field(self, devices: Devices) -> bytes:
        """The field that the host filled at launch, whole.

        Raises:
            AttesterError: it could not be read.
        """
        ...


@runtime_checkable
class InitDataRegisterAttester(Protocol):
    """What an attester also is when the guest itself extends a register with init data's digest.

    Such a register binds less than a field that the host filled: whatever ran before could have
    extended it. Verifiers expect it to be extended exactly once, from zero.
    """

    def init_data_register(self, devices: Devices) -> bytes:
        """The value of the register.

        Raises:
            AttesterError: it could not be read.
        """
        ...

    def extend_init_data(self, digest: bytes, devices: Devices) -> None:
        """Extend the register.

        Args:
            digest: as long as the register.
            devices: the way to the hardware.

        Raises:
            AttesterError: it could not be extended.
        """
        ...


@runtime_checkable
class MeasuringAttester(Protocol):
    """What an attester also is when its hardware measures at run time, too.

    Attributes:
        measurement_algorithm: that registers are extended with, by its wire name.
        default_register: the PCR that is extended when nobody names one; ``None`` when there is
            none that is free by convention.
        evidence_carries_log: whether verifiers replay the log, so that it has to explain every bit
            of the register from its beginning.
    """

    measurement_algorithm: str
    default_register: int | None
    evidence_carries_log: bool

    def log_index(self, pcr: int) -> int:
        """The index by which event logs name the register that a PCR stands for.

        Raises:
            MeasurementUnsupportedError: no register does.
        """
        ...

    def read_register(self, pcr: int, devices: Devices) -> bytes:
        """The value of the register that a PCR stands for.

        Raises:
            AttesterError: it could not be read.
        """
        ...

    def extend_register(self, pcr: int, digest: bytes, devices: Devices) -> None:
        """Extend the register that a PCR stands for.

        Raises:
            AttesterError: it could not be extended.
        """
        ...


@runtime_checkable
class ChallengedAttester(Protocol):
    """What an attester also is when its verifier's nonce is a request that the hardware answers."""

    def answer(self, challenge: str, report_data: bytes, devices: Devices) -> JSONValue:
        """Evidence for a request, over some bytes.

        Raises:
            AttesterError: no evidence could be made, or it is no such request.
        """
        ...


def pad_report_data(report_data: bytes) -> bytes:
    """64 bytes, padded on the right with zeros.

    Raises:
        DeviceError: there are more.
    """
    if len(report_data) > 64:
        raise DeviceError("report data is longer than 64 bytes")
    return report_data.ljust(64, b"\0")


def path_exists(path: Path) -> bool:
    """Whether something is there; what may not be looked at is not there."""
    try:
        return path.exists()
    except OSError:
        return False
