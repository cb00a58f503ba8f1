"""``vouchgate serve`` with a certificate: encrypted, and what only an encrypted server may say."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import urllib3
from certificates import Authority
from processes import Server, free_port, running, vouchgate
from servers import AdminKey, settings_table
from toml_files import write_toml

from app.bounded_sockets import PATIENCE_SECONDS

# Of the one worker, by default.
THREADS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's keys and certificates are."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def admin_key(folder: Path) -> AdminKey:
    """The operators' identity provider."""
    return AdminKey.make(folder)


@pytest.fixture(scope="module")
def server(folder: Path, admin_key: AdminKey) -> Iterator[Server]:
    """All roles behind a certificate of the tests' authority, reachable from other machines."""
    authority = Authority.make(folder, "ca")
    certificate, key = authority.issue("server")
    port = free_port()
    table = settings_table(
        folder,
        server={
            "bind": [f"0.0.0.0:{port}"],
            "public_url": f"https://127.0.0.1:{port}",
            "tls_certificate": str(certificate),
            "tls_private_key": str(key),
            "workers": 1,
        },
    )
    config = write_toml(folder / "vouchgate.toml", table)
    command = vouchgate("serve", "--config", str(config))
    url = f"https://127.0.0.1:{port}"
    with running(command, url, folder / "log", authority.file) as started:
        yield started


@pytest.fixture(scope="module")
def http(server: Server, folder: Path) -> Iterator[urllib3.PoolManager]:
    """A client that trusts the tests' authority."""
    with urllib3.PoolManager(ca_certs=str(folder / "ca.pem"), retries=False, timeout=30) as pool:
        yield pool


def test_plain_http_is_not_answered(server: Server) -> None:
    """Nothing is said to a client that does not encrypt."""
    host, _, port = server.url.removeprefix("https://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            answer = connection.recv(1024)
        except ConnectionResetError:
            answer = b""
    assert b"200" not in answer


def test_another_authority_is_refused(server: Server, tmp_path: Path) -> None:
    """A client that pins someone else's authority talks to nobody."""
    other = Authority.make(tmp_path, "other")
    with (
        urllib3.PoolManager(ca_certs=str(other.file), retries=False, timeout=30) as pool,
        pytest.raises(urllib3.exceptions.SSLError),
    ):
        pool.request("GET", f"{server.url}/healthz")


def test_cookies_are_secure_and_http_is_forgotten(
    server: Server, http: urllib3.PoolManager
) -> None:
    """Neither the guest's session nor the operator's travels without TLS; browsers remember."""
    handshake = http.request(
        "POST",
        f"{server.url}/kbs/v0/auth",
        json={"version": "0.4.0", "tee": "sample", "extra-params": {}},
    )
    page = http.request("GET", f"{server.url}/console/sign-in")
    for reply, cookie in ((handshake, "kbs-session-id="), (page, "__Host-vouchgate-console=")):
        assert reply.status == 200
        (found,) = [each for each in reply.headers.getlist("Set-Cookie") if each.startswith(cookie)]
        attributes = found.split("; ")
        assert {"Secure", "HttpOnly", "SameSite=Strict"} <= set(attributes)
        assert reply.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_tokens_and_discovery_name_the_encrypted_address(
    server: Server, http: urllib3.PoolManager
) -> None:
    """Who relies on tokens is sent to where the keys are behind TLS."""
    found = http.request("GET", f"{server.url}/.well-known/openid-configuration").json()
    assert found["issuer"] == server.url
    assert http.request("GET", found["jwks_uri"]).status == 200


def test_silent_clients_are_no_outage(
    server: Server, folder: Path, http: urllib3.PoolManager
) -> None:
    """As many clients as there are threads stop within the handshake, and within a request."""
    host, _, port = server.url.removeprefix("https://").partition(":")
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    with ExitStack() as open_ones:
        for _ in range(THREADS):
            plain = open_ones.enter_context(socket.create_connection((host, int(port))))
            plain.sendall(b"\x16\x03\x01\x02\x00\x01")
        for _ in range(THREADS):
            plain = open_ones.enter_context(socket.create_connection((host, int(port))))
        started = time.monotonic()
        assert http.request("GET", f"{server.url}/healthz").status == 200
        assert time.monotonic() - started < 2 * PATIENCE_SECONDS
        for _ in range(THREADS):
            plain = socket.create_connection((host, int(port)))
            silent = open_ones.enter_context(context.wrap_socket(plain, server_hostname=host))
            silent.sendall(b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        started = time.monotonic()
        assert http.request("GET", f"{server.url}/healthz").status == 200
        assert time.monotonic() - started < 2 * PATIENCE_SECONDS
    assert "Traceback" not in server.log.read_text()


def test_an_absolute_address_is_judged_by_its_path(
    server: Server, folder: Path, admin_key: AdminKey
) -> None:
    """Access lists that saw the scheme and the host denied everything (wire.md 14.1, 9)."""
    host, _, port = server.url.removeprefix("https://").partition(":")
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    for role, status in (("owner", b"200"), ("stranger", b"403")):
        request = (
            f"GET {server.url}/api/v1/secrets?x=1 HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Authorization: Bearer {admin_key.token(role)}\r\nConnection: close\r\n\r\n"
        )
        with (
            socket.create_connection((host, int(port)), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            connection.sendall(request.encode())
            assert connection.recv(4096).split()[1] == status


def test_a_long_token_reaches_the_server(server: Server, http: urllib3.PoolManager) -> None:
    """Tokens with the evidence of devices did not fit a header (wire.md 14.1, 28)."""
    headers = {"Authorization": "Bearer " + "A" * 120_000}
    reply = http.request("GET", f"{server.url}/kbs/v0/resource/a/b/c", headers=headers)
    assert (reply.status, reply.json()["code"]) == (401, "malformed-token")
