"""Disks under LUKS2: the volume type ``block-device`` (guest.md, section 7.6).

What upstream leaves to whoever asks is decided here: integrity is on unless it is turned off by
name, the header of a disk is not believed, and a key is never a file that the asker may choose.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from guest.cdh.credentials import is_below
from guest.errors import GuestError, MalformedMountError, MountPointError, NotDecryptedError
from guest.kms.ports import ResourceFetcher
from guest.mounts.devices import BlockDevices
from guest.mounts.ext4 import Ext4, parse_options
from guest.mounts.luks import Luks
from guest.mounts.programs import Programs
from guest.mounts.requests import MountRequest, Options

EMPTY, ENCRYPTED = "empty", "encrypted"
DEVICE, FILE_SYSTEM = "device", "fileSystem"
EXT4 = "ext4"
LUKS2 = "luks2"

RANDOM_KEY_BYTES = 64
# What cryptsetup reads of a key.
MAX_KEY_BYTES = 8 * 1024 * 1024

_FILE_SCHEME = "file://"
# Of the device mapper (include/uapi/linux/dm-ioctl.h), without what udev escapes.
_MAPPER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BlockDeviceOptions:
    """What is asked of a disk.

    Attributes:
        numbers: ``major:minor``, or ``None``.
        path: of the disk, when there are no numbers.
        source: ``empty`` for a disk to format, ``encrypted`` for one to open.
        key: where the key is; ``None`` for a random one.
        target: ``fileSystem``, or ``device`` for a link to what is readable.
        integrity: whether a change of the disk has to be noticed.
        mkfs: options of mkfs.ext4.
        name: of the device mapper.
    """

    numbers: str | None
    path: str | None
    source: str
    key: str | None = field(repr=False)
    target: str
    integrity: bool
    mkfs: list[str]
    name: str

    @classmethod
    def parse(cls, request: MountRequest) -> BlockDeviceOptions:
        """Options of a request.

        Raises:
            MalformedMountError: one is missing, wrong, unknown, or does not fit the others.
        """
        options = Options(request.options)
        options.choice("encryptionType", (LUKS2,))
        options.choice("filesystemType", (EXT4,), EXT4)
        parsed = cls(
            numbers=options.text("deviceId"),
            path=options.text("devicePath"),
            source=options.choice("sourceType", (EMPTY, ENCRYPTED)),
            key=options.text("key"),
            target=options.choice("targetType", (DEVICE, FILE_SYSTEM)),
            integrity=options.choice("dataIntegrity", ("true", "false"), "true") == "true",
            mkfs=parse_options(options.text("mkfsOpts") or ""),
            name=options.text("mapperName") or str(uuid.uuid4()),
        )
        options.close()
        if parsed.numbers is None and parsed.path is None:
            raise MalformedMountError("deviceId or devicePath must be there")
        if parsed.source == ENCRYPTED and parsed.key is None:
            raise MalformedMountError("an encrypted disk needs its key")
        if not _MAPPER_NAME.fullmatch(parsed.name) or parsed.name == "control":
            raise MalformedMountError("mapperName is no name of the device mapper")
        return parsed


@dataclass(frozen=True, slots=True)
class BlockDeviceMounter:
    """Mounts disks.

    Attributes:
        programs: of this machine.
        devices: of this machine.
        headers: folder for headers, in memory.
        keys: the only folder in which a key may be a file; credentials are fetched into it.
        fetch: brings resources.
        unseal: opens sealed secrets.
    """

    programs: Programs = field(repr=False)
    devices: BlockDevices
    headers: Path
    keys: Path
    fetch: ResourceFetcher = field(repr=False)
    unseal: Callable[[str], bytes] = field(repr=False)

    def mount(self, request: MountRequest) -> None:
        """Open a disk, and show it at the mount point.

        Raises:
            MalformedMountError: the options do not fit.
            BlockDeviceError: the disk is not there, or in use.
            UntrustedVolumeError: its header says to protect less than is demanded.
            NotDecryptedError: it does not open under the key, or the key is none.
            MountPointError: nothing can be shown at the mount point.
            ProgramMissingError, ProgramFailedError: a program.
            GuestError: the key could not be fetched.
        """
        options = BlockDeviceOptions.parse(request)
        point = _mount_point(request.mount_point, options.target)
        device = self._device(options)
        key = self._key(options.key)
        luks = Luks(self.programs, self.headers)
        with self._header(luks, device, key, options) as header:
            opened = luks.open(device, header, key, options.name)
        try:
            self._show(opened, point, options)
        except GuestError:
            luks.close(options.name)
            raise
        _log.info("mounted a disk, %s, integrity %s", options.source, options.integrity)

    def _device(self, options: BlockDeviceOptions) -> str:
        if options.numbers is not None:
            return self.devices.by_numbers(options.numbers)
        assert options.path is not None
        return self.devices.by_path(options.path)

    def _key(self, place: str | None) -> bytes:
        if place is None:
            return secrets.token_bytes(RANDOM_KEY_BYTES)
        if place.startswith("sealed."):
            key = self.unseal(place)
        elif place.startswith(("kbs:", "kbs+")):
            key = self.fetch(place)
        elif place.startswith(_FILE_SCHEME):
            key = self._key_file(Path(place.removeprefix(_FILE_SCHEME)))
        else:
            raise MalformedMountError("a key is a sealed secret, a resource URI or a credential")
        if not 0 < len(key) <= MAX_KEY_BYTES:
            raise NotDecryptedError(f"a key of a disk has 1 to {MAX_KEY_BYTES} bytes")
        return key

    def _key_file(self, path: Path) -> bytes:
        # Who asks could name a file whose content he knows, and read the disk elsewhere.
        try:
            found = path.resolve(strict=True)
            if not is_below(found, self.keys.resolve(strict=True)):
                raise MalformedMountError("a key file lies in the folder of credentials")
            with found.open("rb") as file:
                return file.read(MAX_KEY_BYTES + 1)
        except (OSError, ValueError, RuntimeError) as error:
            raise MalformedMountError("the key file cannot be read") from error

    @contextmanager
    def _header(
        self, luks: Luks, device: str, key: bytes, options: BlockDeviceOptions
    ) -> Iterator[str]:
        if options.source == ENCRYPTED:
            with luks.copied_header(device, integrity=options.integrity) as header:
                yield header
            return
        strength = {"integrity": options.integrity, "is_random": options.key is None}
        with luks.fresh_header(device, key, **strength) as header:
            yield header

    def _show(self, opened: str, point: Path, options: BlockDeviceOptions) -> None:
        if options.target == DEVICE:
            try:
                point.symlink_to(opened)
            except OSError as error:
                raise MountPointError(f"no link can be made there: {error.strerror}") from error
            return
        if options.source == EMPTY:
            Ext4(self.programs).make(opened, options.mkfs, integrity=options.integrity)
        self.programs.run("mount", "-t", EXT4, "-o", "noatime", opened, str(point))


def _mount_point(text: str, target: str) -> Path:
    """Looked at before the disk is, so that a slip does not cost what it holds."""
    point = Path(text)
    try:
        fits = point.is_dir() if target == FILE_SYSTEM else not os.path.lexists(point)
    except OSError as error:
        raise MountPointError("the mount point cannot be looked at") from error
    if not fits:
        wanted = "be a folder" if target == FILE_SYSTEM else "not be there yet"
        raise MountPointError(f"the mount point must {wanted}")
    return point
