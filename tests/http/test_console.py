"""The console in a client without JavaScript: sign-in, own password, pages, headers, CSRF."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import RawGuest

from app.blueprints.services import Services
from app.console.permissions import Role
from app.factory import CONTENT_SECURITY_POLICY
from app.trust.audit import Actor

OWN_PASSWORD = "a long enough passphrase"


@pytest.fixture
def one_time_password(app: Flask, services: Services) -> str:
    """The password of a new operator named ann."""
    with app.app_context():
        return services.operators.create("ann", Role.OWNER, Actor("tests", "owner"))


def csrf(page: Any) -> str:
    """The token in a page's form."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert found
    return found.group(1)


def sign_in(client: FlaskClient, password: str, name: str = "ann") -> Any:
    """Fill in the form."""
    token = csrf(client.get("/console/sign-in"))
    form = {"name": name, "password": password, "csrf_token": token}
    return client.post("/console/sign-in", data=form)


def choose_password(client: FlaskClient) -> Any:
    """Replace the one-time password."""
    token = csrf(client.get("/console/password"))
    form = {"password": OWN_PASSWORD, "repeated": OWN_PASSWORD, "csrf_token": token}
    return client.post("/console/password", data=form)


@pytest.fixture
def signed_in(client: FlaskClient, one_time_password: str) -> FlaskClient:
    """A client with a session of ann's and a password of her own."""
    sign_in(client, one_time_password)
    assert choose_password(client).status_code == 303
    return client


@pytest.mark.parametrize("path", ["/console/", "/console/decisions", "/console/decisions/abc"])
def test_pages_ask_strangers_to_sign_in(client: FlaskClient, path: str) -> None:
    """No page shows anything before sign-in."""
    response = client.get(path)
    assert response.status_code == 303
    assert response.location.startswith("/console/sign-in")


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("bob", "wrong"), ("ann", "")])
def test_wrong_credentials_are_refused_alike(
    client: FlaskClient, one_time_password: str, name: str, password: str
) -> None:
    """A wrong password and a wrong name read the same."""
    response = sign_in(client, password, name)
    assert "The name or the password is wrong." in response.text
    assert client.get("/console/").status_code == 303


def test_forms_without_their_token_are_refused(client: FlaskClient) -> None:
    """A form that this server did not make does nothing."""
    for path in ("/console/sign-in", "/console/password", "/console/sign-out"):
        assert client.post(path, data={"name": "ann"}).status_code in {303, 400}
    assert client.get("/console/").status_code == 303


def test_a_one_time_password_must_be_replaced(client: FlaskClient, one_time_password: str) -> None:
    """Every page leads to the choice of a password, until one is chosen."""
    sign_in(client, one_time_password)
    assert client.get("/console/").location == "/console/password"
    assert choose_password(client).status_code == 303
    assert client.get("/console/").status_code == 200


def test_a_one_time_password_works_once(signed_in: FlaskClient, one_time_password: str) -> None:
    """After the choice the old password opens nothing."""
    signed_in.delete_cookie("vouchgate-console", path="/console")
    assert "wrong" in sign_in(signed_in, one_time_password).text


def test_a_new_password_ends_other_sessions(
    app: Flask, one_time_password: str, client: FlaskClient
) -> None:
    """A session of the old password is no session any more."""
    other = app.test_client()
    sign_in(other, one_time_password)
    sign_in(client, one_time_password)
    choose_password(client)
    assert other.get("/console/").location.startswith("/console/sign-in")


def test_sign_out_ends_the_session(signed_in: FlaskClient) -> None:
    """Signing out is a form, and then it is over."""
    token = csrf(signed_in.get("/console/"))
    signed_in.post("/console/sign-out", data={"csrf_token": token})
    assert signed_in.get("/console/").status_code == 303


def test_sign_in_leads_nowhere_else(client: FlaskClient, one_time_password: str) -> None:
    """The address to go on to is one of this console."""
    token = csrf(client.get("/console/sign-in?next=https://evil.example/"))
    form = {"name": "ann", "password": one_time_password, "csrf_token": token}
    response = client.post("/console/sign-in?next=//evil.example/", data=form)
    assert response.location == "/console/"


def test_a_decision_is_shown_with_all_it_was_made_on(
    affirming: None, signed_in: FlaskClient, app: Flask
) -> None:
    """The id that the guest got opens the page that explains."""
    guest = RawGuest(app.test_client())
    guest.attest()
    decision_id = guest.resource().headers["Vouchgate-Decision"]
    page = signed_in.get(f"/console/decisions/{decision_id}")
    assert page.status_code == 200
    assert "policy-allowed" in page.text
    assert "affirming" in page.text
    assert decision_id[:12] in signed_in.get("/console/decisions").text


def test_an_unknown_decision_is_a_404_page(signed_in: FlaskClient) -> None:
    """A page says that there is nothing, in words."""
    response = signed_in.get("/console/decisions/0")
    assert response.status_code == 404
    assert "There is nothing here" in response.text


def test_insecure_settings_stand_in_the_header(signed_in: FlaskClient) -> None:
    """What weakens is on every page."""
    assert "attestation.insecure_allow_sample" in signed_in.get("/console/").text


@pytest.mark.parametrize(
    "path", ["/console/", "/console/decisions", "/console/sign-in", "/healthz"]
)
def test_every_answer_has_its_headers(signed_in: FlaskClient, path: str) -> None:
    """Nothing is loaded from elsewhere, nothing is framed, nothing is cached."""
    headers = signed_in.get(path).headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/console/", "/console/decisions", "/console/sign-in"])
def test_pages_are_self_contained(signed_in: FlaskClient, path: str) -> None:
    """No inline script or style, no address of another machine."""
    text = signed_in.get(path).text
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert "style=" not in text
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_the_console_is_not_there_without_its_role(tmp_path: Any) -> None:
    """A process without the console role serves no page."""
    from servers import AdminKey, make_settings

    from app.factory import build
    from app.wiring import prepare

    AdminKey.make(tmp_path)
    settings = make_settings(tmp_path, roles=["as", "kbs"])
    prepare(settings)
    client = build(settings).test_client()
    assert client.get("/console/").status_code == 404
    assert client.get("/console/sign-in").status_code == 404
