"""Azure's firmware around a virtual TPM: it makes the HCL report anew when a guest writes into it.

It sits between the guest and a software TPM and passes commands on. Sizes are of a software TPM,
which keeps at most 2048 bytes under an index.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from software_tpm import AZURE_AK_HANDLE, SoftwareTPM

from guest.clock import SystemClock
from guest.devices.hcl_report import REPORT_DATA_INDEX, REPORT_INDEX
from guest.devices.tpm import TPM
from guest.devices.tpm_channel import Channel

HCL_BYTES = 2048
_NV_READ, _NV_WRITE = 0x14E, 0x137


@dataclass
class Paravisor:
    """What the guest's connection goes through.

    Attributes:
        path: of the socket that the guest opens.
        make_report: from the TPM's attestation key (TPMT_PUBLIC) and the guest's 64 bytes to an HCL
            report.
        late: how often the old report is read yet before the new one is there.
    """

    path: Path
    make_report: Callable[[bytes, bytes], bytes]
    late: int = 0
    writes: list[bytes] = field(default_factory=list)

    def answer(self, command: bytes, channel: Channel) -> bytes:
        """The TPM's response, and what the firmware does besides."""
        code, handles = int.from_bytes(command[6:10], "big"), command[10:18]
        index = int.from_bytes(handles[4:], "big")
        begins = command[-2:] == b"\0\0"
        if code == _NV_READ and index == REPORT_INDEX and begins and self.writes:
            self._renew(channel)
        response = channel.transact(command)
        if code == _NV_WRITE and index == REPORT_DATA_INDEX:
            self.writes.append(command[-66:-2])
        return response

    def boot(self, tpm: SoftwareTPM) -> None:
        """The report that a machine has from its start."""
        with tpm.talk() as words:
            self._store(words, bytes(64))

    def _renew(self, channel: Channel) -> None:
        if self.late:
            self.late -= 1
            return
        self._store(TPM(channel, SystemClock()), self.writes[-1])

    def _store(self, words: TPM, user_data: bytes) -> None:
        key = words.read_public(AZURE_AK_HANDLE)
        words.write_nv(REPORT_INDEX, self.make_report(key, user_data))


@contextmanager
def paravisor(
    folder: Path, tpm: SoftwareTPM, make_report: Callable[[bytes, bytes], bytes]
) -> Iterator[Paravisor]:
    """A running one."""
    around = Paravisor(folder / "vtpm", make_report)
    around.boot(tpm)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(around.path))
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, tpm, around), daemon=True)
        thread.start()
        yield around
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(listener: socket.socket, tpm: SoftwareTPM, around: Paravisor) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, tpm.talk() as words:
            while command := connection.recv(4096):
                connection.sendall(around.answer(command, words._channel))
