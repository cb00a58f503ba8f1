"""What is dangerous asks again who it is, and nothing that was filled in gets lost."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from console_client import PASSWORD, Console
from flask import Flask
from sqlalchemy import update

from app.blueprints import gate
from app.console.permissions import Role
from app.store.database import db
from app.store.tables import console_sessions

HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*>')


def hidden(page: Any) -> dict[str, str]:
    """The hidden fields of a page's main form."""
    found = {}
    for field in HIDDEN.findall(page.text.partition("<main")[2]):
        members = dict(re.findall(r'(name|value)="([^"]*)"', field))
        found[members["name"]] = html.unescape(members.get("value", ""))
    return found


@pytest.fixture
def owner(app: Flask, console: Callable[..., Console]) -> Console:
    """An owner who signed in a while ago."""
    signed_in = console(Role.OWNER)
    long_ago = datetime.now(UTC) - timedelta(minutes=16)
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(update(console_sessions).values(proved_at=long_ago))
    return signed_in


def test_every_dangerous_page_and_form_asks(app: Flask, owner: Console) -> None:
    """A session alone opens none of them."""
    asked = 0
    for route in app.url_map.iter_rules():
        view = app.view_functions[route.endpoint]
        if not gate.asks_for_recent_proof(view) or "<" in route.rule:
            continue
        path = route.rule.removeprefix("/console")
        if "GET" in (route.methods or ()):
            assert owner.get(path).location.startswith("/console/prove?next="), path
            asked += 1
        if "POST" in (route.methods or ()):
            refused = owner.post(path, name="x")
            assert refused.status_code == 403
            assert refused.headers["Vouchgate-Reason"] == "proof-needed"
            asked += 1
    assert asked >= 7


def test_a_wrong_password_proves_nothing(owner: Console) -> None:
    """And the question stays where it was."""
    page = owner.get("/prove?next=/console/operators/new")
    answer = owner.client.post("/console/prove", data=hidden(page) | {"shown": "wrong"})
    assert answer.status_code == 401
    assert hidden(answer)["next"] == "/console/operators/new"
    assert owner.get("/operators/new").status_code == 303


def test_a_page_is_shown_after_the_proof(owner: Console) -> None:
    """With its query, and for a while without asking again."""
    asked = owner.get("/operators/change?name=an-owner")
    page = owner.client.get(asked.location)
    answer = owner.client.post("/console/prove", data=hidden(page) | {"shown": PASSWORD})
    assert answer.status_code == 303
    assert answer.location == "/console/operators/change?name=an-owner"
    assert owner.client.get(answer.location).status_code == 200
    assert owner.get("/signing-keys/rotate").status_code == 200


def test_a_form_is_kept_and_sent_after_the_proof(owner: Console) -> None:
    """What was filled in comes back as one button; nothing happens before it is pressed."""
    page = owner.post("/operators/new", name="bob <b>", role="viewer")
    answer = owner.client.post("/console/prove", data=hidden(page) | {"shown": PASSWORD})
    assert answer.status_code == 200
    assert "bob" not in owner.get("/operators").text
    kept = hidden(answer)
    assert (kept["name"], kept["role"]) == ("bob <b>", "viewer")
    assert 'action="/console/operators/new"' in answer.text
    assert "One-time password" in owner.client.post("/console/operators/new", data=kept).text


def test_the_proof_gives_the_browser_a_new_session(owner: Console) -> None:
    """A session id that was stolen before opens nothing that is dangerous, nor anything else."""
    before = owner.client.get_cookie("vouchgate-console", path="/console")
    page = owner.get("/prove")
    owner.client.post("/console/prove", data=hidden(page) | {"shown": PASSWORD})
    assert before is not None
    thief = owner.client.application.test_client()
    thief.set_cookie("vouchgate-console", before.value, path="/console")
    assert thief.get("/console/").status_code == 303
    assert owner.get("/").status_code == 200


@pytest.mark.parametrize("carried", ["{", "[1]", '[["a"]]', "7"])
def test_a_form_that_does_not_parse_is_refused(owner: Console, carried: str) -> None:
    """What comes back from the browser is input like any other."""
    page = owner.get("/prove")
    form = hidden(page) | {"shown": PASSWORD, "carried": carried}
    assert owner.client.post("/console/prove", data=form).status_code == 400


def test_it_leads_nowhere_else(owner: Console) -> None:
    """The address to go on to is one of this console."""
    page = owner.get("/prove?next=https://evil.example/")
    assert hidden(page)["next"] == "/console/"
    form = hidden(page) | {"shown": PASSWORD, "next": "//evil.example/"}
    assert owner.client.post("/console/prove", data=form).location == "/console/"


def test_a_policy_comes_into_force_after_the_proof_only(owner: Console) -> None:
    """Its text is kept meanwhile; a draft and a check need none."""
    path, text = "/policies/resource/resource-policy", "package policy\n\nallow := false\n"
    form = {"text": text, "based_on": "1", "comment": "stop"}
    assert owner.post(f"{path}/edit", **form, action="check").status_code == 200
    asked = owner.post(f"{path}/save", **form)
    assert (asked.status_code, asked.headers["Vouchgate-Reason"]) == (403, "proof-needed")
    kept = hidden(owner.client.post("/console/prove", data=hidden(asked) | {"shown": PASSWORD}))
    assert kept["text"] == text
    assert "allow := false" not in owner.get(path).text
    assert owner.client.post(f"/console{path}/save", data=kept).status_code == 303
    assert "allow" in owner.get(path).text
