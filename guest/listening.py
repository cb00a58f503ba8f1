"""Sockets that this guest listens on: who calls, which file gives way, what systemd passes."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from guest.errors import ListenError

# Further callers wait in the kernel.
BACKLOG = 512
# Of sd_listen_fds(3).
FIRST_INHERITED = 3
MAX_INHERITED = 16

_CREDENTIALS = struct.Struct("3i")


def peer_uid(peer: socket.socket) -> int:
    """The user at the other end of a Unix socket, as the kernel says (``SO_PEERCRED``, unix(7))."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(raw)
    return int(uid)


def listen_unix(path: Path) -> socket.socket:
    """A Unix socket that listens; folders above it are made.

    Raises:
        ListenError: it cannot be listened on.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        remove_stale(path)
        listener.bind(str(path))
        # Any user may knock; who is let in, the kernel's word on the peer decides.
        path.chmod(0o666)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno) if error.errno else "it is no path for a socket"
        raise ListenError(f"{path} cannot be listened on: {reason}") from error
    return listener


def remove_stale(path: Path) -> None:
    """Remove the socket of a server that is gone, and nothing else.

    Raises:
        OSError: another file has the name, or someone listens there.
    """
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "another file has this name")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(errno.EADDRINUSE, "someone listens there")


def inherited_sockets(environment: Mapping[str, str], pid: int) -> dict[str, int]:
    """Descriptors of the sockets that systemd opened for this process, by the names of its units.

    Source: sd_listen_fds(3). They are another process's when ``LISTEN_PID`` is not ``pid``.

    Raises:
        ListenError: the variables contradict each other.
    """
    if environment.get("LISTEN_PID") != str(pid):
        return {}
    count, names = environment.get("LISTEN_FDS", ""), environment.get("LISTEN_FDNAMES", "")
    every_name = names.split(":")
    if not (count.isascii() and count.isdigit() and 0 < len(every_name) <= MAX_INHERITED):
        raise ListenError("LISTEN_FDS is no number of sockets, or LISTEN_FDNAMES names too many")
    if int(count) != len(every_name) or len(set(every_name)) != len(every_name):
        raise ListenError("LISTEN_FDNAMES needs one name for each of LISTEN_FDS, none twice")
    return {name: FIRST_INHERITED + index for index, name in enumerate(every_name)}


def adopt(descriptor: int) -> socket.socket:
    """A listening socket from its descriptor; programs that are started do not get it.

    Raises:
        ListenError: it is none, or is TCP off loopback.
    """
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ListenError(f"descriptor {descriptor} is no socket") from error
    listener.set_inheritable(False)
    with suppress(OSError):
        if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return listener
    listener.detach()
    raise ListenError(f"descriptor {descriptor} does not listen")
