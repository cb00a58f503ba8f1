"""Bodies that do not arrive whole, and headers that only a proxy may send.

Only a real server shows this: the test client always hands over what it was given.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
import urllib3
from processes import Server, free_port, running, vouchgate
from servers import AdminKey, settings_table
from toml_files import write_toml

LIMIT = 4096
CHUNK = b"800\r\n" + b"a" * 0x800 + b"\r\n"
CHUNKED, END = b"Transfer-Encoding: chunked", b"0\r\n\r\n"

BROKEN = {
    "chunks beyond the limit": (CHUNKED, CHUNK * 2 + b"1\r\na\r\n" + END, 413),
    "chunks far beyond the limit": (CHUNKED, CHUNK * 40 + END, 413),
    "a length beyond the limit": (b"Content-Length: 4097", b"a" * 4097, 413),
    "a length that is never reached": (b"Content-Length: 2048", b"a" * 1024, 400),
    "a length and nothing": (b"Content-Length: 2048", b"", 400),
    "chunks without an end": (CHUNKED, CHUNK, 400),
    "half a chunk": (CHUNKED, CHUNK[:1000], 400),
    "half a chunk's size": (CHUNKED, CHUNK + b"8", 400),
    "a size that is none": (CHUNKED, CHUNK + b"zz\r\na\r\n" + END, 400),
    "a chunk longer than its size": (CHUNKED, b"2\r\naaaa\r\n" + END, 400),
    "two lengths": (b"Content-Length: 2\r\nContent-Length: 3", b"aaa", 400),
    "a length and chunks": (b"Content-Length: 2\r\n" + CHUNKED, CHUNK + END, 400),
    "a negative length": (b"Content-Length: -1", b"a", 400),
}
WHOLE = {
    "chunks up to the limit": (CHUNKED, CHUNK * 2 + END, 4096),
    "one chunk": (CHUNKED, CHUNK + END, 2048),
    "a length up to the limit": (b"Content-Length: 4096", b"a" * 4096, 4096),
    "nothing": (b"Content-Length: 0", b"", 0),
}


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> AdminKey:
    """The operators' identity provider, with its folder."""
    return AdminKey.make(tmp_path_factory.mktemp("bodies"))


@pytest.fixture(scope="module")
def server(admin: AdminKey) -> Iterator[Server]:
    """A server that takes small bodies."""
    folder, port = admin.public_file.parent, free_port()
    limits = {"bind": [f"127.0.0.1:{port}"], "workers": 1, "max_body_bytes": LIMIT}
    config = write_toml(folder / "vouchgate.toml", settings_table(folder, server=limits))
    command = vouchgate("serve", "--config", str(config))
    with running(command, f"http://127.0.0.1:{port}", folder / "log") as started:
        yield started


def write(server: Server, admin: AdminKey, path: str, header: bytes, body: bytes) -> int:
    """Send a secret byte for byte, then say no more; the status."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    lines = (
        f"POST /kbs/v0/resource/{path} HTTP/1.1".encode(),
        b"Host: x",
        b"Connection: close",
        f"Authorization: Bearer {admin.token()}".encode(),
        header,
    )
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        connection.sendall(body)
        # A server that has refused what it read so far may have hung up already.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return int(connection.recv(4096).split()[1])


def sizes(server: Server, admin: AdminKey) -> dict[str, int]:
    """The secrets that are there, with their sizes."""
    listed = urllib3.request("GET", f"{server.url}/api/v1/secrets", headers=admin.headers()).json()
    return {each["resource_id"]: each["size_bytes"] for each in listed}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_whole_is_refused(server: Server, admin: AdminKey, name: str) -> None:
    """No half-written secret, and no success that was none."""
    header, body, status = BROKEN[name]
    assert write(server, admin, "broken/a/b", header, body) == status
    assert "broken/a/b" not in sizes(server, admin)


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_is_kept(server: Server, admin: AdminKey, name: str) -> None:
    """Every byte, however it was sent."""
    header, body, size = WHOLE[name]
    path = f"whole/{list(WHOLE).index(name)}/b"
    assert write(server, admin, path, header, body) == 200
    assert sizes(server, admin)[path] == size


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Ssl", "on"),
        ("SCRIPT_NAME", "/kbs"),
        ("PATH_INFO", "/metrics"),
        ("REMOTE_ADDR", "192.0.2.7"),
    ],
)
def test_nobody_is_a_proxy_by_saying_so(server: Server, name: str, value: str) -> None:
    """Not even on this machine: what proxies may say is a setting."""
    reply = urllib3.request(
        "POST",
        f"{server.url}/kbs/v0/auth",
        json={"version": "0.4.0", "tee": "sample", "extra-params": {}},
        headers={name: value},
    )
    assert reply.status == 200
    assert "Secure" not in reply.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in reply.headers
