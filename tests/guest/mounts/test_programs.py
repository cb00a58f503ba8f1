"""Running programs, for real."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from guest.errors import ProgramFailedError, ProgramMissingError
from guest.mounts.programs import MachinePrograms, memory_file, missing_programs

MACHINE = MachinePrograms()


@pytest.mark.parametrize("name", ["no-such-program", "../bin/true/x"])
def test_says_which_program_is_missing(name: str) -> None:
    """So that it can be installed."""
    with pytest.raises(ProgramMissingError, match="not installed"):
        MACHINE.run(name)


def test_tells_which_programs_are_missing(tmp_path: Path) -> None:
    """In the order in which they were asked for."""
    assert missing_programs(["no-such-program", "sh", "nor-this"]) == [
        "no-such-program",
        "nor-this",
    ]
    assert missing_programs(["sh"], str(tmp_path)) == ["sh"]


def test_what_fails_is_told_with_its_status(caplog: pytest.LogCaptureFixture) -> None:
    """What it said is in the log, what it was given is not."""
    with pytest.raises(ProgramFailedError, match="status 3") as caught:
        MACHINE.run("sh", "-c", "cat >/dev/null; echo why >&2; exit 3", given=b"hunter2")
    assert caught.value.status == 3
    assert "why" in caplog.text
    assert "hunter2" not in caplog.text


def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    """A file that is no program."""
    (tmp_path / "mkfs").write_bytes(b"\x00")
    (tmp_path / "mkfs").chmod(0o755)
    with pytest.raises(ProgramFailedError, match="could not be started"):
        MachinePrograms(str(tmp_path)).run("mkfs")


def test_a_key_is_no_argument_and_nothing_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes to standard input; nothing of this process's environment goes along."""
    monkeypatch.setenv("CANARY", "1")
    told = MACHINE.run("sh", "-c", "cat; tr '\\0' ' ' </proc/$$/environ", given=b"key ")
    assert told.startswith("key ")
    assert "CANARY" not in told


def test_a_memory_file_is_the_programs_and_nobody_elses() -> None:
    """It is read by its number, is on no disk, and ends with the block."""
    with memory_file(b"bucket:id:secret") as descriptor:
        assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
        assert str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("/memfd:")
        place = f"/proc/self/fd/{descriptor}"
        assert MACHINE.run("cat", place, files=[descriptor]) == "bucket:id:secret"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_memory_file_does_not_reach_other_programs() -> None:
    """Only the one that it was made for inherits it."""
    with memory_file(b"secret") as descriptor, pytest.raises(ProgramFailedError):
        MACHINE.run("cat", f"/proc/self/fd/{descriptor}")


def test_what_goes_on_in_the_background_is_not_waited_for() -> None:
    """File systems of FUSE go on, with all that they inherited."""
    began = time.monotonic()
    assert MACHINE.run("sh", "-c", "echo mounted; sleep 5 &") == "mounted\n"
    assert time.monotonic() - began < 4
