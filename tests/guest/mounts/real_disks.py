"""What is done with real disks, inside of the Linux of ``disk_machine``; prints JSON.

Each story is told on disks of its own, with the guest's own code and the programs of this machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from guest.errors import GuestError
from guest.mounts.block_device import BlockDeviceMounter
from guest.mounts.devices import KernelBlockDevices
from guest.mounts.programs import MachinePrograms
from guest.mounts.requests import MountRequest

KEY = b"\x00\n a key of any bytes \xff" * 4
MARK = b"the plaintext of a volume " * 4096
HERE = Path("/run")
HEADER_BYTES = 16 * 1024 * 1024


def run(*command: object, given: bytes = b"") -> str:
    """Run a program as the owner of a disk would."""
    words = [str(word) for word in command]
    return subprocess.run(words, input=given, check=True, capture_output=True).stdout.decode()


@contextmanager
def disk(name: str, megabytes: int) -> Iterator[tuple[Path, str]]:
    """What it holds, as a file, and its node."""
    file = HERE / f"{name}.img"
    with file.open("wb") as made:
        made.truncate(megabytes * 1024 * 1024)
    node = run("losetup", "--find", "--show", file).strip()
    try:
        yield file, node
    finally:
        run("losetup", "--detach", node)
        file.unlink()


def point(name: str) -> Path:
    """A folder to mount at."""
    folder = HERE / "points" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def mount(where: Path, held: bytes = KEY, **options: str) -> None:
    """By the guest."""
    mounter = BlockDeviceMounter(
        MachinePrograms(),
        KernelBlockDevices(),
        HERE / "headers",
        HERE / "credentials",
        lambda uri: held,
        str.encode,
    )
    fixed = {"encryptionType": "luks2", "targetType": "fileSystem"}
    mounter.mount(MountRequest("block-device", {**fixed, **options}, str(where)))


def refusal(work: Callable[[], object]) -> str:
    """The code of the error."""
    try:
        work()
    except GuestError as error:
        return error.code
    return "none"


def mapped() -> list[str]:
    """Names of the device mapper that are in use."""
    return sorted(each.name for each in Path("/dev/mapper").iterdir() if each.name != "control")


def owners_disk(node: str, *arguments: str) -> None:
    """A disk that comes encrypted, with a file on it."""
    weak = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
    kind = ("--type", "luks2", "--cipher", "aes-xts-plain64", *arguments)
    run(*("cryptsetup", "--batch-mode", "luksFormat", *kind, *weak), "-d", "-", node, given=KEY)
    run("cryptsetup", "open", "-d", "-", node, "owner", given=KEY)
    run("mkfs.ext4", "-q", "-m", "0", "/dev/mapper/owner")
    where = point("owner")
    run("mount", "/dev/mapper/owner", where)
    (where / "file").write_bytes(MARK)
    run("umount", where)
    run("cryptsetup", "close", "owner")


def an_empty_disk() -> dict[str, Any]:
    """Formatted with a random key and integrity, found by its numbers."""
    with disk("empty", 28) as (file, node):
        numbers = (Path("/sys/block") / Path(node).name / "dev").read_text().strip()
        where = point("empty")
        mount(where, deviceId=numbers, sourceType="empty", mapperName="empty")
        (where / "file").write_bytes(MARK)
        run("sync")
        told = {
            "mounted": _mounted(where),
            "read": (where / "file").read_bytes() == MARK,
            "plaintext": MARK[:64] in file.read_bytes(),
            "header": b"LUKS" in file.read_bytes(),
            "again": refusal(lambda: mount(where, devicePath=node, sourceType="empty")),
        }
        run("umount", where)
        run("cryptsetup", "close", "empty")
        return told


def _mounted(where: Path) -> list[str]:
    """Source, type and options of what is mounted there."""
    lines = map(str.split, Path("/proc/mounts").read_text().splitlines())
    return [f"{source} {kind} {flags}" for source, at, kind, flags, *_ in lines if at == str(where)]


def an_encrypted_disk() -> dict[str, Any]:
    """With integrity; then the host changes what it holds."""
    with disk("full", 28) as (file, node):
        owners_disk(node, "--sector-size", "4096", "--integrity", "hmac-sha256")
        where, options = point("full"), {"devicePath": node, "sourceType": "encrypted"}
        options |= {"key": "kbs:///a/disk/key", "mapperName": "full"}
        wrong = refusal(lambda: mount(where, b"another key", **options))
        mount(where, **options)
        read = (where / "file").read_bytes() == MARK
        run("umount", where)
        run("cryptsetup", "close", "full")
        _change(file)
        run("blockdev", "--flushbufs", node)
        return {"wrong": wrong, "read": read, "changed": _reads(where, options), "left": mapped()}


def _change(file: Path) -> None:
    """One bit in each block of the data, as whoever has the disk can."""
    with file.open("r+b") as opened:
        for place in range(HEADER_BYTES + 3 * 1024 * 1024, file.stat().st_size, 4096):
            opened.seek(place)
            octet = opened.read(1)
            opened.seek(place)
            opened.write(bytes([octet[0] ^ 1]))


def _reads(where: Path, options: dict[str, str]) -> str:
    """How a changed disk reads."""
    try:
        mount(where, **options)
    except GuestError as error:
        return error.code
    try:
        return "the same" if (where / "file").read_bytes() == MARK else "another content"
    except OSError as error:
        return error.__class__.__name__
    finally:
        run("umount", where)
        run("cryptsetup", "close", "full")


def a_disk_without_integrity() -> dict[str, Any]:
    """Refused, unless integrity is given up by name."""
    with disk("plain", 28) as (_, node):
        owners_disk(node)
        where, options = point("plain"), {"devicePath": node, "sourceType": "encrypted"}
        options |= {"key": "kbs:///a/disk/key", "mapperName": "plain"}
        refused = refusal(lambda: mount(where, **options))
        mount(where, **options, dataIntegrity="false")
        read = (where / "file").read_bytes() == MARK
        run("umount", where)
        run("cryptsetup", "close", "plain")
        return {"refused": refused, "read": read}


def a_link() -> dict[str, Any]:
    """To what is readable; and nothing stays open when the file system is not what it says."""
    with disk("link", 28) as (_, node):
        where = HERE / "link"
        options = {"devicePath": node, "sourceType": "empty", "dataIntegrity": "false"}
        mount(where, **options, targetType="device", mapperName="link")
        told = {"link": str(where.readlink()), "is_disk": where.is_block_device()}
        run("cryptsetup", "close", "link")
        options |= {"mkfsOpts": "-N 4000000000", "mapperName": "broken"}
        told["broken"] = refusal(lambda: mount(point("broken"), **options))
        told["left"] = mapped()
        return told


STORIES = (an_empty_disk, an_encrypted_disk, a_disk_without_integrity, a_link)

if __name__ == "__main__":
    told: dict[str, Any] = {}
    for story in STORIES:
        try:
            told[story.__name__] = story()
        except Exception:  # noqa: BLE001  (told by the test)
            told[story.__name__] = {"failed": traceback.format_exc()}
    (Path(sys.argv[1]) / "told.json").write_text(json.dumps(told))
