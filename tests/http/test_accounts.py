"""Accounts by REST and in the console: who may, what is refused, and what tokens open."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from console_client import Console
from flask import Flask
from flask.testing import FlaskClient
from servers import AdminKey

from app.console.permissions import Role

TOKEN = re.compile(r"vouchgate_[0-9a-f]{16}_[0-9a-f]{64}")
OPERATORS = "/api/v1/operators"


def bearer(token: str) -> dict[str, str]:
    """Headers with a token."""
    return {"Authorization": f"Bearer {token}"}


def make(client: FlaskClient, headers: dict[str, str], **body: Any) -> Any:
    """Ask for a token."""
    draft = {"label": "a script", "role": "viewer", "days": 30} | body
    return client.post("/api/v1/api-tokens", json=draft, headers=headers)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("", {"role": "owner"}, (400, "malformed-request")),
        ("", {"name": "", "role": "owner"}, (400, "malformed-request")),
        ("", {"name": "a\nb", "role": "owner"}, (400, "malformed-request")),
        ("", {"name": "x" * 65, "role": "owner"}, (400, "malformed-request")),
        ("", {"name": "bob", "role": "emperor"}, (400, "malformed-request")),
        ("", {"name": 7, "role": "owner"}, (400, "malformed-request")),
        ("", {"name": "ann", "role": "viewer"}, (409, "conflict")),
        ("/role", {"name": "ann", "role": "viewer"}, (409, "conflict")),
        ("/role", {"name": "eve", "role": "viewer"}, (404, "operator-not-found")),
        ("/reset", {"name": "eve"}, (404, "operator-not-found")),
        ("/reset", {}, (400, "malformed-request")),
        ("/disable", {"name": "ann"}, (409, "conflict")),
        ("/disable", {"name": "eve"}, (404, "operator-not-found")),
        ("/enable", {"name": "eve"}, (404, "operator-not-found")),
        ("/remove-second-factor", {"name": "ann"}, (409, "conflict")),
    ],
)
def test_refuses_and_writes_nothing(
    client: FlaskClient,
    owner: dict[str, str],
    row_counts: Callable[[], dict[str, int]],
    path: str,
    body: dict[str, Any],
    expected: tuple[int, str],
) -> None:
    """Bad input, what is not there, and what would leave nobody in charge."""
    client.post(OPERATORS, json={"name": "ann", "role": "owner"}, headers=owner)
    before = row_counts()
    answer = client.post(OPERATORS + path, json=body, headers=owner)
    assert (answer.status_code, answer.json["code"]) == expected
    assert row_counts() == before


def test_accounts_are_kept_by_rest(client: FlaskClient, owner: dict[str, str]) -> None:
    """Created, listed, changed, reset, disabled and enabled; each is written down."""
    created = client.post(OPERATORS, json={"name": "ann", "role": "owner"}, headers=owner).json
    assert len(created["one_time_password"]) >= 16
    client.post(OPERATORS, json={"name": "bob", "role": "viewer"}, headers=owner)
    changed = client.post(
        f"{OPERATORS}/role", json={"name": "bob", "role": "auditor"}, headers=owner
    )
    assert changed.json["role"] == "auditor"
    for action in ("reset", "disable", "enable"):
        path = f"{OPERATORS}/{action}"
        assert client.post(path, json={"name": "bob"}, headers=owner).status_code == 200
    listed = client.get(OPERATORS, headers=owner).json
    assert [(each["name"], each["disabled_at"]) for each in listed] == [
        ("ann", None),
        ("bob", None),
    ]
    actions = [line["entry"]["action"] for line in client.get("/api/v1/audit", headers=owner).json]
    assert actions[:4] == [
        "operators:account:enable",
        "operators:account:disable",
        "operators:password:change",
        "operators:role:change",
    ]


def test_sessions_are_listed_and_ended_by_rest(
    client: FlaskClient, owner: dict[str, str], console: Callable[..., Console]
) -> None:
    """By a name that opens nothing."""
    viewer = console(Role.VIEWER, "vera")
    (session,) = client.get("/api/v1/console-sessions?operator=vera", headers=owner).json
    assert session["source"] == "127.0.0.1"
    path = f"/api/v1/console-sessions/{session['handle']}"
    assert client.delete(path, headers=owner).status_code == 200
    assert viewer.get("/").status_code == 303
    assert client.delete(path, headers=owner).json["code"] == "console-session-not-found"


def test_roles_are_told_by_rest(client: FlaskClient, admin: AdminKey) -> None:
    """To every role."""
    roles = client.get("/api/v1/roles", headers=admin.headers("viewer")).json
    assert "keys:signing:rotate" in roles["owner"]
    assert "keys:signing:rotate" not in roles["viewer"]


def test_a_token_opens_what_its_role_opens(client: FlaskClient, owner: dict[str, str]) -> None:
    """On every administrative route, those of Trustee's clients among them, and no more."""
    token = make(client, owner).json["token"]
    for path in ("/api/v1/decisions", "/kbs/v0/resource-policy", "/api/v1/roles"):
        assert client.get(path, headers=bearer(token)).status_code == 200, path
    for path in ("/api/v1/audit", "/api/v1/secrets", "/metrics", OPERATORS):
        refused = client.get(path, headers=bearer(token))
        assert refused.status_code == 403, path
        assert "this API token lacks the permission" in refused.json["detail"]


def test_a_narrowed_token_opens_one_thing(client: FlaskClient, owner: dict[str, str]) -> None:
    """Whatever its role may."""
    token = make(client, owner, role="owner", permissions=["audit:log:read"]).json["token"]
    assert client.get("/api/v1/audit", headers=bearer(token)).status_code == 200
    assert client.get("/api/v1/decisions", headers=bearer(token)).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"label": ""},
        {"role": "emperor"},
        {"days": 0},
        {"days": "30"},
        {"days": True},
        {"permissions": "audit:log:read"},
        {"permissions": []},
        {"permissions": None},
        {"permissions": [7]},
        {"permissions": ["no:such:permission"]},
        {"permissions": ["audit:log:read"]},
    ],
)
def test_no_token_is_made_of_bad_input(
    client: FlaskClient, owner: dict[str, str], body: dict[str, Any]
) -> None:
    """With a reason code."""
    refused = make(client, owner, **body)
    assert (refused.status_code, refused.json["code"]) == (400, "malformed-request")


def test_a_token_does_no_more_than_who_makes_it(client: FlaskClient, admin: AdminKey) -> None:
    """A viewer makes no owner."""
    refused = make(client, admin.headers("viewer"), role="owner")
    assert (refused.status_code, refused.json["code"]) == (403, "permission-denied")


def test_a_token_makes_no_tokens(client: FlaskClient, owner: dict[str, str]) -> None:
    """One that leaked would live on in the next one."""
    token = make(client, owner, role="owner").json["token"]
    refused = make(client, bearer(token))
    assert (refused.status_code, refused.json["code"]) == (403, "permission-denied")


def test_a_revoked_token_opens_nothing(client: FlaskClient, owner: dict[str, str]) -> None:
    """From the next request on."""
    made = make(client, owner).json
    path = f"/api/v1/api-tokens/{made['token_id']}"
    assert client.delete(path, headers=owner).status_code == 200
    refused = client.get("/api/v1/decisions", headers=bearer(made["token"]))
    assert (refused.status_code, refused.json["code"]) == (401, "admin-unauthenticated")
    assert client.delete(path, headers=owner).json["code"] == "api-token-not-found"


def test_the_audit_log_names_the_token(client: FlaskClient, owner: dict[str, str]) -> None:
    """Beside whoever made it: the two are one person for the rule of two persons."""
    made = make(client, owner, role="owner", label="ci").json
    client.post(OPERATORS, json={"name": "eve", "role": "viewer"}, headers=bearer(made["token"]))
    entry = client.get("/api/v1/audit?limit=1", headers=owner).json[0]["entry"]
    assert entry["actor"]["name"] == "ann@tests"
    assert entry["actor"]["token"] == {"token_id": made["token_id"], "label": "ci"}
    for path in ("/api/v1/audit.csv", "/api/v1/audit.jsonl"):
        newest = client.get(f"{path}?limit=1", headers=owner).text
        assert f"{made['token_id']}" in newest
        assert "ci" in newest
        assert made["token"] not in newest


def test_the_audit_page_names_the_token(app: Flask, console: Callable[..., Console]) -> None:
    """In the list and on the record; what a person did says nothing of tokens."""
    ann = console(Role.OWNER, "ann")
    made = ann.post("/api-tokens/new", label="ci", role="owner", days="7").text
    token = TOKEN.search(made)
    assert token
    assert 'token "ci"' not in ann.get("/audit").text
    body = {"name": "eve", "role": "viewer"}
    app.test_client().post(OPERATORS, json=body, headers=bearer(token[0]))
    page = ann.get("/audit").text
    assert 'ann</a> · token "ci"' in page
    newest = max(int(number) for number in re.findall(r"/console/audit/(\d+)", page))
    assert token[0].split("_")[1] in ann.get(f"/audit/{newest}").text


def test_pages_make_list_and_revoke_tokens(app: Flask, console: Callable[..., Console]) -> None:
    """One's own; what is shown once is not shown again."""
    auditor = console(Role.AUDITOR, "otto")
    page = auditor.post("/api-tokens/new", label="a script", role="auditor", days="7")
    token = TOKEN.search(page.text)
    assert token
    client = app.test_client()
    assert client.get("/api/v1/audit", headers=bearer(token[0])).status_code == 200
    listed = auditor.get("/api-tokens").text
    token_id = token[0].split("_")[1]
    assert token_id in listed
    assert token[0] not in listed
    assert auditor.post("/api-tokens/revoke", token_id=token_id).status_code == 303
    assert client.get("/api/v1/audit", headers=bearer(token[0])).status_code == 401


def test_pages_refuse_a_token_in_words(console: Callable[..., Console]) -> None:
    """The form comes back with what was typed and the reason above it."""
    viewer = console(Role.VIEWER)
    page = viewer.post("/api-tokens/new", label="my robot", role="owner", days="7")
    assert page.status_code == 400
    assert "no more than who makes it" in page.text
    assert "my robot" in page.text


def test_tokens_of_others_are_an_owners_business(console: Callable[..., Console]) -> None:
    """Others neither see nor revoke them."""
    otto, vera = console(Role.AUDITOR, "otto"), console(Role.VIEWER, "vera")
    page = otto.post("/api-tokens/new", label="of otto", role="viewer", days="7")
    token = TOKEN.search(page.text)
    assert token
    token_id = token[0].split("_")[1]
    assert "of otto" not in vera.get("/api-tokens").text
    assert vera.post("/api-tokens/revoke", token_id=token_id).status_code == 404
    owner = console(Role.OWNER)
    assert "of otto" in owner.get("/api-tokens").text
    assert owner.post("/api-tokens/revoke", token_id=token_id).status_code == 303


def test_an_owner_changes_accounts_in_the_console(console: Callable[..., Console]) -> None:
    """Disabled, enabled, a session ended; the last owner stays."""
    owner, vera = console(Role.OWNER, "olga"), console(Role.VIEWER, "vera")
    page = owner.get("/operators/change?name=vera").text
    handle = re.search(r'name="handle" value="([0-9a-f]{16})"', page)
    assert handle
    assert owner.post("/operators/sessions/end", name="olga", handle=handle[1]).status_code == 404
    assert owner.post("/operators/sessions/end", name="vera", handle=handle[1]).status_code == 303
    assert vera.get("/").status_code == 303
    assert owner.post("/operators/disable", name="vera").status_code == 303
    assert "disabled" in owner.get("/operators").text
    assert owner.post("/operators/enable", name="vera").status_code == 303
    refused = owner.post("/operators/disable", name="olga")
    assert refused.status_code == 409
    assert "someone has to be owner" in refused.text
    assert owner.post("/operators/second-factor", name="vera").status_code == 409


def test_the_table_of_roles_is_shown_to_everyone(console: Callable[..., Console]) -> None:
    """Every permission with every role."""
    text = console(Role.VIEWER).get("/roles").text
    assert "keys:signing:rotate" in text
    assert "secret-custodian" in text


def test_operators_come_by_pages(
    client: FlaskClient, owner: dict[str, str], console: Callable[..., Console]
) -> None:
    """On the console and by REST; a limit that is none is refused."""
    ann = console(Role.OWNER, "ann")
    for name in ("bob", "cleo"):
        client.post(OPERATORS, json={"name": name, "role": "viewer"}, headers=owner)
    page = ann.get("/operators?limit=2").text
    assert "bob" in page
    assert "cleo" not in page
    assert 'href="/console/operators?after=bob"' in page
    following = client.get(f"{OPERATORS}?after=bob&limit=2", headers=owner).json
    assert [each["name"] for each in following] == ["cleo"]
    for query in ("limit=0", "limit=501", "limit=x"):
        assert client.get(f"{OPERATORS}?{query}", headers=owner).status_code == 400
        assert ann.get(f"/operators?{query}").status_code == 400


def test_a_second_factor_is_taken_away_by_rest(
    client: FlaskClient, owner: dict[str, str], console: Callable[..., Console]
) -> None:
    """For an operator who lost phone and codes."""
    viewer = console(Role.VIEWER, "vera")
    page = viewer.get("/account/second-factor").text
    ticket = re.search(r'name="ticket"[^>]*value="([^"]+)"', page)
    secret = re.search(r'<code class="wrap">([A-Z2-7]{32})</code>', page)
    assert ticket
    assert secret
    code = pyotp.TOTP(secret[1]).now()
    assert viewer.post("/account/second-factor", ticket=ticket[1], code=code).status_code == 200
    path = f"{OPERATORS}/remove-second-factor"
    assert client.post(path, json={"name": "vera"}, headers=owner).status_code == 200
    assert client.post(path, json={"name": "vera"}, headers=owner).status_code == 409
