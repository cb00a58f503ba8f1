"""Proposals by REST: what waits, who decides, and that nothing goes around the two-person rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from programs import Programs
from servers import SAMPLE_VALUES, AdminKey

from guest.wire.encoding import b64_encode, b64url_encode

DENY = "package policy\n\ndefault allow := false\n"
CPU = 'package policy\n\ntrust_claims := {"hardware": 2}\n'
RESOURCE_CHANGE = {
    "kind": "resource-policy",
    "policy_id": "resource-policy",
    "text": DENY,
    "based_on": 1,
}
CPU_CHANGE = {
    "kind": "attestation-policy",
    "policy_id": "default_cpu",
    "text": CPU,
    "based_on": 1,
}
VALUES_CHANGE = {"kind": "reference-values", "register": [{"name": "svn", "value": ["7"]}]}
MESSAGE = {"version": "0.1.0", "type": "sample", "payload": b64_encode(b'{"svn": ["1"]}')}


@pytest.fixture
def programs(client: FlaskClient, admin: AdminKey) -> Programs:
    """Programs of a server without the rule."""
    return Programs(client, admin)


@pytest.fixture
def pair(strict: Flask, admin: AdminKey) -> Programs:
    """Programs of a server with the rule."""
    return Programs(strict.test_client(), admin)


@pytest.mark.parametrize(
    "change",
    [
        None,
        [],
        {},
        {"kind": "secret"},
        {"kind": ["resource-policy"]},
        {"kind": "resource-policy"},
        RESOURCE_CHANGE | {"based_on": -1},
        RESOURCE_CHANGE | {"based_on": True},
        RESOURCE_CHANGE | {"based_on": 10**12},
        RESOURCE_CHANGE | {"text": 7},
        RESOURCE_CHANGE | {"text": "package policy\nallow := }"},
        RESOURCE_CHANGE | {"text": "package policy\nother := true"},
        CPU_CHANGE | {"text": "package policy\nallow := true"},
        CPU_CHANGE | {"policy_id": "../x"},
        {"kind": "reference-values"},
        {"kind": "reference-values", "register": 7},
        {"kind": "reference-values", "register": [{"name": "x"}]},
        {"kind": "reference-values", "register": [{"name": "", "value": 1}]},
        {"kind": "reference-values", "register": [{"name": "x", "value": 2**60}]},
        {"kind": "reference-values", "register": [{"name": "x", "value": 1, "expires_at": "x"}]},
        {
            "kind": "reference-values",
            "register": [{"name": "x", "value": 1, "expires_at": "2020-01-01T00:00:00Z"}],
        },
        {"kind": "reference-values", "withdraw": [7]},
        {"kind": "reference-values", "withdraw": ["x", "x"]},
        VALUES_CHANGE | {"withdraw": ["svn"]},
    ],
)
def test_what_could_not_be_carried_out_is_not_proposed(
    programs: Programs, row_counts: Callable[[], dict[str, int]], change: Any
) -> None:
    """Every fault is a 400, and nothing is written."""
    before = row_counts()
    answer = programs.ask("ada", "POST", "/api/v1/proposals", {"change": change})
    assert answer.status_code == 400, answer.text
    assert row_counts() == before


def test_a_value_that_is_not_there_cannot_be_withdrawn(programs: Programs) -> None:
    """A typing error shows when it is proposed, not when it is approved."""
    change = {"kind": "reference-values", "withdraw": ["none"]}
    answer = programs.ask("ada", "POST", "/api/v1/proposals", {"change": change})
    assert answer.json["code"] == "reference-value-not-found"


@pytest.mark.parametrize("body", [{}, {"revision": "1"}, {"revision": 0}, {"revision": True}])
def test_whoever_decides_names_what_they_saw(programs: Programs, body: Any) -> None:
    """Without a revision nothing is approved."""
    proposal_id = programs.propose("ada", RESOURCE_CHANGE)["proposal_id"]
    answer = programs.ask("ada", "POST", f"/api/v1/proposals/{proposal_id}/approve", body)
    assert answer.json["code"] == "malformed-request"


@pytest.mark.parametrize("query", ["state=x", "kind=x", "limit=0"])
def test_lists_take_no_nonsense(programs: Programs, query: str) -> None:
    """An unknown filter is no empty answer."""
    assert programs.ask("ada", "GET", f"/api/v1/proposals?{query}").status_code == 400


def test_an_unknown_proposal_is_not_found(programs: Programs) -> None:
    """Whatever is asked of it."""
    answer = programs.ask("ada", "GET", "/api/v1/proposals/none")
    assert (answer.status_code, answer.json["code"]) == (404, "proposal-not-found")
    assert programs.decide("ada", {"proposal_id": "none"}, "approve").status_code == 404


@pytest.mark.parametrize("role", ["viewer", "auditor", "secret-custodian"])
def test_not_everybody_proposes(programs: Programs, role: str) -> None:
    """Reading is for all roles, writing for some."""
    body = {"change": RESOURCE_CHANGE}
    assert programs.ask("eve", "POST", "/api/v1/proposals", body, role).status_code == 403
    assert programs.ask("eve", "GET", "/api/v1/proposals", None, role).status_code == 200


def test_an_operator_proposes_and_does_not_approve(pair: Programs) -> None:
    """Whoever runs the service can ask for a change."""
    proposal = pair.propose("otto", RESOURCE_CHANGE, role="operator")
    path = f"/api/v1/proposals/{proposal['proposal_id']}/approve"
    answer = pair.ask("otto", "POST", path, {"revision": 1}, "operator")
    assert answer.json["code"] == "permission-denied"


def test_a_draft_is_carried_out_by_its_author(programs: Programs) -> None:
    """Without the rule a proposal is a draft: nothing happens until somebody says so."""
    proposal = programs.propose("ada", CPU_CHANGE)
    assert programs.client.get("/policy/default_cpu").text != CPU
    applied = programs.decide("ada", proposal, "approve")
    assert applied.json["state"] == "applied"
    assert programs.client.get("/policy/default_cpu").text == CPU
    again = programs.decide("ada", proposal, "approve")
    assert (again.status_code, again.json["code"]) == (409, "conflict")


def test_nobody_says_themselves_who_signed(programs: Programs) -> None:
    """Only reading a message tells; a caller's word for it is not kept."""
    came_in = {"extractor": "in-toto", "signer": "ci", "message_digest": "ab" * 32}
    register = [{"name": "svn", "value": ["7"], "provenance": came_in}]
    change = VALUES_CHANGE | {"register": register, "source": "in-toto, signed by ci"}
    told = programs.propose("ada", change)["change"]
    assert (told["source"], told["register"][0]["provenance"]) == ("proposal", None)
    answer = programs.ask(
        "ada",
        "POST",
        "/api/v1/proposals",
        {
            "change": change
            | {"register": [{"name": "svn", "value": 1, "provenance": {"signer": "ci"}}]}
        },
    )
    assert answer.status_code == 400


def test_a_proposal_that_was_overtaken_changes_nothing(programs: Programs, app: Flask) -> None:
    """Someone else set the policy meanwhile: the proposal stays open, to be revised."""
    proposal = programs.propose("ada", RESOURCE_CHANGE)
    body = {"policy": b64url_encode(DENY.replace("false", "true").encode())}
    assert programs.ask("bob", "POST", "/kbs/v0/resource-policy", body).status_code == 200
    assert programs.decide("ada", proposal, "approve").status_code == 409
    path = f"/api/v1/proposals/{proposal['proposal_id']}"
    assert programs.ask("ada", "GET", path).json["state"] == "open"
    body = {"change": RESOURCE_CHANGE | {"based_on": 2}, "revision": 1}
    assert programs.ask("ada", "PUT", path, body).json["revision"] == 2
    assert programs.decide("ada", proposal, "approve").status_code == 409
    assert programs.decide("ada", proposal, "approve", revision=2).status_code == 200


def test_a_proposal_stays_about_its_subject(programs: Programs) -> None:
    """What was proposed for one policy cannot turn into another's."""
    path = f"/api/v1/proposals/{programs.propose('ada', RESOURCE_CHANGE)['proposal_id']}"
    answer = programs.ask("ada", "PUT", path, {"change": CPU_CHANGE, "revision": 1})
    assert answer.json["code"] == "malformed-request"


def test_values_are_registered_and_withdrawn_together(programs: Programs) -> None:
    """All of a change or nothing; a value that changed meanwhile is not replaced unseen."""
    for name in ("old", "kept"):
        register = [{"name": name, "value": [1]}]
        made = programs.propose("ada", {"kind": "reference-values", "register": register})
        assert programs.decide("ada", made, "approve").status_code == 200
    both = VALUES_CHANGE | {"withdraw": ["old"]}
    proposal = programs.propose("ada", both)
    assert proposal["change"]["before"] == {"svn": None, "old": [1]}
    other = programs.propose("bob", VALUES_CHANGE)
    assert programs.decide("bob", other, "approve").status_code == 200
    assert programs.decide("ada", proposal, "approve").json["code"] == "conflict"
    assert programs.ask("ada", "GET", "/reference-value/old").json == [1]
    again = programs.propose("ada", both)
    assert programs.decide("ada", again, "approve").status_code == 200
    assert programs.ask("ada", "GET", "/reference-value/old").status_code == 404


def test_rejected_and_withdrawn_is_over(programs: Programs) -> None:
    """Only the author withdraws; what is closed is not approved any more."""
    rejected = programs.propose("ada", RESOURCE_CHANGE)
    assert programs.decide("bob", rejected, "withdraw").json["code"] == "permission-denied"
    assert programs.decide("bob", rejected, "reject").json["verdict"] == "seen"
    withdrawn = programs.propose("ada", RESOURCE_CHANGE)
    assert programs.decide("ada", withdrawn, "withdraw").json["state"] == "withdrawn"
    for each in (rejected, withdrawn):
        assert programs.decide("bob", each, "approve").status_code == 409
    listed = programs.ask("ada", "GET", "/api/v1/proposals?state=open").json
    assert listed == []


def test_who_proposes_does_not_approve(pair: Programs) -> None:
    """The rule itself: another person carries it out, and both are on record."""
    proposal = pair.propose("ada", RESOURCE_CHANGE)
    own = pair.decide("ada", proposal, "approve")
    assert (own.status_code, own.json["code"]) == (403, "own-proposal")
    assert pair.decide("bob", proposal, "approve").status_code == 200
    audit = pair.ask("ada", "GET", "/api/v1/audit?limit=3").json
    assert [each["entry"]["action"] for each in audit] == [
        "proposal:change:approve",
        "policy:resource:set",
        "proposal:change:propose",
    ]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/kbs/v0/resource-policy", {"policy": b64url_encode(DENY.encode())}),
        (
            "POST",
            "/kbs/v0/attestation-policy",
            {"policy_id": "default_cpu", "policy": b64url_encode(CPU.encode())},
        ),
        ("POST", "/policy", {"policy_id": "x_cpu", "policy": b64url_encode(CPU.encode())}),
        ("POST", "/reference-value", MESSAGE),
        ("POST", "/kbs/v0/reference-value", MESSAGE),
    ],
)
def test_no_route_goes_around_the_rule(pair: Programs, method: str, path: str, body: Any) -> None:
    """Trustee's clients and every other program are told how to propose."""
    answer = pair.ask("ada", method, path, body)
    assert answer.status_code == 403
    assert answer.json["code"] == "needs-approval"
    assert "/api/v1/proposals" in answer.json["detail"]


def test_proposed_values_count_once_approved(pair: Programs) -> None:
    """The whole way of a change of reference values under the rule."""
    register = [{"name": name, "value": value} for name, value in SAMPLE_VALUES.items()]
    proposal = pair.propose("ada", {"kind": "reference-values", "register": register})
    assert pair.ask("ada", "GET", "/reference-value/svn").status_code == 404
    assert pair.decide("bob", proposal, "approve").status_code == 200
    assert pair.ask("ada", "GET", "/reference-value/svn").json == ["1"]
