"""Reference values taken from an attestation: shown exactly, confirmed, only what was verified."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from console_client import Console
from flask import Flask
from raw_guest import RawGuest

from app.blueprints.services import Services
from app.console.permissions import Role
from app.console.proposals import ProposalQuery

NAMES = {"svn", "launch_digest", "major_version", "minimum_minor_version"}


@pytest.fixture
def author(console: Callable[..., Console]) -> Console:
    """Someone who may write reference values."""
    return console(Role.POLICY_AUTHOR)


def decision(response: Any) -> str:
    """The id of the decision behind an answer."""
    return str(response.headers["Vouchgate-Decision"])


def offered(page: Any) -> set[str]:
    """The names that can be chosen."""
    return set(re.findall(r'name="name" value="([^"]+)"', page.text))


def fields(page: Any) -> dict[str, Any]:
    """The hidden fields of the confirmation."""
    found: dict[str, Any] = {"name": []}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text):
        if name == "name":
            found["name"].append(html.unescape(value))
        else:
            found[name] = html.unescape(value)
    del found["csrf_token"]
    return found


def confirmation(author: Console, decision_id: str, *names: str) -> Any:
    """The page that shows what would be trusted."""
    query = {"decision": decision_id, "name": list(names)}
    return author.client.get("/console/reference-values/take/confirm", query_string=query)


def test_a_guest_that_was_denied_is_affirmed_by_what_is_taken(
    author: Console, guest: RawGuest, app: Flask, services: Services
) -> None:
    """From the denied release to the values behind it; the next attestation is affirming."""
    guest.attest()
    denied = guest.resource()
    assert denied.status_code == 403
    address = f"/reference-values/take?decision={decision(denied)}"
    assert address in author.get(f"/decisions/{decision(denied)}").text
    page = author.get(address)
    assert offered(page) == NAMES
    page = confirmation(author, decision(denied), *sorted(NAMES))
    assert page.status_code == 200
    for words in ("Anyone can forge", "abcde", "input.sample.svn", "default_cpu", "cpu0"):
        assert words in page.text
    with app.app_context():
        assert services.reference_values.page(after=None, limit=9) == []
    assert author.post("/reference-values/take/confirm", **fields(page)).status_code == 303
    with app.app_context():
        taken = {v.name: v for v in services.reference_values.page(after=None, limit=9)}
    assert {n: v.value for n, v in taken.items()} == {
        "svn": ["1"],
        "launch_digest": ["abcde"],
        "major_version": 1,
        "minimum_minor_version": 4,
    }
    assert taken["svn"].source.startswith("attestation ")
    guest.attest()
    assert guest.resource().status_code == 404  # the policy's yes, and no such secret


def test_what_a_list_holds_stays_in_it(
    affirming: None, author: Console, guest: RawGuest, app: Flask, services: Services
) -> None:
    """Only what is not met is offered, beside what is registered now and not then."""
    decision_id = decision(guest.attest(svn="7"))
    page = author.get(f"/reference-values/take?decision={decision_id}")
    assert offered(page) == {"svn"}
    page = confirmation(author, decision_id, "svn")
    author.post("/reference-values/take/confirm", **fields(page))
    with app.app_context():
        assert services.reference_values.get("svn").value == ["1", "7"]


def test_only_what_is_offered_can_be_taken(
    affirming: None, author: Console, guest: RawGuest
) -> None:
    """No value comes from the form, and no other name."""
    decision_id = decision(guest.attest(svn="7"))
    for names in ([], ["launch_digest"], ["svn", "mine"]):
        assert confirmation(author, decision_id, *names).status_code == 400
        form = {"decision": decision_id, "name": names, "seen": "0" * 64}
        assert author.post("/reference-values/take/confirm", **form).status_code == 400


def test_what_changed_since_it_was_shown_is_shown_again(
    affirming: None, author: Console, guest: RawGuest, app: Flask, services: Services
) -> None:
    """Nothing is trusted that was not on the page."""
    decision_id = decision(guest.attest(svn="7"))
    page = confirmation(author, decision_id, "svn")
    author.post("/reference-values/new", name="svn", value='["5"]')
    again = author.post("/reference-values/take/confirm", **fields(page))
    assert again.status_code == 409
    assert "changed since you looked" in again.text
    with app.app_context():
        assert services.reference_values.get("svn").value == ["5"]


def test_nothing_is_taken_from_evidence_that_was_refused(author: Console, guest: RawGuest) -> None:
    """Claims that were not verified are nobody's to trust."""
    refused = guest.attest(report_data="AAAA")
    for decision_id in (decision(refused), "0" * 32, ""):
        page = author.get(f"/reference-values/take?decision={decision_id}")
        assert page.status_code == 404
        assert page.headers["Vouchgate-Reason"] == "decision-not-found"


def test_readers_take_nothing(guest: RawGuest, console: Callable[..., Console]) -> None:
    """It is a way of writing, and asks for that permission."""
    decision_id = decision(guest.attest())
    viewer = console(Role.VIEWER)
    assert viewer.get(f"/reference-values/take?decision={decision_id}").status_code == 403
    form = {"decision": decision_id, "name": "svn", "seen": ""}
    assert viewer.post("/reference-values/take/confirm", **form).status_code == 403


def test_a_draft_becomes_a_proposal_with_its_origin(
    author: Console, guest: RawGuest, app: Flask, services: Services
) -> None:
    """Nothing counts before someone approves it."""
    decision_id = decision(guest.attest())
    form = fields(confirmation(author, decision_id, "svn")) | {
        "as": "draft",
        "comment": "new image",
    }
    assert author.post("/reference-values/take/confirm", **form).status_code == 303
    with app.app_context():
        assert services.reference_values.find("svn") is None
        (proposal,) = services.proposals.page(ProposalQuery())
    assert (proposal.origin, proposal.comment) == (decision_id, "new image")
    assert proposal.change.as_json()["register"][0]["value"] == ["1"]
