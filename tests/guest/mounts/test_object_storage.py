"""Buckets: what is asked of ossfs and gocryptfs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guest.errors import (
    MalformedMountError,
    MountPointError,
    NotDecryptedError,
    ProgramFailedError,
)
from guest.mounts.mounter import Mounter
from guest.mounts.object_storage import ObjectStorageMounter
from guest.mounts.requests import MountRequest

BUCKET = {
    "akId": "LTAI5t",
    "akSecret": "sealed.a.b.c",
    "bucket": "team-data",
    "path": "/app",
    "url": "https://oss-cn-beijing.aliyuncs.com",
    "otherOpts": "-o max_stat_cache_size=0 -oallow_other",
    "readonly": "",
    "targetPath": "/mnt",
    "volumeId": "v-1",
}
ENCRYPTED = {**BUCKET, "encrypted": "gocryptfs", "encPasswd": "sealed.a.b.c"}


@pytest.fixture
def mounter(programs: Any, secrets: Any, tmp_path: Path) -> ObjectStorageMounter:
    """With programs that are written down."""
    return ObjectStorageMounter(programs, tmp_path / "volumes", secrets)


def request(point: Path, options: dict[str, str]) -> MountRequest:
    """A request for a bucket."""
    return MountRequest("alibaba-cloud-oss", options, str(point))


@pytest.mark.parametrize(
    "changed",
    [
        {"akId": ""},
        {"akSecret": ""},
        {"akId": "a:b"},
        {"akId": "a\nb"},
        {"bucket": ""},
        {"bucket": "-oxyz"},
        {"bucket": "a/b"},
        {"path": ""},
        {"path": "app"},
        {"path": "/app/../other"},
        {"path": "/a b"},
        {"url": ""},
        {"url": "http://oss-cn-beijing.aliyuncs.com"},
        {"url": "oss-cn-beijing.aliyuncs.com"},
        {"url": "https://user:password@oss"},
        {"url": "https://oss:99999"},
        {"url": "https://oss -oallow"},
        {"otherOpts": "-ourl=https://elsewhere"},
        {"otherOpts": "-ouse_cache=/tmp"},
        {"otherOpts": "-o passwd_file=/etc/x"},
        {"otherOpts": "-d"},
        {"readonly": "yes"},
        {"encrypted": "luks"},
        {"encrypted": "gocryptfs"},
        {"encPasswd": "x"},
        {"other": "x"},
    ],
)
def test_refuses_options_before_anything_runs(
    mounter: ObjectStorageMounter, programs: Any, point: Path, changed: dict[str, str]
) -> None:
    """A password without encryption, too: someone believes that it protects."""
    with pytest.raises(MalformedMountError):
        mounter.mount(request(point, {**BUCKET, **changed}))
    assert programs.ran == []


def test_refuses_a_mount_point_that_is_no_folder(
    mounter: ObjectStorageMounter, programs: Any, tmp_path: Path
) -> None:
    """Nothing runs."""
    with pytest.raises(MountPointError):
        mounter.mount(request(tmp_path / "none", BUCKET))
    assert programs.ran == []


def test_keys_of_a_bucket_are_in_memory_only(
    mounter: ObjectStorageMounter, programs: Any, point: Path
) -> None:
    """Sealed ones are opened; arguments name a descriptor."""
    mounter.mount(request(point, {**BUCKET, "readonly": "true"}))
    (ossfs,) = programs.ran
    assert ossfs[:4] == ["ossfs", "team-data:/app", str(point), f"-ourl={BUCKET['url']}"]
    assert ossfs[4].startswith("-opasswd_file=/proc/self/fd/")
    assert ossfs[5:] == ["-omax_stat_cache_size=0", "-oallow_other", "-oro"]
    assert programs.files == [b"team-data:LTAI5t:" + b"s" * 32]


def test_an_encrypted_bucket_is_mounted_twice(
    mounter: ObjectStorageMounter, programs: Any, point: Path, tmp_path: Path
) -> None:
    """What the bucket holds in a private folder, and what it means at the mount point."""
    mounter.mount(request(point, ENCRYPTED))
    ossfs, gocryptfs = programs.ran
    below = ossfs[2]
    assert Path(below).parent == tmp_path / "volumes"
    assert Path(below).stat().st_mode & 0o077 == 0
    assert gocryptfs == ["gocryptfs", "-nosyslog", "-quiet", below, str(point)]
    assert programs.given == [b"", b"s" * 32]


@pytest.mark.parametrize("failing", ["ossfs", "gocryptfs"])
def test_a_failure_leaves_nothing_mounted(
    mounter: ObjectStorageMounter, programs: Any, point: Path, tmp_path: Path, failing: str
) -> None:
    """Nor the folder of the encrypted view."""
    programs.failing = {failing: 1}
    with pytest.raises(ProgramFailedError, match=failing):
        mounter.mount(request(point, ENCRYPTED))
    assert list((tmp_path / "volumes").iterdir()) == []
    assert [each[0] for each in programs.ran][-1] == (
        "umount" if failing == "gocryptfs" else "ossfs"
    )


def test_a_wrong_password_is_told_apart(
    mounter: ObjectStorageMounter, programs: Any, point: Path
) -> None:
    """From a program that failed for another reason."""
    programs.failing = {"gocryptfs": 12}
    with pytest.raises(NotDecryptedError):
        mounter.mount(request(point, ENCRYPTED))
    assert programs.ran[-1][0] == "umount"


def test_other_types_are_refused(mounter: ObjectStorageMounter, point: Path) -> None:
    """The message says which there are."""
    with pytest.raises(MalformedMountError, match="alibaba-cloud-oss"):
        Mounter({"alibaba-cloud-oss": mounter}).mount(MountRequest("nfs", {}, str(point)))
