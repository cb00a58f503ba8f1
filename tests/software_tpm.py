"""A TPM 2.0 in software (swtpm), which speaks on a Unix socket as the kernel's device does."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from guest.clock import SystemClock
from guest.devices.tpm import TPM, open_tpm

AK_HANDLE = 0x81010002
AZURE_AK_HANDLE = 0x81000003


@dataclass(frozen=True)
class SoftwareTPM:
    """A running TPM.

    Attributes:
        path: of its socket; one connection at a time.
    """

    path: Path

    @contextmanager
    def talk(self) -> Iterator[TPM]:
        """A conversation, by the guest's own code."""
        with open_tpm(self.path, SystemClock()) as tpm:
            yield tpm


@contextmanager
def software_tpm(folder: Path, *handles: int) -> Iterator[SoftwareTPM]:
    """A TPM whose state is in a folder, started as firmware does, with attestation keys.

    Unix sockets have short names, so the folder's must be short.
    """
    path = folder / "tpm"
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}"]
    command += ["--server", f"type=unixio,path={path}", "--flags", "not-need-init,startup-clear"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as program:
        try:
            deadline = time.monotonic() + 10
            while not _listens(path):
                assert program.poll() is None, "swtpm ended"
                assert time.monotonic() < deadline, "swtpm does not listen"
                time.sleep(0.01)
            tpm = SoftwareTPM(path)
            with tpm.talk() as words:
                for handle in handles:
                    if handle not in words.persistent_handles():
                        words.make_attestation_key(handle)
            yield tpm
        finally:
            program.terminate()


def _listens(path: Path) -> bool:
    """Whether it accepts connections; the socket is there a little earlier."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
