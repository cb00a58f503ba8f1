"""Reports through configfs-tsm."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from emulated_tsm import EmulatedTSM

from guest.devices.configfs_tsm import ATTEMPTS, ConfigfsTSM, KernelFilesystem
from guest.errors import DeviceConflictError, DeviceError, NoTEEError

DATA = bytes(range(64))


def emulated(**changes: object) -> EmulatedTSM:
    """A kernel that answers with its input turned round."""
    made = EmulatedTSM("tdx_guest", lambda inblob: inblob[::-1])
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("provider", ["sev_guest", "tdx_guest\n", "tdx_guestx", ""])
def test_refuses_another_provider(tmp_path: Path, provider: str) -> None:
    """The whole line has to agree, newline included."""
    with pytest.raises(NoTEEError):
        ConfigfsTSM(tmp_path, emulated(provider=provider)).report("tdx_guest", DATA)
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_machine_without_the_interface(tmp_path: Path) -> None:
    """No folder, no TEE."""
    tsm = ConfigfsTSM(tmp_path / "none", emulated())
    assert tsm.provider() is None
    with pytest.raises(NoTEEError):
        tsm.report("tdx_guest", DATA)


@pytest.mark.parametrize("inblob", [b"", bytes(65)])
def test_refuses_report_data_of_another_length(tmp_path: Path, inblob: bytes) -> None:
    """The kernel takes 1 to 64 bytes."""
    with pytest.raises(DeviceError):
        ConfigfsTSM(tmp_path, emulated()).report("tdx_guest", inblob)


@pytest.mark.parametrize("step", ["mkdir", "provider", "inblob", "outblob", "generation"])
def test_says_when_the_kernel_refuses(tmp_path: Path, step: str) -> None:
    """Every step may fail, and no request is left behind."""
    with pytest.raises(DeviceError):
        ConfigfsTSM(tmp_path, emulated(failing={step: errno.ENXIO})).report("tdx_guest", DATA)
    assert list(tmp_path.iterdir()) == []


def test_refuses_an_empty_report(tmp_path: Path) -> None:
    """Nothing is no evidence."""
    with pytest.raises(DeviceError):
        ConfigfsTSM(tmp_path, emulated(make_report=lambda _: b"")).report("tdx_guest", DATA)


def test_gives_up_when_others_keep_writing(tmp_path: Path) -> None:
    """A report over someone else's data is never returned."""
    kernel = emulated(disturbed=ATTEMPTS)
    with pytest.raises(DeviceConflictError):
        ConfigfsTSM(tmp_path, kernel).report("tdx_guest", DATA)
    assert list(tmp_path.iterdir()) == []


def test_a_busy_kernel_is_a_conflict(tmp_path: Path) -> None:
    """EWOULDBLOCK is how the kernel says that the request changed."""
    kernel = emulated(failing={"outblob": errno.EWOULDBLOCK})
    with pytest.raises(DeviceConflictError):
        ConfigfsTSM(tmp_path, kernel).report("tdx_guest", DATA)


def test_tries_again_after_a_disturbance(tmp_path: Path) -> None:
    """Two disturbed requests, then one of our own."""
    kernel = emulated(disturbed=2)
    assert ConfigfsTSM(tmp_path, kernel).report("tdx_guest", DATA).outblob == DATA[::-1]
    assert len(kernel.writes) == 3


def test_refuses_a_generation_that_is_no_number(tmp_path: Path) -> None:
    """What cannot be compared cannot be trusted."""

    class Odd(EmulatedTSM):
        def read(self, path: Path) -> bytes:
            return b"many\n" if path.name == "generation" else super().read(path)

    with pytest.raises(DeviceError):
        ConfigfsTSM(tmp_path, Odd("tdx_guest", bytes)).report("tdx_guest", DATA)


def test_writes_once_and_leaves_nothing(tmp_path: Path) -> None:
    """One write, the report, and no request left."""
    kernel = emulated()
    report = ConfigfsTSM(tmp_path, kernel).report("tdx_guest", DATA)
    assert (report.outblob, report.auxblob) == (DATA[::-1], b"")
    assert kernel.writes == [DATA]
    assert list(tmp_path.iterdir()) == []


def test_brings_what_the_provider_adds(tmp_path: Path) -> None:
    """The certificate table of SEV."""
    kernel = emulated(provider="sev_guest", auxblob=b"table")
    assert ConfigfsTSM(tmp_path, kernel).report("sev_guest", DATA).auxblob == b"table"


def test_names_the_provider(tmp_path: Path) -> None:
    """``None`` where the kernel refuses to make a request."""
    assert ConfigfsTSM(tmp_path, emulated()).provider() == "tdx_guest"
    kernel = emulated(failing={"mkdir": errno.ENXIO})
    assert ConfigfsTSM(tmp_path, kernel).provider() is None


def test_the_kernels_filesystem_reads_and_writes(tmp_path: Path) -> None:
    """The real operations, on an ordinary folder."""
    files = KernelFilesystem()
    folder = tmp_path / "request"
    files.make_folder(folder)
    attribute = folder / "inblob"
    attribute.write_bytes(b"")
    files.write(attribute, DATA)
    assert files.read(attribute) == DATA
    attribute.write_bytes(bytes(1024 * 1024 + 1))
    with pytest.raises(OSError, match="larger"):
        files.read(attribute)
    attribute.unlink()
    files.remove_folder(folder)
    assert list(tmp_path.iterdir()) == []
