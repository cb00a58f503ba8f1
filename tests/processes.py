"""Real servers on loopback: started from settings files, awaited, and ended by process id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paths import ROOT

START_SECONDS = 40


@dataclass
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> int:
        """End it as an operator does, with Ctrl-C; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def kill(self) -> None:
        """End it as a power cut does: the whole process group, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def vouchgate(*arguments: str) -> list[str]:
    """The server's command line."""
    return [sys.executable, "-m", "app.cli", *arguments]


def vouchgate_guest(*arguments: str) -> list[str]:
    """The guest's command line."""
    return [sys.executable, "-m", "guest.cli", *arguments]


@contextlib.contextmanager
def running(command: list[str], url: str, log: Path, ca: Path | None = None) -> Iterator[Server]:
    """A server from its start until the end of the block."""
    server = start(command, url, log, ca)
    try:
        yield server
    finally:
        server.stop()


def start(command: list[str], url: str, log: Path, ca: Path | None = None) -> Server:
    """A server that answers; it leads a process group of its own."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
    server = Server(url, process, log)
    try:
        _await(server, ca)
    except BaseException:
        server.kill()
        raise
    return server


def _await(server: Server, ca: Path | None) -> None:
    context = ssl.create_default_context(cafile=ca) if ca else None
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if server.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{server.url}/readyz", timeout=2, context=context):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    message = f"the server did not start:\n{server.log.read_text(errors='replace')[-4000:]}"
    raise RuntimeError(message)
