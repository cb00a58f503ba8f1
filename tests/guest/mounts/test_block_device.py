"""Disks: what is asked of which program, and what is never asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from guest.errors import (
    BlockDeviceError,
    DeniedError,
    GuestError,
    MalformedMountError,
    MountPointError,
    NotDecryptedError,
    ProgramFailedError,
    UntrustedVolumeError,
)
from guest.mounts.block_device import BlockDeviceMounter, BlockDeviceOptions
from guest.mounts.requests import MountRequest

URI = "kbs:///a/disk/key"
EMPTY = {
    "deviceId": "8:32",
    "sourceType": "empty",
    "encryptionType": "luks2",
    "targetType": "fileSystem",
    "mapperName": "scratch",
}
ENCRYPTED = {**EMPTY, "sourceType": "encrypted", "key": URI}


@pytest.fixture
def mounter(programs: Any, disks: Any, secrets: Any, tmp_path: Path) -> BlockDeviceMounter:
    """With programs that are written down."""
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "disk.key").write_bytes(b"f" * 32)
    (tmp_path / "known.txt").write_bytes(b"everyone knows")
    folders = (tmp_path / "headers", tmp_path / "credentials")
    return BlockDeviceMounter(programs, disks, *folders, secrets, secrets)


def request(point: Path, options: dict[str, str]) -> MountRequest:
    """A request for a disk."""
    return MountRequest("block-device", options, str(point))


def without_paths(arguments: list[str]) -> list[str]:
    """The header's path is another each time."""
    return [re.sub(r".*/header$", "HEADER", each) for each in arguments]


@pytest.mark.parametrize(
    "changed",
    [
        {"deviceId": ""},
        {"sourceType": "full"},
        {"sourceType": ""},
        {"encryptionType": "zfs"},
        {"encryptionType": "none"},
        {"encryptionType": ""},
        {"targetType": "folder"},
        {"targetType": ""},
        {"filesystemType": "xfs"},
        {"dataIntegrity": "yes"},
        {"dataIntegrity": "True"},
        {"mkfsOpts": "-d /etc"},
        {"mapperName": "../control"},
        {"mapperName": "control"},
        {"mapperName": "-x"},
        {"mapperName": "a" * 128},
        {"sourceType": "encrypted"},
        {"cipher": "none"},
    ],
)
def test_refuses_options_before_anything_runs(
    mounter: BlockDeviceMounter, programs: Any, point: Path, changed: dict[str, str]
) -> None:
    """Unknown ones, too; an encrypted disk without a key, where stock guests make one up."""
    with pytest.raises(MalformedMountError):
        mounter.mount(request(point, {**EMPTY, **changed}))
    assert programs.ran == []


@pytest.mark.parametrize(
    "key",
    [
        "secret",
        "vault://a/b/c",
        "file:///etc/hostname",
        "file://KNOWN",
        "file://CREDENTIALS/../known.txt",
        "file://CREDENTIALS",
        "file://CREDENTIALS/none",
        "file://CREDENTIALS/link",
        "file://disk.key",
    ],
)
def test_refuses_keys_that_the_asker_may_know(
    mounter: BlockDeviceMounter, programs: Any, point: Path, tmp_path: Path, key: str
) -> None:
    """A file is a key only where credentials were fetched to."""
    (tmp_path / "credentials" / "link").symlink_to(tmp_path / "known.txt")
    key = key.replace("KNOWN", f"{tmp_path}/known.txt")
    key = key.replace("CREDENTIALS", f"{tmp_path}/credentials")
    with pytest.raises(MalformedMountError):
        mounter.mount(request(point, {**EMPTY, "key": key}))
    assert programs.ran == []


def test_an_empty_key_is_none(
    mounter: BlockDeviceMounter, programs: Any, secrets: Any, point: Path
) -> None:
    """Cryptsetup would take it."""
    secrets.held[URI] = b""
    with pytest.raises(NotDecryptedError):
        mounter.mount(request(point, ENCRYPTED))
    assert programs.ran == []


@pytest.mark.parametrize(
    ("options", "there"),
    [(EMPTY, False), (ENCRYPTED, False), ({**EMPTY, "targetType": "device"}, True)],
)
def test_a_mount_point_that_does_not_fit_costs_nothing(
    mounter: BlockDeviceMounter, programs: Any, tmp_path: Path, options: Any, *, there: bool
) -> None:
    """A disk that is formatted has lost what it held."""
    point = tmp_path / "nowhere"
    if there:
        point.write_bytes(b"")
    with pytest.raises(MountPointError):
        mounter.mount(request(point, options))
    assert programs.ran == []


@pytest.mark.parametrize("place", [{"deviceId": "8:33"}, {"deviceId": "", "devicePath": "/dev/x"}])
def test_another_disk_is_not_taken(
    mounter: BlockDeviceMounter, programs: Any, point: Path, place: dict[str, str]
) -> None:
    """Nothing runs."""
    with pytest.raises(BlockDeviceError):
        mounter.mount(request(point, {**EMPTY, **place}))
    assert programs.ran == []


def test_a_key_that_is_not_released_opens_nothing(
    mounter: BlockDeviceMounter, programs: Any, secrets: Any, point: Path
) -> None:
    """And none is made up."""
    secrets.refusal = DeniedError("the policy says no", status=403)
    for options in (ENCRYPTED, {**EMPTY, "key": URI}, {**EMPTY, "key": "sealed.a.b.c"}):
        with pytest.raises(DeniedError):
            mounter.mount(request(point, options))
    assert programs.ran == []


def test_an_empty_disk_is_formatted_opened_and_mounted(
    mounter: BlockDeviceMounter, programs: Any, point: Path
) -> None:
    """With upstream's ciphers, integrity on, the key on standard input, and a file system."""
    mounter.mount(request(point, {**EMPTY, "mkfsOpts": "-m 0"}))
    mkfs = ["-F", "-b", "4096", "-m", "0", "-E", "lazy_itable_init=0", "/dev/mapper/scratch"]
    assert [without_paths(each) for each in programs.ran] == [
        [
            *("cryptsetup", "--batch-mode", "luksFormat", "--type", "luks2"),
            *("--cipher", "aes-xts-plain64", "--sector-size", "4096", "--header", "HEADER"),
            *("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"),
            *("--integrity", "hmac-sha256", "--integrity-no-wipe", "--integrity-no-journal"),
            *("--key-file", "-", "/dev/disk"),
        ],
        [
            *("cryptsetup", "open", "--type", "luks2", "--header", "HEADER"),
            *("--key-file", "-", "/dev/disk", "scratch"),
        ],
        ["mkfs.ext4", "-n", *mkfs],
        [
            *("dd", "if=/dev/zero", "of=/dev/mapper/scratch", "oflag=direct"),
            *("bs=4096", "count=1", "seek=0", "conv=notrunc"),
        ],
        ["mkfs.ext4", *mkfs],
        ["mount", "-t", "ext4", "-o", "noatime", "/dev/mapper/scratch", str(point)],
    ]
    formatted, opened, *rest = programs.given
    assert formatted == opened
    assert len(opened) == 64
    assert set(rest) == {b""}


def test_random_keys_are_random(mounter: BlockDeviceMounter, programs: Any, point: Path) -> None:
    """Each disk has its own."""
    for _ in range(2):
        mounter.mount(request(point, EMPTY))
    assert len(set(programs.given)) == 3


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (URI, b"k" * 32),
        ("sealed.a.b.c", b"s" * 32),
        ("file://CREDENTIALS/disk.key", b"f" * 32),
    ],
)
def test_a_key_goes_to_standard_input_and_nowhere_else(
    mounter: BlockDeviceMounter, programs: Any, point: Path, tmp_path: Path, key: str, expected: Any
) -> None:
    """Not into arguments, not into a file, not into what objects show."""
    key = key.replace("CREDENTIALS", f"{tmp_path}/credentials")
    mounter.mount(request(point, {**EMPTY, "key": key, "dataIntegrity": "false"}))
    assert programs.given[:2] == [expected, expected]
    shown = repr(programs.ran) + repr(mounter) + repr(request(point, {**EMPTY, "key": key}))
    assert expected.decode() not in shown
    assert not any("--integrity" in each or "--pbkdf" in each for each in programs.ran)
    assert not any((tmp_path / "headers").iterdir())


def test_an_encrypted_disk_is_opened_by_the_copy_of_its_header(
    mounter: BlockDeviceMounter, programs: Any, point: Path
) -> None:
    """Nothing is formatted."""
    mounter.mount(request(point, ENCRYPTED))
    backup, dump, opened, mount = [without_paths(each) for each in programs.ran]
    assert backup[2:] == ["luksHeaderBackup", "--header-backup-file", "HEADER", "/dev/disk"]
    assert dump == ["cryptsetup", "luksDump", "--dump-json-metadata", "HEADER"]
    assert "HEADER" in opened
    assert mount[0] == "mount"
    assert programs.given == [b"", b"", b"k" * 32, b""]


def test_a_header_that_is_not_believed_gets_no_key(
    mounter: BlockDeviceMounter, programs: Any, point: Path
) -> None:
    """It may be of the host's making."""
    programs.header = programs.header.replace("hmac(sha256)", "none")
    with pytest.raises(UntrustedVolumeError):
        mounter.mount(request(point, ENCRYPTED))
    assert set(programs.given) == {b""}
    mounter.mount(request(point, {**ENCRYPTED, "dataIntegrity": "false"}))


@pytest.mark.parametrize(
    ("failing", "kind"),
    [("mkfs.ext4", ProgramFailedError), ("dd", ProgramFailedError), ("mount", ProgramFailedError)],
)
def test_what_was_opened_is_closed_when_it_cannot_be_shown(
    mounter: BlockDeviceMounter, programs: Any, point: Path, failing: str, kind: type[GuestError]
) -> None:
    """And the first error is the one that is told."""
    programs.failing = {failing: 1}
    with pytest.raises(kind, match=re.escape(failing)):
        mounter.mount(request(point, EMPTY))
    assert programs.ran[-1] == ["cryptsetup", "close", "scratch"]


def test_a_device_is_a_link(mounter: BlockDeviceMounter, programs: Any, tmp_path: Path) -> None:
    """Without a file system, whatever the disk held."""
    link = tmp_path / "link"
    mounter.mount(request(link, {**ENCRYPTED, "targetType": "device"}))
    assert str(link.readlink()) == "/dev/mapper/scratch"
    assert {each[0] for each in programs.ran} == {"cryptsetup"}
    with pytest.raises(MountPointError):
        mounter.mount(request(tmp_path / "no/link", {**EMPTY, "targetType": "device"}))
    assert programs.ran[-1] == ["cryptsetup", "close", "scratch"]


def test_names_are_made_up_when_none_is_given(point: Path) -> None:
    """No two disks collide."""
    options = {name: value for name, value in EMPTY.items() if name != "mapperName"}
    names = {BlockDeviceOptions.parse(request(point, options)).name for _ in range(2)}
    assert len(names) == 2
