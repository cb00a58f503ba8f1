"""The console on an address of its own: a real server, and nothing on the wrong address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import urllib3
from processes import Server, free_port, running, vouchgate
from servers import AdminKey, settings_table
from toml_files import write_toml

GUESTS = [
    ("POST", "/kbs/v0/auth"),
    ("POST", "/kbs/v0/resource/a/b/c"),
    ("POST", "/challenge"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/policy"),
]
OPERATORS = [
    ("GET", "/"),
    ("GET", "/console/"),
    ("GET", "/console/sign-in"),
    ("POST", "/console/sign-in"),
    ("GET", "/console/setup"),
    ("GET", "/api/v1/decisions"),
    ("GET", "/api/v1/operators"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Server]]:
    """The addresses of guests and of operators, and the server behind both."""
    folder = tmp_path_factory.mktemp("addresses")
    AdminKey.make(folder)
    guests, operators = free_port(), free_port()
    server = {
        "bind": [f"127.0.0.1:{guests}"],
        "console_bind": [f"127.0.0.1:{operators}"],
        "workers": 1,
    }
    config = write_toml(folder / "vouchgate.toml", settings_table(folder, server=server))
    url = f"http://127.0.0.1:{guests}"
    command = vouchgate("serve", "--config", str(config))
    with running(command, url, folder / "log") as server_process:
        yield url, f"http://127.0.0.1:{operators}", server_process


def ask(method: str, url: str, **headers: str) -> urllib3.BaseHTTPResponse:
    """A request without a body; redirects are not followed."""
    return urllib3.request(method, url, headers=headers, redirect=False, retries=False)


@pytest.mark.parametrize(("method", "path"), OPERATORS)
def test_guests_find_no_console(site: tuple[str, str, Server], method: str, path: str) -> None:
    """Neither pages nor the admin REST interface, whatever address the client says it came for."""
    guests, operators, _ = site
    assert ask(method, guests + path).status == 404
    pretended = operators.removeprefix("http://")
    headers = {"Host": pretended, "X-Forwarded-Host": pretended, "X-Forwarded-Port": "443"}
    assert ask(method, guests + path, **headers).status == 404


@pytest.mark.parametrize(("method", "path"), GUESTS)
def test_operators_find_no_machines_routes(
    site: tuple[str, str, Server], method: str, path: str
) -> None:
    """A browser in the operators' network cannot be led to what guests call."""
    assert ask(method, site[1] + path).status == 404


@pytest.mark.parametrize(("method", "path"), OPERATORS)
def test_operators_find_the_console(site: tuple[str, str, Server], method: str, path: str) -> None:
    """At its own address."""
    assert ask(method, site[1] + path).status in {200, 303, 400, 401}


@pytest.mark.parametrize(("method", "path"), GUESTS)
def test_guests_find_what_is_theirs(site: tuple[str, str, Server], method: str, path: str) -> None:
    """At the address of guests."""
    assert ask(method, site[0] + path).status in {200, 400, 401}


@pytest.mark.parametrize("which", [0, 1])
def test_both_tell_their_health(site: tuple[str, str, Server], which: int) -> None:
    """What watches each address finds out."""
    assert ask("GET", f"{site[which]}/readyz").status == 200


def test_the_terminal_says_how_the_first_account_is_made(
    site: tuple[str, str, Server],
) -> None:
    """The command, and never a code."""
    said = site[2].log.read_text(encoding="utf-8")
    assert "vouchgate operators setup-link --config" in said
    assert "#" not in said
