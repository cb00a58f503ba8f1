"""The port that every attester fits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from guest.devices.configfs_tsm import ConfigfsTSM, Filesystem, KernelFilesystem
from guest.devices.paths import DevicePaths
from guest.errors import DeviceError
from guest.wire.json_types import JSONValue


@dataclass(frozen=True, slots=True)
class Devices:
    """What attesters reach the hardware through.

    Attributes:
        paths: where things are.
        files: how configfs-tsm is read and written.
    """

    paths: DevicePaths = field(default_factory=DevicePaths)
    files: Filesystem = field(default_factory=KernelFilesystem)

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
