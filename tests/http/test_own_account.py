"""One's own account by REST: a token acts for whoever made it, and for nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from console_client import Console
from flask import Flask
from flask.testing import FlaskClient
from servers import AdminKey

from app.blueprints.services import Services
from app.console.api_tokens import Maker, TokenDraft
from app.console.permissions import Permission, Role, permissions_of
from app.trust.audit import Actor

ACCOUNT = "/api/v1/account"
MakeToken = Callable[..., dict[str, str]]


@pytest.fixture
def token_of(app: Flask, services: Services) -> MakeToken:
    """Headers with an API token that an account made."""

    def make(name: str, *permissions: Permission) -> dict[str, str]:
        narrowed = frozenset(permissions) or None
        draft = TokenDraft("a script", Role.VIEWER, narrowed, days=1)
        with app.app_context():
            maker = Maker(Actor(name, Role.VIEWER), permissions_of(Role.VIEWER), name)
            return {"Authorization": f"Bearer {services.api_tokens.make(draft, maker)[1]}"}

    return make


def ask(client: FlaskClient, method: str, path: str, headers: dict[str, str]) -> Any:
    """What the route answers."""
    return client.open(f"{ACCOUNT}{path}", method=method, headers=headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/sessions"),
        ("DELETE", "/sessions"),
        ("DELETE", f"/sessions/{'0' * 16}"),
        ("GET", "/api-tokens"),
        ("DELETE", f"/api-tokens/{'0' * 16}"),
    ],
)
def test_a_token_of_no_account_has_none(
    client: FlaskClient, admin: AdminKey, method: str, path: str
) -> None:
    """An identity provider's token is of no account here."""
    answer = ask(client, method, path, admin.headers("owner"))
    assert (answer.status_code, answer.json["code"]) == (404, "operator-not-found")


def test_a_narrowed_token_does_not_reach_the_account(
    client: FlaskClient, console: Callable[..., Console], token_of: MakeToken
) -> None:
    """Whoever steals a token for decisions cannot sign its maker out."""
    console(Role.VIEWER, "vera")
    answer = ask(client, "DELETE", "/sessions", token_of("vera", Permission.DECISION_READ))
    assert answer.json["code"] == "permission-denied"


def test_nobody_ends_what_is_of_others(
    client: FlaskClient, console: Callable[..., Console], token_of: MakeToken
) -> None:
    """Sessions and tokens of others are not there, whatever one guesses."""
    walter = console(Role.VIEWER, "walter")
    console(Role.VIEWER, "vera")
    theirs, mine = token_of("walter"), token_of("vera")
    (session,) = ask(client, "GET", "/sessions", theirs).json
    (token,) = ask(client, "GET", "/api-tokens", theirs).json
    gone = ask(client, "DELETE", f"/sessions/{session['handle']}", mine)
    assert gone.json["code"] == "console-session-not-found"
    gone = ask(client, "DELETE", f"/api-tokens/{token['token_id']}", mine)
    assert gone.json["code"] == "api-token-not-found"
    ask(client, "DELETE", "/sessions", mine)
    assert walter.get("/").status_code == 200


@pytest.mark.parametrize("query", ["limit=0", "limit=x"])
def test_lists_take_no_nonsense(
    client: FlaskClient, console: Callable[..., Console], token_of: MakeToken, query: str
) -> None:
    """A limit that is none is refused."""
    console(Role.VIEWER, "vera")
    for path in ("/sessions", "/api-tokens"):
        assert ask(client, "GET", f"{path}?{query}", token_of("vera")).status_code == 400


def test_a_program_looks_after_its_account(
    app: Flask, client: FlaskClient, console: Callable[..., Console], token_of: MakeToken
) -> None:
    """It sees who it is, signs browsers out, and revokes its own token in the end."""
    browsers = [console(Role.VIEWER, "vera"), Console.again(app, "vera")]
    mine = token_of("vera")
    account = ask(client, "GET", "", mine).json
    assert (account["name"], account["second_factor"]) == ("vera", False)
    listed = ask(client, "GET", "/sessions", mine).json
    assert {each["operator"] for each in listed} == {"vera"}
    handle = listed[0]["handle"]
    assert ask(client, "DELETE", f"/sessions/{handle}", mine).status_code == 200
    assert ask(client, "DELETE", "/sessions", mine).json == {"ended": 1}
    assert [browser.get("/").status_code for browser in browsers] == [303, 303]
    token_id = account["token_id"]
    assert ask(client, "DELETE", f"/api-tokens/{token_id}", mine).status_code == 200
    assert ask(client, "GET", "", mine).status_code == 401


def test_a_person_ends_all_other_sessions(app: Flask, console: Callable[..., Console]) -> None:
    """The one that asks goes on, and so do other people's."""
    here, walter = console(Role.VIEWER, "vera"), console(Role.VIEWER, "walter")
    others = [Console.again(app, "vera") for _ in range(2)]
    assert "End all others" in here.get("/account").text
    assert here.post("/account/sessions/end-others").status_code == 303
    assert "2 other sessions ended" in here.get("/account").text
    assert "End all others" not in here.get("/account").text
    assert [other.get("/").status_code for other in others] == [303, 303]
    assert walter.get("/").status_code == 200
