"""Cookies, headers and forms: what a browser is told, and what other sites cannot make it do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from console_client import PASSWORD, Console
from flask import Flask
from flask.testing import FlaskClient
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.console.permissions import Role
from app.factory import CONTENT_SECURITY_POLICY, build

PARAMETER = re.compile(r"<(?:[^<>:]+:)?(\w+)>")
PAGES = ("console.", "login.", "front.")
HTTPS = "https://vouchgate.example"
SAFE = {"GET", "HEAD", "OPTIONS"}


def unsafe_paths(app: Flask) -> list[str]:
    """Every path of the console that takes a method that changes something."""
    return sorted(
        PARAMETER.sub(lambda name: "attestation" if name[1] == "kind" else "x", route.rule)
        for route in app.url_map.iter_rules()
        if route.endpoint.startswith(PAGES) and set(route.methods or ()) - SAFE
    )


@pytest.fixture
def secure(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> Iterator[FlaskClient]:
    """A client of a console that is reached over HTTPS, with an operator's account."""
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    settings = make_settings(tmp_path, server={"public_url": HTTPS})
    app = build(settings)
    with closing(app.extensions[EXTENSION]) as services:
        Console.of(app, services, Role.VIEWER, "vera", over=HTTPS)
        yield app.test_client()


def test_no_form_of_the_console_works_without_its_token(
    app: Flask, client: FlaskClient, console: Callable[..., Console]
) -> None:
    """Every unsafe route there is, before sign-in and after."""
    owner = console(Role.OWNER)
    paths = unsafe_paths(app)
    assert len(paths) > 15
    for path in paths:
        assert client.post(path, data={"name": "x"}).status_code == 400, path
        assert owner.client.post(path, data={"name": "x"}).status_code == 400, path
    assert owner.get("/").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_form_is_taken_from_another_site(
    app: Flask, console: Callable[..., Console], site: str
) -> None:
    """Not even with a token."""
    owner = console(Role.OWNER)
    for path in unsafe_paths(app):
        response = owner.client.post(
            path, data={"csrf_token": owner.csrf}, headers={"Sec-Fetch-Site": site}
        )
        assert response.status_code == 400, path
        assert response.headers["Vouchgate-Reason"] == "malformed-request", path
    assert owner.get("/").status_code == 200


def test_every_route_sends_the_headers(app: Flask, console: Callable[..., Console]) -> None:
    """Whatever it answers: nothing from elsewhere, no frame, no cache, no guessing of types."""
    owner = console(Role.OWNER)
    for route in app.url_map.iter_rules():
        path = PARAMETER.sub("x", route.rule)
        for method in sorted((route.methods or set()) - {"OPTIONS"}):
            headers = owner.client.open(path, method=method).headers
            assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY, path
            assert headers["X-Content-Type-Options"] == "nosniff", path
            assert headers["Referrer-Policy"] == "no-referrer", path
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
            if not path.startswith("/static/"):
                assert headers["Cache-Control"], path


def test_nothing_frames_the_console() -> None:
    """A page of the attacker's cannot lay itself over ours."""
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


def test_signing_in_changes_the_cookie(
    client: FlaskClient, console: Callable[..., Console]
) -> None:
    """A cookie that was planted before is worth nothing afterwards, and its form token neither."""
    name = console(Role.VIEWER, "vera") and "vera"
    token = Console.token(client.get("/console/sign-in"))
    planted = client.get_cookie("vouchgate-console", path="/console")
    assert planted is not None
    form = {"name": name, "password": PASSWORD, "csrf_token": token}
    client.post("/console/sign-in", data=form)
    assert Console.token(client.get("/console/")) != token
    attacker = client.application.test_client()
    attacker.set_cookie("vouchgate-console", planted.value, path="/console")
    assert attacker.get("/console/").status_code == 303


def test_signing_out_ends_it_on_the_server(console: Callable[..., Console]) -> None:
    """A copy of the cookie opens nothing afterwards."""
    viewer = console(Role.VIEWER)
    copied = viewer.client.get_cookie("vouchgate-console", path="/console")
    assert copied is not None
    viewer.post("/sign-out")
    thief = viewer.client.application.test_client()
    thief.set_cookie("vouchgate-console", copied.value, path="/console")
    assert thief.get("/console/").status_code == 303


def test_cookies_of_https_are_this_hosts_alone(secure: FlaskClient) -> None:
    """``__Host-``, `Secure`, `HttpOnly`, `SameSite=Strict`, and the form works over HTTPS."""
    token = Console.token(secure.get("/console/sign-in", base_url=HTTPS))
    form = {"name": "vera", "password": PASSWORD, "csrf_token": token}
    answer = secure.post("/console/sign-in", data=form, base_url=HTTPS)
    assert answer.status_code == 303
    cookies = answer.headers.getlist("Set-Cookie")
    assert {each.partition("=")[0] for each in cookies} == {
        "__Host-vouchgate-console",
        "__Host-vouchgate-device",
    }
    for cookie in cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")}
        assert {"secure", "httponly", "samesite=strict", "path=/"} <= attributes
        assert not any(each.startswith("domain") for each in attributes)
    assert answer.headers["Strict-Transport-Security"]


def test_cookies_of_plain_http_stay_below_the_console(
    client: FlaskClient, console: Callable[..., Console]
) -> None:
    """On loopback there is no prefix, but all else."""
    console(Role.VIEWER, "vera")
    form = {"name": "vera", "password": PASSWORD}
    form["csrf_token"] = Console.token(client.get("/console/sign-in"))
    cookies = client.post("/console/sign-in", data=form).headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")}
        assert {"httponly", "samesite=strict", "path=/console"} <= attributes


def test_ones_other_session_is_ended_from_the_account_page(
    app: Flask, console: Callable[..., Console]
) -> None:
    """One's own, and nobody else's."""
    vera, other = console(Role.VIEWER, "vera"), console(Role.VIEWER, "otto")
    second = Console.again(app, "vera")
    handles = re.findall(r'name="handle" value="([0-9a-f]{16})"', vera.get("/account").text)
    assert len(handles) == 1
    assert other.post("/account/sessions/end", handle=handles[0]).status_code == 404
    assert second.get("/").status_code == 200
    assert vera.post("/account/sessions/end", handle=handles[0]).status_code == 303
    assert second.get("/").status_code == 303
    assert vera.get("/").status_code == 200
