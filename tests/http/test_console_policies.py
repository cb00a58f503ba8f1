"""Policies in the browser: read, compare, edited, rolled back, and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from console_client import Console
from flask import Flask

from app.blueprints.services import Services
from app.console.permissions import Role
from app.console.policy_texts import around, compare

DENY = "package policy\n\ndefault allow := false\n"
RESOURCE = "/policies/resource/resource-policy"
CPU = "/policies/attestation/default_cpu"


@pytest.fixture
def author(console: Callable[..., Console]) -> Console:
    """Someone who may write policies."""
    return console(Role.POLICY_AUTHOR)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/policies/attestation/none", 404),
        ("/policies/resource/none", 404),
        ("/policies/other/default_cpu", 404),
        (f"{CPU}?version=99", 404),
        (f"{CPU}?version=x", 400),
        (f"{CPU}?version=-1", 400),
        (f"{CPU}?version={'9' * 30}", 400),
        (f"{CPU}/compare?old=7", 404),
        (f"{CPU}/edit?version=9", 404),
    ],
)
def test_what_is_not_there_is_a_page_too(author: Console, path: str, status: int) -> None:
    """No id and no number ends in a fault of ours."""
    assert author.get(path).status_code == status


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("package policy\n\nallow := }", "line 3"),
        ("package other\nallow := true", "not &#39;policy"),
    ],
)
def test_a_policy_that_cannot_serve_comes_back_with_its_fault(
    author: Console, app: Flask, services: Services, text: str, place: str
) -> None:
    """What was typed stands in the form again, the place is named, and nothing was saved."""
    page = author.post(f"{RESOURCE}/edit", text=text, based_on="1")
    assert page.status_code == 400
    assert place in page.text
    assert "allow := " in page.text
    with app.app_context():
        assert len(services.resource_policies.versions()) == 1


def test_the_faulty_line_is_marked(author: Console) -> None:
    """The lines around a fault stand beside the message, with their numbers."""
    page = author.post(f"{RESOURCE}/edit", text="package policy\n\nallow := }", based_on="1")
    assert '<tr id="L3" class="fault">' in page.text


def test_a_policy_is_edited_and_decides(author: Console, app: Flask, services: Services) -> None:
    """Lines end as the engine counts them, the version is audited, its author is named."""
    response = author.post(f"{RESOURCE}/edit", text=DENY.replace("\n", "\r\n"), based_on="1")
    assert response.status_code == 303
    with app.app_context():
        assert services.resource_policies.get().text == DENY
        entry = services.audit.page(before=None, limit=1)[0].entry
    assert (entry.action, entry.actor.name) == ("policy:resource:set", "an-policy-author")
    page = author.get(RESOURCE).text
    assert "Version 2 of resource-policy is saved" in page
    assert "an-policy-author" in page


def test_who_is_slower_sees_what_the_other_saved(
    author: Console, app: Flask, services: Services
) -> None:
    """The second of two edits overwrites nothing unseen, and saves when it says so again."""
    author.post(f"{RESOURCE}/edit", text=DENY, based_on="1")
    mine = DENY + "# mine\n"
    page = author.post(f"{RESOURCE}/edit", text=mine, based_on="1")
    assert page.status_code == 409
    assert "while you were editing" in page.text
    assert "# mine" in page.text
    assert 'name="based_on" type="hidden" value="2"' in page.text
    assert author.post(f"{RESOURCE}/edit", text=mine, based_on="2").status_code == 303
    with app.app_context():
        assert services.resource_policies.get().text == mine


def test_rolling_back_is_a_new_version(author: Console, app: Flask, services: Services) -> None:
    """History stays, and what decides is the old text."""
    with app.app_context():
        old = services.resource_policies.get().text
    author.post(f"{RESOURCE}/edit", text=DENY, based_on="1")
    page = author.get(f"{RESOURCE}/compare?old=2&new=1").text
    assert "Roll back to version 1" in page
    assert author.post(f"{RESOURCE}/roll-back", version="1", based_on="2").status_code == 303
    with app.app_context():
        assert [each.version for each in services.resource_policies.versions()] == [3, 2, 1]
        assert services.resource_policies.get().text == old


@pytest.mark.parametrize("form", [{}, {"version": "1"}, {"version": "9", "based_on": "1"}])
def test_a_roll_back_to_nowhere_is_refused(author: Console, form: dict[str, str]) -> None:
    """Both numbers must be there, and be of versions."""
    assert author.post(f"{RESOURCE}/roll-back", **form).status_code in {400, 404}


def test_a_roll_back_from_an_old_page_is_refused(author: Console) -> None:
    """Someone saved meanwhile: the page was about another state."""
    author.post(f"{RESOURCE}/edit", text=DENY, based_on="1")
    assert author.post(f"{RESOURCE}/roll-back", version="1", based_on="1").status_code == 409


def test_a_new_policy_has_an_id_of_its_own(author: Console) -> None:
    """A wrong id is told at its field; a taken one shows the policy that has it."""
    text = 'package policy\ntrust_claims := {"hardware": 2}\n'
    form = {"text": text, "based_on": "0"}
    assert "policy id is" in author.post("/policies/new", policy_id="../x", **form).text
    assert author.post("/policies/new", policy_id="default_cpu", **form).status_code == 409
    assert author.post("/policies/new", policy_id="mine_cpu", **form).status_code == 303
    assert "mine_cpu" in author.get("/policies").text


def test_readers_are_offered_nothing_to_change(console: Callable[..., Console]) -> None:
    """A viewer reads the text, line by line, and finds no form."""
    viewer = console(Role.VIEWER)
    page = viewer.get(CPU).text
    assert 'id="L1"' in page
    assert "/edit" not in page
    assert "/policies/new" not in viewer.get("/policies").text


def test_a_comparison_shows_changes_with_their_surroundings() -> None:
    """Unchanged lines far from a change are left out; both sides keep their numbers."""
    old = "".join(f"line {number}\n" for number in range(1, 21))
    new = old.replace("line 10\n", "line ten\nline ten and a half\n")
    rows = compare(old, new)
    assert rows[0].old is None
    shown = [(row.old.text, row.new.text) for row in rows if row.old and row.new]
    assert shown[3:5] == [("line 10", "line ten"), ("", "line ten and a half")]
    assert len(shown) == 8
    assert compare(old, old) == ()


def test_a_fault_beyond_the_text_marks_nothing() -> None:
    """An engine may name the line after the last."""
    assert [line.mark for line in around("a\nb", 2)] == ["", "fault"]
    assert around("a", 9) == ()
