"""New file systems, by the real mkfs.ext4 on plain files."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from guest.errors import MalformedMountError, ProgramFailedError
from guest.mounts.ext4 import Ext4, parse_options
from guest.mounts.programs import MachinePrograms


@pytest.mark.parametrize(
    "text",
    [
        "-d /etc",
        "-J device=/dev/sda",
        "-n",
        "-m",
        "-m 0 -F",
        "-m -n",
        "/dev/sda",
        "0 -m",
        "-O ^has_journal;true",
        "-E $(true)",
        "-L " + "x" * 201,
        "-S x",
    ],
)
def test_refuses_options_that_do_more_than_shape(text: str) -> None:
    """Such as copying files of the guest into a volume."""
    with pytest.raises(MalformedMountError):
        parse_options(text)


def test_takes_options_of_stock_guests() -> None:
    """Split at white space, in their order."""
    assert parse_options("") == []
    assert parse_options(" -O ^has_journal  -m 0\t-i 163840 -I 128 ") == [
        *("-O", "^has_journal"),
        *("-m", "0"),
        *("-i", "163840"),
        *("-I", "128"),
    ]


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ([], ["-E", "lazy_itable_init=0"]),
        (["-E", "nodiscard", "-m", "0"], ["-E", "nodiscard,lazy_itable_init=0", "-m", "0"]),
        (["-E", "lazy_itable_init=1"], ["-E", "lazy_itable_init=1"]),
    ],
)
def test_tables_are_not_left_for_later(
    programs: Any, options: list[str], written: list[str]
) -> None:
    """Unless someone says so."""
    Ext4(programs).make("/dev/mapper/x", options, integrity=True)
    assert programs.ran[-1] == ["mkfs.ext4", "-F", "-b", "4096", *written, "/dev/mapper/x"]


def test_without_integrity_nothing_is_written_first(programs: Any) -> None:
    """One program runs."""
    Ext4(programs).make("/dev/mapper/x", ["-m", "0"], integrity=False)
    assert programs.ran == [["mkfs.ext4", "-F", "-b", "4096", "-m", "0", "/dev/mapper/x"]]


@pytest.mark.parametrize("groups", [1, 10])
def test_every_superblock_is_written_before_it_is_read(tmp_path: Path, groups: int) -> None:
    """Also those that only a large disk has; the file system is whole."""
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(groups * 128 * 1024 * 1024)
    seeks: list[int] = []

    class Watched:
        """The machine's programs, with an eye on dd."""

        def run(self, name: str, *arguments: str, **given: Any) -> str:
            """As the machine does."""
            seeks.extend(int(each[5:]) for each in arguments if each.startswith("seek="))
            return MachinePrograms().run(name, *arguments, **given)

    Ext4(Watched()).make(str(disk), ["-m", "0"], integrity=True)
    assert seeks == ([0] if groups == 1 else [0, 32768, 98304, 163840, 229376, 294912])
    subprocess.run(["/sbin/e2fsck", "-f", "-n", disk], check=True, capture_output=True)


def test_a_failure_is_told(tmp_path: Path) -> None:
    """Such as a disk that is not there."""
    with pytest.raises(ProgramFailedError, match=r"mkfs\.ext4"):
        Ext4(MachinePrograms()).make(str(tmp_path / "none"), [], integrity=False)
