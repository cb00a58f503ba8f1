"""Buckets of Alibaba Cloud OSS, by ossfs, and by gocryptfs over it: ``alibaba-cloud-oss``.

Options are upstream's (guest.md, section 7.6). The bucket is the cloud's: without ``gocryptfs`` the
cloud reads and writes what the guest does.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from guest.errors import (
    GuestError,
    MalformedMountError,
    MountPointError,
    NotDecryptedError,
    ProgramFailedError,
)
from guest.mounts.programs import Programs, memory_file
from guest.mounts.requests import MountRequest, Options

GOCRYPTFS = "gocryptfs"
# Exit status of gocryptfs(1).
_WRONG_PASSWORD = 12

# Of OSS: lower-case letters, digits and hyphens.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_PATH = re.compile(r"/[A-Za-z0-9._/-]{0,1023}")
_PLAIN = re.compile(r"[!-9;-~]+")
# What ossfs may be told beside: nothing that names files of the guest or another server.
_TUNING = re.compile(
    r"(?:allow_other|enable_noobj_cache|noxattr|"
    r"(?:max_stat_cache_size|stat_cache_expire|umask|mp_umask|uid|gid|retries|connect_timeout|"
    r"readwrite_timeout|multipart_size|parallel_count)=[0-9]{1,9})"
)
# What upstream demands and does not use.
_UNUSED = ("annotations", "kmsKeyId", "targetPath", "volumeId")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ObjectStorageOptions:
    """What is asked of a bucket.

    Attributes:
        access_key: id and secret; each may be a sealed secret.
        bucket: its name.
        path: of the folder in it.
        url: of the service.
        tuning: arguments of ossfs.
        password: of gocryptfs, may be a sealed secret; ``None`` for a bucket in plain text.
    """

    access_key: tuple[str, str] = field(repr=False)
    bucket: str
    path: str
    url: str
    tuning: list[str]
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, request: MountRequest) -> ObjectStorageOptions:
        """Options of a request.

        Raises:
            MalformedMountError: one is missing, wrong or unknown.
        """
        options = Options(request.options)
        tuning = _tuning(options.text("otherOpts") or "")
        if options.choice("readonly", ("true", "false"), "false") == "true":
            tuning.append("-oro")
        encrypted = options.choice("encrypted", (GOCRYPTFS, "false"), "false") == GOCRYPTFS
        password = options.text("encPasswd")
        if encrypted != (password is not None):
            raise MalformedMountError(f"encrypted={GOCRYPTFS} and encPasswd need each other")
        parsed = cls(
            access_key=(options.needed("akId"), options.needed("akSecret")),
            bucket=options.needed("bucket"),
            path=options.needed("path"),
            url=options.needed("url"),
            tuning=tuning,
            password=password,
        )
        for name in _UNUSED:
            options.text(name)
        options.close()
        _check_place(parsed)
        return parsed


@dataclass(frozen=True, slots=True)
class ObjectStorageMounter:
    """Mounts buckets.

    Attributes:
        programs: of this machine.
        folder: for the encrypted view of a bucket, private to this guest.
        unseal: opens sealed secrets.
    """

    programs: Programs = field(repr=False)
    folder: Path
    unseal: Callable[[str], bytes] = field(repr=False)

    def mount(self, request: MountRequest) -> None:
        """Mount a bucket.

        Raises:
            MalformedMountError: the options do not fit.
            MountPointError: the mount point is no folder.
            NotDecryptedError: the bucket does not open under the password.
            ProgramMissingError, ProgramFailedError: ossfs, gocryptfs or umount.
            GuestError: a secret could not be opened.
        """
        options = ObjectStorageOptions.parse(request)
        point = Path(request.mount_point)
        if not point.is_dir():
            raise MountPointError("the mount point must be a folder")
        if options.password is None:
            self._ossfs(options, str(point))
            _log.info("mounted a bucket in plain text")
            return
        password = self._opened(options.password)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        below = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            self._ossfs(options, str(below))
            self._gocryptfs(str(below), str(point), password)
        except GuestError:
            below.rmdir()
            raise
        _log.info("mounted an encrypted bucket")

    def _ossfs(self, options: ObjectStorageOptions, point: str) -> None:
        keys = [self._opened(each) for each in options.access_key]
        if not all(_PLAIN.fullmatch(each.decode("latin-1")) for each in keys):
            raise MalformedMountError("akId and akSecret are printable, without spaces and colons")
        line = b":".join([options.bucket.encode("ascii"), *keys])
        with memory_file(line) as descriptor:
            place = f"-opasswd_file=/proc/self/fd/{descriptor}"
            where = f"{options.bucket}:{options.path}"
            arguments = (where, point, f"-ourl={options.url}", place, *options.tuning)
            self.programs.run("ossfs", *arguments, files=[descriptor])

    def _gocryptfs(self, below: str, point: str, password: bytes) -> None:
        try:
            self.programs.run(GOCRYPTFS, "-nosyslog", "-quiet", below, point, given=password)
        except GuestError as error:
            self.programs.run("umount", below)
            if isinstance(error, ProgramFailedError) and error.status == _WRONG_PASSWORD:
                raise NotDecryptedError("the bucket does not open under encPasswd") from error
            raise

    def _opened(self, text: str) -> bytes:
        return self.unseal(text) if text.startswith("sealed.") else text.encode("utf-8")


def _tuning(text: str) -> list[str]:
    """Options of ossfs, written ``-oname`` or ``-o name``, as ``-oname``.

    Raises:
        MalformedMountError: one is unknown; some write plaintext to files, or name other servers.
    """
    names = [each.removeprefix("-o") for each in text.split() if each != "-o"]
    if not all(_TUNING.fullmatch(each) for each in names):
        raise MalformedMountError("otherOpts holds an option that is not let through")
    return [f"-o{each}" for each in names]


def _check_place(options: ObjectStorageOptions) -> None:
    if not _BUCKET.fullmatch(options.bucket):
        raise MalformedMountError("bucket is no name of a bucket")
    if not _PATH.fullmatch(options.path) or ".." in options.path.split("/"):
        raise MalformedMountError("path must begin with a slash, and have no dot segments")
    try:
        parts = urlsplit(options.url)
        is_whole = parts.hostname is not None and parts.port != 0 and not parts.username
    except ValueError as error:
        raise MalformedMountError("url is no URL") from error
    is_plain = parts.scheme == "http" and _is_loopback(parts.hostname or "")
    if not is_whole or not _PLAIN.fullmatch(options.url.replace(":", "")):
        raise MalformedMountError("url is no URL")
    if parts.scheme != "https" and not is_plain:
        raise MalformedMountError("url must be https; plain http is for loopback addresses only")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
