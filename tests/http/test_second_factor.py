"""A second factor in the browser: set up with a picture, asked for at sign-in, taken away."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from console_client import PASSWORD, Console
from flask import Flask
from flask.testing import FlaskClient
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.console.permissions import Role
from app.factory import build
from app.trust.audit import Actor

SECRET = re.compile(r"<code class=\"wrap\">([A-Z2-7]{32})</code>")
TICKET = re.compile(r'name="ticket"[^>]*value="([^"]+)"')
RECOVERY_CODE = re.compile(r"<code>((?:[0-9a-f]{5}-){3}[0-9a-f]{5})</code>")


def found(pattern: re.Pattern[str], page: Any) -> str:
    """What a page shows."""
    match = pattern.search(page.text)
    assert match, page.text
    return html.unescape(match[1])


def set_up(operator: Console) -> tuple[pyotp.TOTP, list[str]]:
    """Turn a second factor on with last step's code, so that this step's is still unused."""
    page = operator.get("/account/second-factor")
    phone = pyotp.TOTP(found(SECRET, page))
    code = phone.at(datetime.now(UTC) - timedelta(seconds=30))
    page = operator.post("/account/second-factor", ticket=found(TICKET, page), code=code)
    assert page.status_code == 200, page.text
    return phone, RECOVERY_CODE.findall(page.text)


def sign_in(client: FlaskClient, name: str) -> Any:
    """Show name and password."""
    token = Console.token(client.get("/console/sign-in"))
    form = {"name": name, "password": PASSWORD, "csrf_token": token}
    return client.post("/console/sign-in?next=/console/decisions", data=form)


def show_code(client: FlaskClient, path: str, code: str) -> Any:
    """Show a code."""
    form = {"code": code, "csrf_token": Console.token(client.get(path))}
    return client.post(path, data=form)


@pytest.fixture
def viewer(console: Callable[..., Console]) -> Console:
    """A viewer without a second factor."""
    return console(Role.VIEWER)


def test_a_wrong_code_turns_nothing_on(viewer: Console) -> None:
    """The same secret is offered again, with the field marked."""
    page = viewer.get("/account/second-factor")
    ticket = found(TICKET, page)
    again = viewer.post("/account/second-factor", ticket=ticket, code="000000")
    assert again.status_code == 400
    assert found(SECRET, again) == found(SECRET, page)
    assert 'aria-invalid="true"' in again.text
    assert "off" in viewer.get("/account").text


def test_a_forged_offer_is_refused(viewer: Console) -> None:
    """The secret is ours, or there is none."""
    refused = viewer.post("/account/second-factor", ticket="AAAA", code="000000")
    assert refused.status_code == 400
    assert "the offer is over" in refused.text


def test_the_picture_is_part_of_the_page(viewer: Console) -> None:
    """Inline, without style, and no other address learns the secret."""
    text = viewer.get("/account/second-factor").text
    assert "<svg" in text
    assert "style=" not in text
    assert "data:" not in text
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_the_password_alone_opens_nothing(app: Flask, viewer: Console) -> None:
    """Half way in is not in, on any page, and the code is asked for."""
    set_up(viewer)
    client = app.test_client()
    assert sign_in(client, "an-viewer").location.startswith("/console/sign-in/code")
    assert client.get("/console/").location.startswith("/console/sign-in")
    assert show_code(client, "/console/sign-in/code", "000000").status_code == 401
    assert client.get("/console/").status_code == 303


def test_password_and_code_sign_in_once(app: Flask, viewer: Console) -> None:
    """And lead where the operator was going; the same code is refused in another browser."""
    phone, _ = set_up(viewer)
    code = phone.now()
    client, other = app.test_client(), app.test_client()
    path = sign_in(client, "an-viewer").location
    assert show_code(client, path, code).location == "/console/decisions"
    assert client.get("/console/").status_code == 200
    sign_in(other, "an-viewer")
    assert show_code(other, "/console/sign-in/code", code).status_code == 401


def test_a_recovery_code_signs_in(app: Flask, viewer: Console) -> None:
    """Once."""
    _, codes = set_up(viewer)
    assert len(codes) == 10
    for expected in (303, 401):
        client = app.test_client()
        sign_in(client, "an-viewer")
        assert show_code(client, "/console/sign-in/code", codes[0]).status_code == expected
    assert "9 recovery codes left" in viewer.get("/account").text


def test_nobody_is_half_way_in_without_a_password(client: FlaskClient) -> None:
    """The page of the code leads back to the beginning."""
    assert client.get("/console/sign-in/code").location == "/console/sign-in"


def test_half_way_in_ends_with_the_password(
    app: Flask, services: Services, viewer: Console
) -> None:
    """Whoever showed the old one begins again."""
    phone, _ = set_up(viewer)
    client = app.test_client()
    path = sign_in(client, "an-viewer").location
    token = Console.token(client.get(path))
    with app.app_context():
        services.operators.reset("an-viewer", Actor("tests", "owner"))
    answer = client.post(path, data={"code": phone.now(), "csrf_token": token})
    assert answer.location == "/console/sign-in"


def test_it_is_taken_away_by_its_operator(app: Flask, viewer: Console) -> None:
    """After that the password alone signs in."""
    set_up(viewer)
    assert "on" in viewer.get("/account").text
    viewer.post("/account/second-factor/remove")
    assert sign_in(app.test_client(), "an-viewer").location == "/console/decisions"


def test_a_role_that_must_have_one_gets_to_nothing_else(
    tmp_path: Path, prepared: tuple[Path, AdminKey]
) -> None:
    """Every page leads to the setup until it is done."""
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    settings = make_settings(tmp_path, console={"second_factor_roles": ["auditor"]})
    app = build(settings)
    services: Services = app.extensions[EXTENSION]
    with closing(services):
        auditor = Console.of(app, services, Role.AUDITOR, first_page="/console/account")
        assert auditor.get("/").location == "/console/account/second-factor"
        assert auditor.get("/audit").location == "/console/account/second-factor"
        set_up(auditor)
        assert auditor.get("/audit").status_code == 200
