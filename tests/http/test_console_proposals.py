"""Deciding about proposals by clicks: what is too late, what asks again, what is only proposed."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from console_client import Console
from flask import Flask
from sqlalchemy import update

from app.blueprints.deps import EXTENSION
from app.blueprints.services import Services
from app.console.api_tokens import Maker, TokenDraft
from app.console.permissions import Role, permissions_of
from app.store.database import db
from app.store.tables import console_sessions
from app.trust.audit import Actor

RESOURCE = "/policies/resource/resource-policy"
DENY = "package policy\n\ndefault allow := false\n"


@pytest.fixture
def ada(console: Callable[..., Console]) -> Console:
    """Who proposes."""
    return console(Role.POLICY_AUTHOR, "ada")


@pytest.fixture
def bob(console: Callable[..., Console]) -> Console:
    """Who decides."""
    return console(Role.OWNER, "bob")


def propose(author: Console, text: str = DENY) -> str:
    """The page of a new proposal."""
    sent = author.post(f"{RESOURCE}/edit", text=text, based_on="1")
    return str(sent.headers["Location"]).removeprefix("/console")


def assert_too_late(answer: Any, words: str) -> None:
    """The answer is the proposal's page, with these words about what happened."""
    assert (answer.status_code, answer.headers["Vouchgate-Reason"]) == (409, "conflict")
    assert "You decided nothing" in answer.text
    assert words in answer.text
    assert "What would change" in answer.text


@pytest.mark.parametrize("verb", ["approve", "reject", "withdraw"])
def test_who_comes_second_learns_who_was_faster(ada: Console, bob: Console, verb: str) -> None:
    """The page says what became of the proposal, and offers no decision any more."""
    page = propose(ada)
    assert bob.post(f"{page}/reject", revision="1", comment="too early").status_code == 303
    answer = ada.post(f"{page}/{verb}", revision="1")
    assert_too_late(answer, "bob was faster")
    assert "too early" in answer.text
    assert "/approve" not in answer.text.partition("<main")[2].replace("proposals approve", "")
    assert_too_late(bob.post(f"{page}/reject", revision="1"), "You decided about this proposal")


def test_a_revision_that_was_not_read_is_shown(ada: Console, bob: Console) -> None:
    """The next press is about what stands there now."""
    page = propose(ada)
    ada.post(f"{page}/revise", text=DENY + "# more\n", based_on="1", revision="1")
    answer = bob.post(f"{page}/approve", revision="1")
    assert_too_late(answer, "Below is revision 2")
    assert "# more" in answer.text
    assert 'name="revision" type="hidden" value="2"' in answer.text
    assert bob.post(f"{page}/approve", revision="2").status_code == 303


def test_what_was_overtaken_says_who_can_help(ada: Console, bob: Console) -> None:
    """Its author is led to the editor, others to its author."""
    page = propose(ada)
    bob.post(f"{RESOURCE}/save", text=DENY + "# theirs\n", based_on="1")
    assert_too_late(bob.post(f"{page}/approve", revision="1"), "Its author can revise it")
    mine = ada.post(f"{page}/approve", revision="1")
    assert_too_late(mine, "the editor shows what yours would change of theirs")
    assert f"/console{page}/revise" in mine.text


def test_approving_asks_for_a_recent_proof(app: Flask, ada: Console, bob: Console) -> None:
    """A session that was left open is no second person; rejecting takes nothing more."""
    page = propose(ada)
    long_ago = datetime.now(UTC) - timedelta(minutes=16)
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(update(console_sessions).values(proved_at=long_ago))
    answer = bob.post(f"{page}/approve", revision="1", comment="well read")
    assert (answer.status_code, answer.headers["Vouchgate-Reason"]) == (403, "proof-needed")
    assert "well read" in answer.text
    assert bob.post(f"{page}/reject", revision="1").status_code == 303


def test_a_token_is_no_second_person(strict: Flask) -> None:
    """It acts for whoever made it, who does not approve what it proposed, nor the other way."""
    services: Services = strict.extensions[EXTENSION]
    ada = Console.of(strict, services, Role.OWNER, "ada")
    maker = Maker(Actor("ada", Role.OWNER), permissions_of(Role.OWNER), "ada")
    with strict.app_context():
        _, token = services.api_tokens.make(TokenDraft("ci", Role.OWNER, None, days=1), maker)
    program, headers = strict.test_client(), {"Authorization": f"Bearer {token}"}
    change = {"kind": "resource-policy", "policy_id": "resource-policy", "text": DENY}
    body = {"change": change | {"based_on": 1}}
    made = program.post("/api/v1/proposals", json=body, headers=headers).json
    own = ada.post(f"/proposals/{made['proposal_id']}/approve", revision="1")
    assert own.headers["Vouchgate-Reason"] == "own-proposal"
    page = propose(ada)
    path = f"/api/v1{page}/approve"
    refused = program.post(path, json={"revision": 1}, headers=headers).json
    assert refused["code"] == "own-proposal"


def test_under_the_rule_taking_a_policy_away_is_proposed(strict: Flask) -> None:
    """The page offers nothing else, and so does whoever sends the form without it."""
    services: Services = strict.extensions[EXTENSION]
    ada = Console.of(strict, services, Role.POLICY_AUTHOR, "ada")
    bob = Console.of(strict, services, Role.POLICY_AUTHOR, "bob")
    team = "/policies/resource/scope:resource:team"
    sent = ada.post("/policies/new/resource", scope="resource/team", text=DENY, based_on="0")
    made = sent.headers["Location"].removeprefix("/console")
    assert bob.post(f"{made}/approve", revision="1").status_code == 303
    question = ada.get(f"{team}/remove").text
    assert 'value="now"' not in question
    assert 'value="draft"' in question
    sent = ada.post(f"{team}/remove", based_on="1", comment="not needed")
    removal = sent.headers["Location"].removeprefix("/console")
    assert "not needed" in bob.get(removal).text
    assert "Bring back" not in ada.get(team).text
    assert bob.post(f"{removal}/approve", revision="1").status_code == 303
    assert "Bring back" in ada.get(team).text


def test_under_the_rule_reference_values_are_proposed(strict: Flask) -> None:
    """To add, to import and to withdraw: nothing else is offered, and asking for it proposes."""
    services: Services = strict.extensions[EXTENSION]
    ada = Console.of(strict, services, Role.POLICY_AUTHOR, "ada")
    bob = Console.of(strict, services, Role.POLICY_AUTHOR, "bob")
    sent = ada.post("/reference-values/new", name="svn", value='["1"]', **{"as": "now"})
    made = sent.headers["Location"].removeprefix("/console")
    assert made.startswith("/proposals/")
    assert "svn" not in ada.get("/reference-values").text
    assert bob.post(f"{made}/approve", revision="1").status_code == 303
    assert "svn" in ada.get("/reference-values").text
    file = (io.BytesIO(b'{"svn": ["2"]}'), "values.json")
    pages = [
        ada.get("/reference-values/new").text,
        ada.get("/reference-values/withdraw?name=svn").text,
        ada.post("/reference-values/import", file=file).text,
    ]
    assert [('value="draft"' in page, 'value="now"' in page) for page in pages] == [
        (True, False)
    ] * 3
    sent = ada.post("/reference-values/withdraw", name="svn")
    assert "/proposals/" in sent.headers["Location"]
    assert "svn" in ada.get("/reference-values").text


def test_the_settings_say_what_the_rule_covers(console: Callable[..., Console]) -> None:
    """Whoever wonders why a secret is stored at once reads it there."""
    page = console(Role.OPERATOR).get("/settings").text
    assert "It does not cover secrets" in page
