"""Single sign-on: what the provider says is checked, and only what was mapped gets in."""

from __future__ import annotations

import html
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from console_client import Console
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from live import Live
from servers import AdminKey, make_settings
from simulated.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    SimulatedProvider,
    redirect_query,
)
from sqlalchemy import update

from app.blueprints.deps import EXTENSION
from app.console.permissions import Role
from app.factory import build
from app.store.database import db
from app.store.tables import console_sessions
from app.trust.audit import Actor
from app.trust.errors import ConflictError, MalformedRequestError

ONWARD = re.compile(r'http-equiv="refresh" content="0; url=([^"]+)"')
CALLBACK = "/console/sign-in/provider/callback"


def console_of(folder: Path, issuer: str, client_id: str = CLIENT_ID) -> Flask:
    """A console that trusts a provider."""
    secret = folder / "client-secret"
    secret.write_text(f"{CLIENT_SECRET}\n", encoding="utf-8")
    oidc = {
        "issuer": issuer,
        "client_id": client_id,
        "client_secret_file": str(secret),
        "role_claim": "groups",
        "roles": [{"value": "owners", "role": "owner"}, {"value": "staff", "role": "viewer"}],
        "label": "Our company",
    }
    return build(make_settings(folder, console={"oidc": oidc}))


@pytest.fixture
def provider() -> Iterator[SimulatedProvider]:
    """A provider that listens."""
    simulated = SimulatedProvider()
    with Live(simulated.app()) as live:
        simulated.url = live.url
        yield simulated


@pytest.fixture
def browser(
    tmp_path: Path, prepared: tuple[Path, AdminKey], provider: SimulatedProvider
) -> Iterator[FlaskClient]:
    """A browser at a console that trusts the provider."""
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    app = console_of(tmp_path, provider.url)
    with closing(app.extensions[EXTENSION]):
        yield app.test_client()


def onward(page: Any) -> str:
    """Where a page goes on to by itself."""
    found = ONWARD.search(page.text)
    assert found, page.text
    return html.unescape(found[1])


def depart(browser: FlaskClient) -> str:
    """Press the button; the address at the provider."""
    page = browser.get("/console/sign-in?next=/console/decisions")
    assert "Our company" in page.text
    form = {"csrf_token": Console.token(page)}
    return onward(browser.post("/console/sign-in/provider?next=/console/decisions", data=form))


def arrive(browser: FlaskClient, answer: dict[str, str]) -> Any:
    """Come back from the provider."""
    return browser.get(f"{CALLBACK}?{redirect_query(answer)}")


def refusal(page: Any) -> tuple[int, str]:
    """Status and reason code of a page."""
    return page.status_code, page.headers.get("Vouchgate-Reason", "")


def test_whoever_is_mapped_is_in(browser: FlaskClient, provider: SimulatedProvider) -> None:
    """With the role of the first value that fits, under a name that is no local one."""
    page = arrive(browser, provider.consent(depart(browser)))
    assert onward(page) == "/console/decisions"
    assert "oidc:ann" in browser.get("/console/").text
    assert browser.get("/console/operators").status_code == 200


def test_the_request_is_as_the_standards_want_it(
    browser: FlaskClient, provider: SimulatedProvider
) -> None:
    """Code flow, PKCE with S256, state and nonce, and nothing of it is short."""
    query = parse_qs(urlsplit(depart(browser)).query)
    assert query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert "openid" in query["scope"][0].split()
    for name in ("state", "nonce", "code_challenge"):
        assert len(query[name][0]) >= 43
    assert query["redirect_uri"][0].endswith(CALLBACK)


@pytest.mark.parametrize(
    "lies",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "someone else"},
        {"aud": ["console", "someone else"]},
        {"aud": None},
        {"azp": "someone else"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": int(time.time()) + 3600},
        {"iat": True},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "x" * 256},
        {"sub": 7},
    ],
)
def test_an_unfit_id_token_opens_nothing(
    browser: FlaskClient, provider: SimulatedProvider, lies: dict[str, Any]
) -> None:
    """Of another issuer, audience, sign-in or time, or about nobody."""
    provider.lies = lies
    page = arrive(browser, provider.consent(depart(browser)))
    assert refusal(page) == (422, "identity-token-invalid")
    assert browser.get("/console/").status_code == 303


def test_a_key_that_is_not_the_providers_opens_nothing(
    browser: FlaskClient, provider: SimulatedProvider
) -> None:
    """Whatever the token says."""
    provider.published = RSAKey.generate_key(2048, {"kid": "k"})
    page = arrive(browser, provider.consent(depart(browser)))
    assert refusal(page) == (422, "identity-token-invalid")


@pytest.mark.parametrize(
    "change",
    [{"state": "another"}, {"state": ""}, {"iss": "https://elsewhere.example"}],
)
def test_an_answer_to_someone_else_opens_nothing(
    browser: FlaskClient, provider: SimulatedProvider, change: dict[str, str]
) -> None:
    """Another state, or another provider mixed in (RFC 9207)."""
    page = arrive(browser, provider.consent(depart(browser)) | change)
    assert refusal(page) == (422, "identity-token-invalid")


def test_an_answer_in_another_browser_opens_nothing(
    browser: FlaskClient, provider: SimulatedProvider
) -> None:
    """A link that the attacker sends signs nobody in as the attacker."""
    answer = provider.consent(depart(browser))
    other = browser.application.test_client()
    assert refusal(arrive(other, answer)) == (422, "identity-token-invalid")


def test_an_answer_counts_once(browser: FlaskClient, provider: SimulatedProvider) -> None:
    """The ticket goes with it."""
    answer = provider.consent(depart(browser))
    arrive(browser, answer)
    assert refusal(arrive(browser, answer)) == (422, "identity-token-invalid")


def test_a_code_of_another_request_is_refused(
    browser: FlaskClient, provider: SimulatedProvider
) -> None:
    """PKCE: who stole a code has not what it was asked for with."""
    stolen = provider.consent(depart(browser))
    mine = provider.consent(depart(browser))
    page = arrive(browser, mine | {"code": stolen["code"]})
    assert refusal(page) == (403, "sign-in-refused")


@pytest.mark.parametrize("groups", [None, [], ["strangers"], "strangers", {"owners": 1}, [7]])
def test_whoever_is_not_mapped_is_refused(
    browser: FlaskClient, provider: SimulatedProvider, groups: Any
) -> None:
    """With a page that says why, and no account is made."""
    provider.claims["groups"] = groups
    page = arrive(browser, provider.consent(depart(browser)))
    assert refusal(page) == (403, "sign-in-refused")
    assert "gives you no role" in page.text
    services = browser.application.extensions[EXTENSION]
    with browser.application.app_context():
        assert services.operators.find("oidc:ann") is None


def test_a_no_of_the_provider_is_told(browser: FlaskClient, provider: SimulatedProvider) -> None:
    """Such as of a person who pressed cancel."""
    answer = provider.consent(depart(browser))
    page = arrive(browser, {"error": "access_denied", "state": answer["state"]})
    assert refusal(page) == (403, "sign-in-refused")


def test_the_provider_decides_the_role_at_each_sign_in(
    browser: FlaskClient, provider: SimulatedProvider
) -> None:
    """A demotion there ends the sessions of before."""
    arrive(browser, provider.consent(depart(browser)))
    provider.claims["groups"] = ["staff"]
    other = browser.application.test_client()
    arrive(other, provider.consent(depart(other)))
    assert browser.get("/console/").status_code == 303
    assert other.get("/console/operators").status_code == 403


def test_whoever_is_disabled_here_stays_out(
    browser: FlaskClient, provider: SimulatedProvider
) -> None:
    """Whatever the provider says; and no password opens such an account."""
    arrive(browser, provider.consent(depart(browser)))
    app = browser.application
    services = app.extensions[EXTENSION]
    root = Actor("cli:tests", Role.OWNER)
    with app.app_context():
        services.operators.disable("oidc:ann", root)
        with pytest.raises(ConflictError):
            services.operators.reset("oidc:ann", root)
        with pytest.raises(ConflictError):
            services.operators.change_role("oidc:ann", Role.VIEWER, root)
        with pytest.raises(MalformedRequestError):
            services.operators.create("oidc:eve", Role.OWNER, root)
    page = arrive(browser, provider.consent(depart(browser)))
    assert refusal(page) == (403, "sign-in-refused")
    assert "disabled" in page.text


def test_a_provider_that_is_down_is_an_outage(
    browser: FlaskClient, provider: SimulatedProvider
) -> None:
    """503 with Retry-After, and nobody is told to be wrong."""
    provider.metadata_lies = {"jwks_uri": "http://127.0.0.1:1/jwks"}
    page = arrive(browser, provider.consent(depart(browser)))
    assert refusal(page) == (503, "identity-provider-unavailable")
    assert page.headers["Retry-After"]


@pytest.mark.parametrize(
    "lie", [{"issuer": "https://elsewhere.example"}, {"authorization_endpoint": "ftp://x"}]
)
def test_a_description_that_is_not_the_providers_is_refused(
    browser: FlaskClient, provider: SimulatedProvider, lie: dict[str, str]
) -> None:
    """Nobody is sent to an address that it did not name itself."""
    provider.metadata_lies = lie
    form = {"csrf_token": Console.token(browser.get("/console/sign-in"))}
    page = browser.post("/console/sign-in/provider", data=form)
    assert refusal(page) == (422, "identity-token-invalid")


def test_what_is_dangerous_asks_the_provider_anew(
    browser: FlaskClient, provider: SimulatedProvider
) -> None:
    """With ``max_age=0``, for the same person, and an old sign-in there does not count."""
    arrive(browser, provider.consent(depart(browser)))
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with browser.application.app_context(), db.engine.begin() as connection:
        connection.execute(update(console_sessions).values(proved_at=long_ago))
    asked = browser.get("/console/operators/new")
    page = browser.get(asked.location)
    form = {"csrf_token": Console.token(page), "next": "/console/operators/new"}

    address = onward(browser.post("/console/prove/provider", data=form))
    query = parse_qs(urlsplit(address).query)
    assert (query["max_age"], query["prompt"]) == (["0"], ["login"])
    provider.lies = {"auth_time": 1}
    refused = arrive(browser, provider.consent(address))
    assert refusal(refused) == (422, "identity-token-invalid")

    address = onward(browser.post("/console/prove/provider", data=form))
    provider.lies, provider.claims["sub"] = {}, "eve"
    refused = arrive(browser, provider.consent(address))
    assert refusal(refused) == (403, "sign-in-refused")

    address = onward(browser.post("/console/prove/provider", data=form))
    provider.claims["sub"] = "ann"
    assert onward(arrive(browser, provider.consent(address))) == "/console/operators/new"
    assert browser.get("/console/operators/new").status_code == 200


def test_a_form_waits_in_its_tab_for_the_proof(
    browser: FlaskClient, provider: SimulatedProvider
) -> None:
    """The provider asks in another tab; what was filled in is sent from the first one."""
    arrive(browser, provider.consent(depart(browser)))
    page = browser.get("/console/operators/new")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with browser.application.app_context(), db.engine.begin() as connection:
        connection.execute(update(console_sessions).values(proved_at=long_ago))
    form = {"csrf_token": Console.token(page), "name": "eve", "role": "viewer"}
    asked = browser.post("/console/operators/new", data=form)
    assert (asked.status_code, asked.headers["Vouchgate-Reason"]) == (403, "proof-needed")
    assert 'name="name" value="eve"' in asked.text
    early = browser.post("/console/operators/new", data=form)
    assert 'name="name" value="eve"' in early.text

    waiting = {**form, "csrf_token": Console.token(asked)}
    done = {"csrf_token": waiting["csrf_token"], "next": "/console/prove/done"}
    address = onward(browser.post("/console/prove/provider", data=done))
    assert "eve" not in address
    assert onward(arrive(browser, provider.consent(address))) == "/console/prove/done"
    assert "Close this one" in browser.get("/console/prove/done").text
    assert "One-time password" in browser.post("/console/operators/new", data=waiting).text


def test_the_ticket_comes_along_and_the_session_does_not(
    browser: FlaskClient, provider: SimulatedProvider
) -> None:
    """Only the departure's cookie is ``Lax``; it is gone after the arrival."""
    form = {"csrf_token": Console.token(browser.get("/console/sign-in"))}
    (cookie,) = [
        each
        for each in browser.post("/console/sign-in/provider", data=form).headers.getlist(
            "Set-Cookie"
        )
        if "departure" in each
    ]
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=600"} <= set(cookie.split("; "))


def test_without_a_provider_there_is_no_button(client: FlaskClient) -> None:
    """And no route."""
    page = client.get("/console/sign-in")
    assert "/console/sign-in/provider" not in page.text
    form = {"csrf_token": Console.token(page)}
    assert client.post("/console/sign-in/provider", data=form).status_code == 404
    assert client.get(CALLBACK).status_code == 404


def test_a_provider_that_we_did_not_write(
    tmp_path: Path, prepared: tuple[Path, AdminKey], mock_provider: str
) -> None:
    """The whole way with `oidc-provider-mock`: its own discovery, keys, form and token."""
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    urllib3.request("PUT", f"{mock_provider}/users/ann", json={"groups": ["staff", "owners"]})
    app = console_of(tmp_path, mock_provider)
    with closing(app.extensions[EXTENSION]):
        browser = app.test_client()
        form = {"sub": "ann"}
        http = urllib3.PoolManager()
        consent = http.request(
            "POST", depart(browser), fields=form, encode_multipart=False, redirect=False
        )
        http.clear()
        back = urlsplit(consent.headers["Location"])
        assert back.path == CALLBACK
        assert onward(browser.get(f"{back.path}?{back.query}")) == "/console/decisions"
        assert browser.get("/console/operators").status_code == 200
