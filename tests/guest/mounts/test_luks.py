"""LUKS2, by the real cryptsetup on plain files, which needs no device mapper."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from guest.errors import (
    BlockDeviceError,
    NotDecryptedError,
    ProgramFailedError,
    UntrustedVolumeError,
)
from guest.mounts.luks import Luks, check_header
from guest.mounts.programs import MachinePrograms

KEY = bytes(range(64))
WEAK = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """32 MiB of nothing."""
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(32 * 1024 * 1024)
    return path


@pytest.fixture
def luks(tmp_path: Path) -> Luks:
    """With the programs of this machine."""
    return Luks(MachinePrograms(), tmp_path / "headers")


def cryptsetup(*arguments: object, key: bytes = KEY) -> None:
    """Run it as the owner of a disk would."""
    command = ["cryptsetup", "--batch-mode", *map(str, arguments)]
    subprocess.run(command, input=key, check=True, capture_output=True)


def changed(header: str, *path: str, to: Any) -> str:
    """A header with one member changed, or removed."""
    document = json.loads(header)
    table = document
    for name in path[:-1]:
        table = table[name]
    if to is None:
        del table[path[-1]]
    else:
        table[path[-1]] = to
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("segments", "0", "type"), "linear"),
        (("segments", "0", "encryption"), "cipher_null-ecb"),
        (("segments", "0", "encryption"), "aes-cbc-plain64"),
        (("segments", "0", "integrity"), None),
        (("segments", "0", "integrity"), {"type": "none"}),
        (("segments", "0", "integrity"), {"type": "crc32c"}),
        (("segments", "0", "integrity"), "hmac(sha256)"),
        (("segments", "1"), {"type": "crypt", "encryption": "aes-xts-plain64"}),
        (("segments", "0"), None),
        (("segments",), None),
        (("keyslots", "0", "area", "encryption"), "cipher_null-ecb"),
        (("keyslots", "0", "area"), None),
        (("keyslots", "0", "type"), "reencrypt"),
        (("keyslots", "0"), None),
        (("keyslots",), []),
        (("config", "requirements"), {"mandatory": ["online-reencrypt-v2"]}),
        (("config",), None),
    ],
)
def test_a_header_that_protects_less_is_refused(
    programs: Any, path: tuple[str, ...], to: Any
) -> None:
    """The disk is the host's, and so is what it says of itself."""
    with pytest.raises(UntrustedVolumeError):
        check_header(changed(programs.header, *path, to=to), integrity=True)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"segments":{}}', "{" * 5000])
def test_what_is_no_header_is_refused(text: str) -> None:
    """Whatever cryptsetup would print."""
    with pytest.raises(UntrustedVolumeError):
        check_header(text, integrity=False)


def test_integrity_has_to_be_given_up_by_name(programs: Any) -> None:
    """Then the rest is demanded still."""
    check_header(programs.header, integrity=True)
    check_header(changed(programs.header, "segments", "0", "integrity", to=None), integrity=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--type", "luks2", "--cipher", "aes-cbc-essiv:sha256", *WEAK),
        (
            "--type",
            "luks2",
            *("--keyslot-cipher", "aes-cbc-plain64", "--keyslot-key-size", "256"),
            *WEAK,
        ),
        ("--type", "luks1", "--pbkdf-force-iterations", "1000"),
    ],
)
def test_a_real_disk_that_protects_less_is_refused(
    disk: Path, luks: Luks, arguments: tuple[str, ...]
) -> None:
    """Its owner's key would open it."""
    cryptsetup("luksFormat", *arguments, "--key-file", "-", disk)
    with (
        pytest.raises(UntrustedVolumeError),
        luks.copied_header(str(disk), integrity=False),
    ):
        pytest.fail("the header was believed")
    assert list(luks.folder.iterdir()) == []


def test_a_disk_without_a_header_is_refused(disk: Path, luks: Luks) -> None:
    """And with one, but without integrity, when that is demanded."""
    with pytest.raises(UntrustedVolumeError), luks.copied_header(str(disk), integrity=False):
        pytest.fail("there is no header")
    cryptsetup("luksFormat", "--type", "luks2", *WEAK, "--key-file", "-", disk)
    with (
        pytest.raises(UntrustedVolumeError, match="integrity"),
        luks.copied_header(str(disk), integrity=True),
    ):
        pytest.fail("there is no integrity")


def test_a_copied_header_is_the_disks(disk: Path, luks: Luks) -> None:
    """A change of the disk after the look changes nothing: the copy opens still."""
    cryptsetup("luksFormat", "--type", "luks2", *WEAK, "--key-file", "-", disk)
    with luks.copied_header(str(disk), integrity=False) as header:
        with disk.open("r+b") as file:
            file.write(bytes(1024 * 1024))
        proof = ("open", "--test-passphrase", "--header", header, "--key-file", "-")
        cryptsetup(*proof, disk)
        with pytest.raises(subprocess.CalledProcessError) as caught:
            cryptsetup(*proof, disk, key=b"another")
        assert caught.value.returncode == 2
    assert not Path(header).exists()


def test_a_fresh_header_opens_under_its_key_and_no_other(disk: Path, luks: Luks) -> None:
    """The header is not on the disk, which the host could read and change."""
    with luks.fresh_header(str(disk), KEY, integrity=False, is_random=True) as header:
        proof = ("open", "--test-passphrase", "--header", header, "--key-file", "-")
        cryptsetup(*proof, disk)
        with pytest.raises(subprocess.CalledProcessError):
            cryptsetup(*proof, disk, key=KEY[:-1])
        assert Path(header).parent.stat().st_mode & 0o077 == 0
        dumped = MachinePrograms().run("cryptsetup", "luksDump", "--dump-json-metadata", header)
    check_header(dumped, integrity=False)
    assert b"LUKS" not in disk.read_bytes()
    assert list(luks.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (1, ProgramFailedError),
        (2, NotDecryptedError),
        (4, BlockDeviceError),
        (5, BlockDeviceError),
    ],
)
def test_statuses_of_cryptsetup_are_told_apart(
    programs: Any, tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    """A wrong key is another thing than a disk in use."""
    programs.failing = {"cryptsetup": status}
    with pytest.raises(kind):
        Luks(programs, tmp_path).open("/dev/disk", "/header", KEY, "name")
