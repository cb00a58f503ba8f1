"""Why a guest was refused: the cause stands first, and applying what the page says changes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from console_client import Console
from flask import Flask
from raw_guest import RawGuest
from servers import SAMPLE_VALUES

from app.attestation.reference_values import DraftReferenceValue
from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.console.comparisons import compared
from app.console.explanations import Explanation
from app.console.permissions import Role
from app.console.reasons import explained
from app.trust.audit import Actor
from app.trust.decisions import DecisionKind, DecisionRecord, Outcome, new_decision_id

OWNER = Actor("tests", "owner")
FAULTS: list[tuple[str, Any]] = [
    ("launch_digest", None),
    ("launch_digest", ["another"]),
    ("svn", None),
    ("svn", ["7"]),
    ("major_version", None),
    ("major_version", 2),
    ("minimum_minor_version", None),
    ("minimum_minor_version", 9),
]


def refused(app: Flask, path: str = "default/demo/secret") -> str:
    """The id of the decision by which a guest does not get a secret."""
    guest = RawGuest(app.test_client())
    guest.attest()
    response = guest.resource(path)
    assert response.status_code in {403, 404}
    return str(response.headers["Vouchgate-Decision"])


def explain(app: Flask, services: Services, decision_id: str) -> Explanation:
    """What the page is made of."""
    with app.app_context():
        record = services.decisions.find(decision_id)
        assert record is not None
        return services.explain(record)


@pytest.mark.parametrize(("name", "value"), FAULTS)
def test_the_one_fault_stands_first_and_its_draft_mends_it(
    app: Flask, services: Services, console: Callable[..., Console], name: str, value: Any
) -> None:
    """With one reference value missing or different, that one is the cause; its draft allows."""
    values = {**SAMPLE_VALUES, name: value}
    drafts = [DraftReferenceValue(n, v) for n, v in values.items() if v is not None]
    with app.app_context():
        services.custody.write(ResourceID("default", "demo", "secret"), b"x", OWNER)
        services.reference_values.add(drafts, "tests", OWNER)
    why = explain(app, services, refused(app))
    first = why.comparisons[0]
    assert (first.name, first.is_cause) == (name, True)
    assert first.state == ("missing" if value is None else "differs")
    assert sum(each.is_cause for each in why.comparisons) == 1
    author = console(Role.POLICY_AUTHOR)
    form = {"name": name, "value": first.draft, "expires_at": ""}
    assert author.post("/reference-values/new", **form).status_code == 303
    guest = RawGuest(app.test_client())
    guest.attest()
    assert guest.resource("default/demo/secret").status_code == 200


def test_a_release_page_shows_how_far_the_policy_came(
    app: Flask, console: Callable[..., Console]
) -> None:
    """The policy stands with its lines marked: the condition reached last was not met."""
    page = console(Role.POLICY_AUTHOR).get(f"/decisions/{refused(app)}/why").text
    assert "its rule allow did not become true" in page
    assert "contraindicated" in page
    assert 'class="reached"' in page
    assert "Open as a draft" in page
    assert "value=%5B%22abcde%22%5D" in page


def test_a_viewer_is_offered_no_draft(app: Flask, console: Callable[..., Console]) -> None:
    """Who may not register sees why all the same."""
    page = console(Role.VIEWER).get(f"/decisions/{refused(app)}/why").text
    assert "What stands in the way" in page
    assert "Open as a draft" not in page


def test_a_missing_secret_is_told_apart(
    affirming: None, app: Flask, console: Callable[..., Console]
) -> None:
    """The policy said yes; what is missing is the secret, and the page leads to its form."""
    decision_id = refused(app, "default/demo/other")
    page = console(Role.OWNER).get(f"/decisions/{decision_id}/why").text
    assert "there is no secret at this path" in page
    assert "/console/secrets/new?path=default/demo/other" in page
    assert "/secrets/new" not in console(Role.VIEWER).get(f"/decisions/{decision_id}/why").text


def test_an_appraisal_is_explained_part_by_part(
    app: Flask, services: Services, console: Callable[..., Console]
) -> None:
    """The appraisal behind the token has the trust vector and the policy with marked lines."""
    viewer = console(Role.VIEWER)
    appraisal_id = explain(app, services, refused(app)).appraisal_id
    assert appraisal_id is not None
    page = viewer.get(f"/decisions/{appraisal_id}/why").text
    assert "judged by default_cpu" in page
    assert "launch_digest" in page
    assert 'class="unreached"' in page
    assert re.search(r"executables.*?33.*?warning", page, re.DOTALL)
    assert f"/decisions/{appraisal_id}/why" in viewer.get(f"/decisions/{appraisal_id}").text


def test_a_refusal_before_any_policy_has_a_sentence(
    app: Flask, console: Callable[..., Console], services: Services
) -> None:
    """A forged binding never reached a policy: there is a sentence and no table."""
    guest = RawGuest(app.test_client())
    response = guest.attest(report_data="AAAA")
    page = console(Role.VIEWER).get(f"/decisions/{response.headers['Vouchgate-Decision']}/why").text
    assert "not bound to this nonce" in page
    assert "Reference values that were read" not in page


def test_an_appraisal_made_elsewhere_has_a_page(
    app: Flask, services: Services, console: Callable[..., Console]
) -> None:
    """A remote Attestation Service keeps its own records; what is known here is shown."""
    now = services.clock.now()
    record = DecisionRecord(
        decision_id=new_decision_id(now),
        kind=DecisionKind.APPRAISAL,
        at=now,
        outcome=Outcome.DENIED,
        reason="appraiser-unavailable",
        tee="snp",
        subject="default",
        inputs={"appraiser": "https://as.example"},
        result={"claims": None, "remote-decision": "0" * 32},
    )
    with app.app_context(), services.operators.transactions():
        services.decisions.add(record)
    page = console(Role.VIEWER).get(f"/decisions/{record.decision_id}/why")
    assert page.status_code == 200
    assert "appraiser-unavailable" in page.text


def test_sources_that_do_not_tell_are_not_guessed_at() -> None:
    """A policy of another style gives names and states, and no claim is invented."""
    text = 'package policy\nx := query_reference_value("a") == input.sample.y\n'
    found = compared(text, {"sample": {"y": 1}}, {"a": 2, "b": None}, {"hardware": 97})
    assert [(each.name, each.state, each.claim, each.is_cause) for each in found] == [
        ("a", "read", "", False),
        ("b", "missing", "", False),
    ]


def test_a_draft_keeps_what_the_list_holds() -> None:
    """Another measurement is added to those that are registered; a boolean is no number."""
    text = (
        "package policy\nsnp := input.snp\n"
        'hardware := 2 if {\n\tlisted(snp["m"], "ms")\n\tat_least(snp.v, "least")\n}\n'
    )
    claims = {"snp": {"m": "b", "v": True}}
    read = {"ms": ["a"], "least": 1}
    found = {each.name: each for each in compared(text, claims, read, {"hardware": 97})}
    assert json.loads(found["ms"].draft) == ["a", "b"]
    assert found["least"].state == "differs"


def test_a_code_without_a_sentence_of_its_own_has_one() -> None:
    """No reason code leaves the page empty."""
    assert explained("some-new-code").sentence
