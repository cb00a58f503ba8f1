"""Policies in the browser: read, compare, edited, rolled back, and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from console_client import Console
from flask import Flask
from raw_guest import RawGuest

from app.blueprints.services import Services
from app.console.permissions import Role
from app.console.policy_texts import compare
from app.console.rego_highlighting import highlighted

DENY = "package policy\n\ndefault allow := false\n"
RESOURCE = "/policies/resource/resource-policy"
CPU = "/policies/attestation/default_cpu"
NEW = "/policies/new/attestation"


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
    page = author.post(f"{RESOURCE}/save", text=text, based_on="1")
    assert page.status_code == 400
    assert place in page.text
    assert "allow := " in page.text
    with app.app_context():
        assert len(services.resource_policies.versions()) == 1


def test_the_faulty_line_is_marked(author: Console) -> None:
    """The lines around a fault stand beside the message, with their numbers."""
    page = author.post(f"{RESOURCE}/save", text="package policy\n\nallow := }", based_on="1")
    assert '<tr id="L3" class="fault">' in page.text
    assert 'data-fault-line="3"' in page.text


def test_a_policy_is_edited_and_decides(author: Console, app: Flask, services: Services) -> None:
    """Lines end as the engine counts them, the version is audited, its author is named."""
    response = author.post(f"{RESOURCE}/save", text=DENY.replace("\n", "\r\n"), based_on="1")
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
    author.post(f"{RESOURCE}/save", text=DENY, based_on="1")
    mine = DENY + "# mine\n"
    page = author.post(f"{RESOURCE}/save", text=mine, based_on="1")
    assert page.status_code == 409
    assert "while you were editing" in page.text
    assert "# mine" in page.text
    assert 'name="based_on" type="hidden" value="2"' in page.text
    assert author.post(f"{RESOURCE}/save", text=mine, based_on="2").status_code == 303
    with app.app_context():
        assert services.resource_policies.get().text == mine


def test_rolling_back_is_a_new_version(author: Console, app: Flask, services: Services) -> None:
    """History stays, and what decides is the old text."""
    with app.app_context():
        old = services.resource_policies.get().text
    author.post(f"{RESOURCE}/save", text=DENY, based_on="1")
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
    author.post(f"{RESOURCE}/save", text=DENY, based_on="1")
    assert author.post(f"{RESOURCE}/roll-back", version="1", based_on="1").status_code == 409


def test_a_new_policy_has_an_id_of_its_own(author: Console) -> None:
    """A wrong id is told at its field; a taken one shows the policy that has it."""
    text = 'package policy\ntrust_claims := {"hardware": 2}\n'
    form = {"text": text, "based_on": "0"}
    assert "policy id is" in author.post(f"{NEW}/save", policy_id="../x", **form).text
    assert author.post(f"{NEW}/save", policy_id="default_cpu", **form).status_code == 409
    assert author.post(f"{NEW}/save", policy_id="mine_cpu", **form).status_code == 303
    assert "mine_cpu" in author.get("/policies").text


def test_readers_are_offered_nothing_to_change(console: Callable[..., Console]) -> None:
    """A viewer reads the text, line by line, and finds no form."""
    viewer = console(Role.VIEWER)
    page = viewer.get(CPU).text
    assert 'id="L1"' in page
    assert "/edit" not in page
    assert "/policies/new" not in viewer.get("/policies").text


TEAM = "/policies/resource/scope:resource:prod"
REFUSE = "package policy\n\ndeny := true\n"


def test_a_check_tells_and_changes_nothing(author: Console, app: Flask, services: Services) -> None:
    """Warnings and typical guests, with what was typed still there."""
    text = "package policy\n\nallow := true\n"
    page = author.post(f"{RESOURCE}/edit", text=text, based_on="1", action="check")
    assert page.status_code == 200
    assert "whatever the token says" in page.text
    assert "allow := true" in page.text
    broken = author.post(f"{RESOURCE}/edit", text="package policy", based_on="1", action="check")
    assert broken.status_code == 400
    with app.app_context():
        assert len(services.resource_policies.versions()) == 1


def test_a_scope_gets_its_policy(author: Console) -> None:
    """A scope that could hold nothing is told at its field; a ready policy is begun with."""
    new = "/policies/new/resource"
    assert "An emergency stop" in author.get(f"{new}?template=stop").text
    assert author.get(f"{new}?template=none").status_code == 404
    form = {"text": REFUSE, "based_on": "0"}
    for scope in ("", "prod/db", "resource/.x", "resource/a/b/c/d"):
        page = author.post(f"{new}/save", scope=scope, **form)
        assert page.status_code == 400
        assert 'id="scope-error"' in page.text
        assert "deny := true" in page.text
    assert author.post(f"{new}/save", scope="resource/prod/", **form).status_code == 303
    assert "<code>resource/prod</code>" in author.get("/policies").text
    assert author.post(f"{new}/save", scope="resource/prod", **form).status_code == 409


def test_a_policy_is_taken_away_and_brought_back(author: Console) -> None:
    """Its versions stay; a page about another state takes nothing away."""
    form = {"text": REFUSE, "based_on": "0"}
    author.post("/policies/new/resource/save", scope="resource/prod", **form)
    assert "Take it away" in author.get(f"{TEAM}/remove").text
    assert author.post(f"{TEAM}/remove", based_on="7").status_code == 409
    assert author.post(f"{TEAM}/remove", based_on="1").status_code == 303
    assert "resource/prod" not in author.get("/policies").text.partition("taken away")[2]
    assert "Bring back" in author.get(TEAM).text
    assert author.post(f"{TEAM}/save", text=REFUSE, based_on="1").status_code == 303
    assert "Bring back" not in author.get(TEAM).text


def test_a_draft_is_saved_revised_and_carried_out(author: Console) -> None:
    """From the editor to the list of proposals, and from there into force."""
    sent = author.post(f"{RESOURCE}/edit", text=DENY, based_on="1", comment="for a while")
    page = sent.headers["Location"].removeprefix("/console")
    shown = author.get(page).text
    assert "for a while" in shown
    assert "default allow := false" in shown
    assert "resource-policy" in author.get("/proposals?state=open").text
    revised = author.post(f"{page}/revise", text=REFUSE, based_on="1", revision="1")
    assert revised.status_code == 400
    text = DENY + "# revised\n"
    assert author.post(f"{page}/revise", text=text, based_on="1", revision="1").status_code == 303
    assert author.post(f"{page}/approve", revision="1").status_code == 409
    assert author.post(f"{page}/approve", revision="2", comment="yes").status_code == 303
    assert "# revised" in author.get(RESOURCE).text
    assert "carried out" in author.get(page).text


def test_a_draft_that_was_overtaken_shows_both_texts(author: Console) -> None:
    """Its author sees what the other changed, and what theirs would change of it."""
    sent = author.post(f"{RESOURCE}/edit", text=DENY + "# mine\n", based_on="1")
    page = sent.headers["Location"].removeprefix("/console")
    author.post(f"{RESOURCE}/save", text=DENY + "# theirs\n", based_on="1")
    assert "has changed since" in author.get(page).text
    revise = author.get(f"{page}/revise").text
    assert "# theirs" in revise
    assert "# mine" in revise
    assert 'name="based_on" type="hidden" value="2"' in revise


def test_proposals_are_rejected_and_withdrawn(
    author: Console, console: Callable[..., Console]
) -> None:
    """By someone else, or by who made them; readers decide nothing."""
    other = console(Role.OWNER)
    pages = [
        author.post(f"{RESOURCE}/edit", text=DENY, based_on="1").headers["Location"]
        for _ in range(2)
    ]
    first, second = (page.removeprefix("/console") for page in pages)
    assert "Reject" in other.get(first).text
    assert other.post(f"{first}/withdraw", revision="1").status_code == 403
    assert other.post(f"{first}/reject", revision="1", comment="no").status_code == 303
    assert author.post(f"{second}/withdraw", revision="1").status_code == 303
    assert author.post(f"{second}/approve", revision="1").status_code == 409
    viewer = console(Role.VIEWER)
    assert "Carry it out" not in viewer.get(first).text
    assert viewer.post(f"{first}/approve", revision="1").status_code == 403


def test_with_the_two_person_rule_nobody_saves_alone(strict: Flask) -> None:
    """The editor offers to propose; whoever proposed is not offered to approve."""
    services: Services = strict.extensions["vouchgate"]
    ada = Console.of(strict, services, Role.POLICY_AUTHOR, "ada")
    bob = Console.of(strict, services, Role.POLICY_AUTHOR, "bob")
    editor = ada.get(f"{RESOURCE}/edit").text
    assert "Save and activate" not in editor
    assert "Propose" in editor
    refused = ada.post(f"{RESOURCE}/save", text=DENY, based_on="1")
    assert (refused.status_code, refused.headers["Vouchgate-Reason"]) == (403, "needs-approval")
    sent = ada.post(f"{RESOURCE}/edit", text=DENY, based_on="1")
    page = sent.headers["Location"].removeprefix("/console")
    assert "Carry it out" not in ada.get(page).text
    assert ada.post(f"{page}/approve", revision="1").headers["Vouchgate-Reason"] == "own-proposal"
    assert "Approve and carry out" in bob.get(page).text
    assert bob.post(f"{page}/approve", revision="1").status_code == 303
    assert "ada, approved by bob" in bob.get(f"{RESOURCE}/versions").text


def test_a_dry_run_is_started_looked_at_and_cancelled(
    author: Console, affirming: None, guest: RawGuest
) -> None:
    """The page works it off, and names what would come out otherwise."""
    guest.attest()
    guest.resource()
    form = {"text": REFUSE, "based_on": "0", "scope": "resource/default"}
    sent = author.post("/policies/new/resource", **form)
    page = sent.headers["Location"].removeprefix("/console")
    assert author.post(f"{page}/dry-run", last="0").status_code == 400
    assert author.post(f"{page}/dry-run", last="x").status_code == 400
    assert author.post(f"{page}/dry-run", last="100").status_code == 303
    shown = author.get(page).text
    assert "1 of the last 1 decisions would come out otherwise" in shown
    assert "resource/default/demo/secret" in shown
    assert 'http-equiv="refresh"' not in shown
    assert author.post(f"{page}/dry-run/cancel").status_code == 303


EXAMPLE = """{"name": "strangers", "input": {}, "expected": {"outcome": "denied"},
 "data": {"plugin": "resource", "resource-path": [], "query": {}}}"""


def test_examples_are_kept_and_stop_what_breaks_them(author: Console) -> None:
    """Written as JSON; the editor says which one a text breaks."""
    edit = f"{RESOURCE}/examples/edit"
    assert author.post(edit, document="{", revision="0").status_code == 400
    wrong = author.post(edit, document=EXAMPLE.replace("denied", "perhaps"), revision="0")
    assert wrong.status_code == 400
    assert "expected has an outcome" in wrong.text
    assert "perhaps" in wrong.text
    assert author.post(edit, document=EXAMPLE, revision="0").status_code == 303
    assert "strangers" in author.get(f"{RESOURCE}/examples").text
    text = "package policy\n\nallow := true\n"
    stopped = author.post(f"{RESOURCE}/save", text=text, based_on="1")
    assert stopped.status_code == 400
    assert "strangers" in stopped.text
    named = f"{edit}?name=strangers"
    mine, theirs = (EXAMPLE.replace('"input": {}', f'"input": {{"{who}": 1}}') for who in "mt")
    assert author.post(named, document=theirs, revision="1").status_code == 303
    late = author.post(named, document=mine, revision="1")
    assert late.status_code == 409
    assert "Someone else changed this example" in late.text
    assert author.post(named, document=mine, revision="2").status_code == 303
    assert author.post(f"{RESOURCE}/examples/remove", name="strangers").status_code == 303
    assert author.post(f"{RESOURCE}/save", text=text, based_on="1").status_code == 303


def test_a_decision_is_kept_with_one_click(
    author: Console, affirming: None, guest: RawGuest
) -> None:
    """The last decisions are offered; any other by its id."""
    guest.attest()
    decision_id = guest.resource().headers["Vouchgate-Decision"]
    assert decision_id in author.get(f"{RESOURCE}/examples").text
    kept = f"{RESOURCE}/examples/from-decision"
    assert author.post(kept, decision_id=decision_id).status_code == 303
    assert f"decision {decision_id}" in author.get(f"{RESOURCE}/examples").text
    again = author.post(kept, decision_id=decision_id)
    assert (again.status_code, "Nothing was kept" in again.text) == (400, True)
    assert author.post(kept, decision_id="none").status_code == 400


def test_a_policy_is_in_colours() -> None:
    """Words of a line joined are the line, whatever stands in it."""
    source = 'package policy\n\n# a "comment"\nx := `raw\n# text` if input.n == -1.5 # end\n'
    lines = highlighted(source)
    assert ["".join(word.text for word in line) for line in lines] == source.splitlines()
    assert [(word.text, word.sort) for word in lines[0] if word.sort] == [
        ("package", "keyword"),
        ("policy", "name"),
    ]
    assert [word.sort for word in lines[2]] == ["comment"]
    assert lines[4][0].sort == "text"
    assert ("input", "root") in [(word.text, word.sort) for word in lines[4]]


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
