"""Runtime measurement: register and log change together, also when the power fails in between."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_paths
from emulated_tdx import EmulatedTDX
from paths import VECTORS
from software_tpm import SoftwareTPM

from app.attestation.formats.event_log import SHA384, parse_event_log, replay
from guest.aa.events import Event, extended
from guest.aa.log_files import INTENTION_NAME, Intention, LogFiles
from guest.aa.measurement import Measurer
from guest.attester import Attester, Devices
from guest.attesters.tdx import TDXAttester
from guest.detection import load_attester
from guest.errors import (
    ConfigError,
    DeviceError,
    EventLogError,
    MeasurementNotEnabledError,
    MeasurementUnsupportedError,
)
from guest.hardware_settings import EventLogSettings
from guest.wire.encoding import b64_decode

EVENT = Event("example.org", "start", '{"image":"a"}')
NEXT = Event("example.org", "stop", "b")
ON = EventLogSettings(enabled=True)


class PowerFailure(BaseException):
    """The machine stops here; nothing is cleaned up."""


@dataclass
class Failing(TDXAttester):
    """A TDX whose power fails before or after a register was extended."""

    when: str = ""
    calls: list[str] = field(default_factory=list)

    def extend_register(self, pcr: int, digest: bytes, devices: Devices) -> None:
        """Extend it, or not."""
        if self.when == "before":
            raise PowerFailure
        super().extend_register(pcr, digest, devices)
        if self.when == "after":
            raise PowerFailure


@dataclass
class Machine:
    """A TDX guest with its files."""

    folder: Path
    kernel: EmulatedTDX
    attester: Attester = field(default_factory=lambda: load_attester("tdx"))
    settings: EventLogSettings = ON

    @property
    def devices(self) -> Devices:
        """The way to the emulated kernel."""
        paths = bare_paths(
            self.folder / "none", tsm_report=self.folder, event_log=self.folder / "log",
            tdx_measurements=self.folder,
        )  # fmt: skip
        return Devices(paths, self.kernel)

    @property
    def measurer(self) -> Measurer:
        """As a program that starts now has it."""
        return Measurer(self.attester, self.devices, self.settings)

    @property
    def log(self) -> bytes:
        """What is on disk."""
        path = self.folder / "log"
        return path.read_bytes() if path.exists() else b""

    def is_in_step(self) -> bool:
        """Whether what evidence carries replays to the registers, by the server's own reader."""
        evidence: Any = self.attester.collect(bytes(48), self.devices)
        events = parse_event_log(b64_decode(evidence["cc_eventlog"]))
        found = [replay(events, index, SHA384) for index in range(1, 5)]
        return found == self.kernel.registers


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fresh one."""
    return Machine(tmp_path, EmulatedTDX("tdx_guest", lambda _: b"quote"))


def test_nothing_is_measured_unless_settings_say_so(machine: Machine) -> None:
    """Nor is a file made."""
    machine.settings = EventLogSettings()
    with pytest.raises(MeasurementNotEnabledError):
        machine.measurer.measure(EVENT)
    assert not machine.measurer.recover()
    assert list(machine.folder.iterdir()) == []


@pytest.mark.parametrize("tee", ["sample", "snp", "sgx", "cca", "se"])
def test_a_tee_without_registers_says_so(machine: Machine, tee: str) -> None:
    """Upstream's agent ends with a panic there."""
    machine.attester = load_attester(tee)
    with pytest.raises(MeasurementUnsupportedError):
        machine.measurer.measure(EVENT)
    assert not machine.measurer.recover()


def test_an_older_kernel_says_so(machine: Machine) -> None:
    """Without the registers' files nothing is measured, and nothing is left behind."""
    machine.kernel.failing["register"] = errno.ENOENT
    with pytest.raises(MeasurementUnsupportedError, match=r"6\.16"):
        machine.measurer.measure(EVENT)
    assert not (machine.folder / INTENTION_NAME).exists()


def test_a_refusal_of_the_hardware_leaves_everything_as_it_was(machine: Machine) -> None:
    """Upstream's agent leaves its intention behind, and does not start any more."""
    machine.kernel.broken = errno.EIO
    with pytest.raises(DeviceError):
        machine.measurer.measure(EVENT)
    assert machine.kernel.registers == [bytes(48)] * 4
    assert machine.log == b""
    machine.kernel.broken = 0
    assert not machine.measurer.recover()
    machine.measurer.measure(NEXT)
    assert machine.is_in_step()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("pcr", [None, 7, 8])
def test_a_power_failure_at_the_register_is_made_good(
    machine: Machine, when: str, pcr: int | None
) -> None:
    """Whichever register it was, and whether or not it was extended: the event is measured once."""
    machine.measurer.measure(NEXT)
    machine.attester = Failing(when=when)
    with pytest.raises(PowerFailure):
        machine.measurer.measure(EVENT, pcr)
    assert (machine.folder / INTENTION_NAME).exists()
    machine.attester = load_attester("tdx")
    assert machine.measurer.examine()
    assert machine.measurer.recover()
    assert not machine.measurer.recover()
    assert machine.is_in_step()
    assert machine.log.count(EVENT.data) == 1


@pytest.mark.parametrize("written", [0, 1, 20, 10_000])
def test_a_power_failure_in_the_log_is_made_good(machine: Machine, written: int) -> None:
    """However much of the entry was written; the next event finishes it, too."""
    machine.attester = Failing(when="after")
    with pytest.raises(PowerFailure):
        machine.measurer.measure(EVENT)
    machine.attester = load_attester("tdx")
    entry = EVENT.entry(4, "sha384")
    (machine.folder / "log").write_bytes(entry[:written])
    machine.measurer.measure(NEXT)
    assert machine.log == entry + NEXT.entry(4, "sha384")
    assert machine.is_in_step()


def test_what_a_failing_disk_has_half_written_is_no_intention(machine: Machine) -> None:
    """An intention is there whole or not at all."""
    (machine.folder / f"{INTENTION_NAME}.new").write_bytes(b"VGINT")
    machine.measurer.measure(EVENT)
    assert machine.is_in_step()


def test_others_extend_the_register_during_the_failure(machine: Machine) -> None:
    """Then nothing can say what the register is made of, and that is said each time."""
    machine.attester = Failing(when="after")
    with pytest.raises(PowerFailure):
        machine.measurer.measure(EVENT)
    machine.attester = load_attester("tdx")
    machine.kernel.write(machine.folder / "rtmr3:sha384", bytes(48))
    for run in (machine.measurer.recover, lambda: machine.measurer.measure(NEXT)):
        with pytest.raises(EventLogError, match="others"):
            run()
    assert machine.log == b""


def test_a_register_that_nobody_explains_is_not_extended(machine: Machine) -> None:
    """A log that came back from an earlier boot, or none at all, would have evidence refused."""
    machine.kernel.registers[3] = b"\1" * 48
    with pytest.raises(EventLogError, match="does not explain"):
        machine.measurer.measure(EVENT)
    with pytest.raises(EventLogError):
        machine.measurer.examine()
    machine.kernel.registers[3] = bytes(48)
    machine.measurer.measure(EVENT)
    machine.kernel.registers[3] = bytes(48)
    with pytest.raises(EventLogError, match="does not explain"):
        machine.measurer.measure(EVENT)


@pytest.mark.parametrize(
    "found",
    [
        b"",
        b"VGINTENT",
        bytes(8) + bytes(48) + b"domain operation content",
        Intention(17, 0, bytes(48), bytes(48), bytes(48), b"e").encode()[:-1],
        Intention(17, 0, bytes(48), bytes(48), bytes(48), b"e").encode() + b"x",
    ],
    ids=["empty", "short", "of a stock guest", "cut off", "too long"],
)
def test_an_intention_that_cannot_be_read_is_not_ignored(machine: Machine, found: bytes) -> None:
    """Something was begun, and nobody knows what."""
    (machine.folder / INTENTION_NAME).write_bytes(found)
    with pytest.raises(EventLogError):
        machine.measurer.measure(EVENT)
    assert machine.kernel.registers == [bytes(48)] * 4


@pytest.mark.parametrize("log", [b"", b"x" * 500, b"x" * 102])
def test_a_log_that_was_changed_is_not_continued(machine: Machine, log: bytes) -> None:
    """Entries were lost, or stand where the unfinished one belongs."""
    machine.measurer.measure(NEXT)
    machine.attester = Failing(when="after")
    with pytest.raises(PowerFailure):
        machine.measurer.measure(EVENT)
    machine.attester = load_attester("tdx")
    (machine.folder / "log").write_bytes(NEXT.entry(4, "sha384") + log if len(log) == 500 else log)
    with pytest.raises(EventLogError):
        machine.measurer.recover()


def test_a_folder_that_cannot_be_used_is_said(machine: Machine) -> None:
    """Before a register is touched."""
    (machine.folder / "log").mkdir()
    with pytest.raises((EventLogError, DeviceError)):
        machine.measurer.measure(EVENT)
    assert machine.kernel.registers == [bytes(48)] * 4


def test_measures(machine: Machine) -> None:
    """The result says what a relying party can check; evidence carries the log."""
    made = machine.measurer.measure(EVENT)
    assert (made.pcr, made.index, made.algorithm) == (17, 4, "sha384")
    assert made.value == extended(bytes(48), EVENT.digest("sha384"), "sha384")
    assert machine.kernel.registers[3] == made.value
    assert machine.log == EVENT.entry(4, "sha384")
    assert machine.is_in_step()
    assert not machine.measurer.examine()


@pytest.mark.parametrize(
    ("pcr", "index"),
    [(0, 4), (1, 1), (2, 2), (6, 2), (7, 1), (8, 3), (15, 3), (16, 4), (17, 4), (23, 4)],
)
def test_the_log_names_the_register_that_was_extended(
    machine: Machine, pcr: int, index: int
) -> None:
    """guest.md 2.6; upstream's log names the default one."""
    machine.measurer.measure(EVENT, pcr)
    assert machine.kernel.registers[index - 1] != bytes(48)
    assert machine.log.startswith(index.to_bytes(4, "little"))
    assert machine.is_in_step()


def test_continues_the_log_of_the_firmware(machine: Machine) -> None:
    """A captured CCEL table: the registers are those that it replays to."""
    area = (VECTORS / "eventlog" / "CCEL_data_grub_gke").read_bytes()
    events = parse_event_log(area)
    machine.kernel.registers = [replay(events, index, SHA384) for index in range(1, 5)]
    (machine.folder / "ccel").write_bytes(area)
    devices = machine.devices
    paths = bare_paths(
        machine.folder / "none", tsm_report=machine.folder, ccel=machine.folder / "ccel",
        event_log=machine.folder / "log", tdx_measurements=machine.folder,
    )  # fmt: skip
    measurer = Measurer(machine.attester, Devices(paths, devices.files), ON)
    measurer.measure(EVENT, 8)
    evidence: Any = machine.attester.collect(bytes(48), Devices(paths, devices.files))
    found = parse_event_log(b64_decode(evidence["cc_eventlog"]))
    assert len(found) == len(events) + 1
    assert [replay(found, index, SHA384) for index in range(1, 5)] == machine.kernel.registers


def _measure_many(folder: Path, tpm: Path, name: str) -> None:
    paths = bare_paths(folder / "none", tpm=tpm, event_log=folder / "log")
    measurer = Measurer(load_attester("tpm"), Devices(paths), EventLogSettings(True, 11))
    for number in range(5):
        measurer.measure(Event(name, "count", str(number)))


def test_programs_that_measure_at_once_take_turns(tpm: SoftwareTPM, tmp_path: Path) -> None:
    """Every event is in the register and in the log, in one order."""
    context = multiprocessing.get_context("spawn")
    programs = [
        context.Process(target=_measure_many, args=(tmp_path, tpm.path, name)) for name in "ab"
    ]
    with tpm.talk() as words:
        value = words.read_pcrs(1 << 11)[11]
    for program in programs:
        program.start()
    for program in programs:
        program.join(30)
    assert [program.exitcode for program in programs] == [0, 0]
    from guest.devices.ccel import records
    from guest.devices.event_log import HEADER

    log = HEADER.replace(b"\x12\0\x20\0", b"\x0b\0\x20\0") + (tmp_path / "log").read_bytes()
    found = list(records(log))
    assert len(found) == 10
    for record in found:
        ((_, digest),) = record.digests
        value = hashlib.sha256(value + digest).digest()
    with tpm.talk() as words:
        assert words.read_pcrs(1 << 11)[11] == value


def test_a_tpm_has_no_default_register(tpm: SoftwareTPM, tmp_path: Path) -> None:
    """And some that prove nothing, or are for something else."""
    paths = bare_paths(tmp_path / "none", tpm=tpm.path, event_log=tmp_path / "log")
    measurer = Measurer(load_attester("tpm"), Devices(paths), ON)
    with pytest.raises(ConfigError, match="init_pcr"):
        measurer.measure(EVENT)
    for pcr, word in ((8, "init data"), (16, "reset"), (23, "reset"), (24, "0 to 23")):
        with pytest.raises(MeasurementUnsupportedError, match=word):
            measurer.measure(EVENT, pcr)
    with pytest.raises(DeviceError, match="locality"):
        measurer.measure(EVENT, 17)
    assert not (tmp_path / INTENTION_NAME).exists()
    made = measurer.measure(EVENT, 13)
    assert (made.index, made.algorithm) == (13, "sha256")
    with tpm.talk() as words:
        assert words.read_pcrs(1 << 13)[13] == made.value


def test_files_are_for_the_guest_alone(machine: Machine) -> None:
    """Whoever writes into the log has evidence refused."""
    machine.measurer.measure(EVENT)
    modes = {path.name: path.stat().st_mode & 0o777 for path in machine.folder.iterdir()}
    assert modes == {"log": 0o600, ".lock": 0o600}
    assert LogFiles(machine.folder / "log").intention() is None
