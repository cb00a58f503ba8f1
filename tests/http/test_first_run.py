"""The first run in a browser without JavaScript: a link, a form, and what a guest needs."""

from __future__ import annotations

import html
import re
import tomllib
from typing import Any

import pytest
from console_client import PASSWORD, Console
from flask import Flask
from flask.testing import FlaskClient

from app.blueprints.services import Services
from app.console.permissions import Role
from app.trust.audit import Actor

TERMINAL = Actor("cli:tests", Role.OWNER)


@pytest.fixture
def code(app: Flask, services: Services) -> str:
    """What the terminal printed."""
    with app.app_context():
        return services.first_run.issue(TERMINAL)


def fill_in(client: FlaskClient, **form: str) -> Any:
    """Send the form."""
    token = Console.token(client.get("/console/setup"))
    full = {"name": "ann", "password": PASSWORD, "repeated": PASSWORD, "csrf_token": token}
    return client.post("/console/setup", data=full | form)


def test_a_wrong_code_is_told_at_its_field(client: FlaskClient, code: str) -> None:
    """And what was typed is still there."""
    page = fill_in(client, code="x" * 43, name="anna")
    assert page.status_code == 401
    assert "was used, or its time is over" in page.text
    assert 'value="anna"' in page.text


@pytest.mark.parametrize(
    "form", [{"repeated": "another one, also long"}, {"password": "short", "repeated": "short"}]
)
def test_an_unfit_password_makes_nobody(
    app: Flask, services: Services, client: FlaskClient, code: str, form: dict[str, str]
) -> None:
    """The same rules as for every password."""
    fill_in(client, code=code, **form)
    with app.app_context():
        assert services.first_run.is_open()


def test_the_code_makes_the_first_owner(client: FlaskClient, code: str) -> None:
    """Who is signed in, sees what was made, and finds files for guests."""
    answer = fill_in(client, code=code)
    assert answer.location == "/console/first-steps"
    page = client.get(answer.location).text
    assert "sqlite" in page
    blocks = [
        html.unescape(each) for each in re.findall(r"<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)
    ]
    assert tomllib.loads(blocks[0])["token_configs"]["kbs"]["url"] == "http://127.0.0.1:8080"
    assert tomllib.loads(blocks[1])["kbc"]["name"] == "cc_kbc"
    assert tomllib.loads(blocks[2])["algorithm"] == "sha384"


def test_the_page_is_gone_once_there_is_an_owner(
    app: Flask, client: FlaskClient, code: str
) -> None:
    """Also for who holds the code still."""
    fill_in(client, code=code)
    other = app.test_client()
    assert other.get("/console/setup").location == "/console/sign-in"
    token = Console.token(other.get("/console/sign-in"))
    form = {"code": code, "name": "eve", "password": PASSWORD, "repeated": PASSWORD}
    answer = other.post("/console/setup", data=form | {"csrf_token": token})
    assert answer.location == "/console/sign-in"
    assert other.get("/console/").status_code == 303


def test_strangers_learn_where_the_setup_is(
    app: Flask, services: Services, client: FlaskClient, code: str
) -> None:
    """While there is no owner; afterwards nothing points there."""
    assert 'href="/console/setup"' in client.get("/console/sign-in").text
    assert "vouchgate operators setup-link" in client.get("/console/setup").text
    fill_in(client, code=code)
    assert "/console/setup" not in app.test_client().get("/console/sign-in").text


def test_files_for_guests_are_told_by_rest(client: FlaskClient, owner: dict[str, str]) -> None:
    """The same files."""
    files = client.get("/api/v1/guest-files", headers=owner).json
    assert tomllib.loads(files["aa"])["token_configs"]["coco_as"]["url"] == "http://127.0.0.1:8080"
    assert files["authority"] == ""
