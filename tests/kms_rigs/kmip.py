"""A KMIP server: PyKMIP's, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from certificates import Authority
from processes import free_port

from guest.kms_settings import KMSAccess
from guest.wire.encoding import b64_encode
from kms_rigs.rig import Credentials, Rig

# What the key "kek" is.
KEK = bytes(range(32))

# The server uses what cryptography calls deprecated; modules beside it are none of its own.
_PYTHON = (sys.executable, "-P", "-W", "ignore")
_HERE = Path(__file__).parent


@contextmanager
def running(folder: Path) -> Iterator[Rig]:
    """Two keys of one client, one that is not active, and a client that has none."""
    authority = Authority.make(folder, "authority")
    for name in ("server", "guest", "stranger"):
        authority.issue(name)
    port = str(free_port())
    command = [*_PYTHON, str(_HERE / "kmip_server.py"), str(folder), port]
    with (folder / "output").open("wb") as output:
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=output, start_new_session=True
        )
    try:
        assert server.stdout is not None
        if server.stdout.readline() != b"started\n":
            raise RuntimeError((folder / "output").read_text())
        yield _prepare(folder, port, authority)
    finally:
        # Asked to end, it would wait for a connection for ten seconds; and it has a child.
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate(timeout=30)


def _prepare(folder: Path, port: str, authority: Authority) -> Rig:
    made = subprocess.run(
        [*_PYTHON, str(_HERE / "kmip_keys.py"), str(folder), port],
        capture_output=True,
        check=True,
    )
    keys = json.loads(made.stdout)
    access = KMSAccess(
        _credentials(folder, "guest"),
        f"localhost:{port}",
        authority.file.read_text(),
        timeout_seconds=10.0,
    )
    return Rig(
        provider="kmip",
        settings={},
        access=access,
        key_id=keys["kek"],
        other_key_id=keys["kek2"],
        missing_key_id="9999",
        annotations={"aad": "app=db"},
        changed=({}, {"aad": "app=other"}, {"aad": ""}, {"iv": b64_encode(bytes(12))}),
        denied=replace(access, folder=_credentials(folder, "stranger")),
        bad_settings=({"host": "x"}, {"endpoint": "x:1"}),
        bad_key_ids=("", "a b", "k\n", "k" * 257),
        bad_annotations=({"aad": 5}, {"aad": "\n"}, {"iv": b64_encode(bytes(12))}, {"x": ""}),
        credentials=((folder / "guest-key.pem").read_text().splitlines()[1],),
    )


def _credentials(folder: Path, name: str) -> Path:
    written = Credentials(folder / name).written()
    shutil.copy(folder / f"{name}-cert.pem", written / "certificate.pem")
    shutil.copy(folder / f"{name}-key.pem", written / "private_key.pem")
    return written
