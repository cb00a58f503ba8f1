"""Why a guest was refused: the cause stands first, and applying what the page says changes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from console_client import Console
from flask import Flask
from raw_guest import RawGuest
from servers import SAMPLE_VALUES

from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.console.explanations import Explanation
from app.console.permissions import Role
from app.console.proposals import ProposalQuery, ProposalState
from app.console.reasons import explained
from app.trust.audit import Actor
from app.trust.decisions import DecisionKind, DecisionRecord, Outcome, new_decision_id

OWNER = Actor("tests", "owner")
NEVER = """package policy

import rego.v1

default allow := false

allow if data["resource-path"][0] == "prod"
"""


def refused(app: Flask, path: str = "default/demo/secret") -> str:
    """The id of the decision by which a guest does not get a secret."""
    guest = RawGuest(app.test_client())
    guest.attest()
    response = guest.resource(path)
    assert response.status_code in {403, 404}
    return str(response.headers["Vouchgate-Decision"])


def allowed(app: Flask) -> bool:
    """Whether a new guest gets the secret."""
    guest = RawGuest(app.test_client())
    guest.attest()
    return bool(guest.resource().status_code == 200)


def recorded(services: Services, app: Flask, decision_id: str) -> DecisionRecord:
    """A decision."""
    with app.app_context():
        record = services.decisions.find(decision_id)
    assert record is not None
    return record


def explain(app: Flask, services: Services, decision_id: str) -> Explanation:
    """What the page is made of."""
    with app.app_context():
        record = services.decisions.find(decision_id)
        assert record is not None
        return services.explain(record)


def test_a_release_page_shows_what_would_allow_it(
    app: Flask, console: Callable[..., Console]
) -> None:
    """The policy stands with its lines marked; the ways stand with their risks and their draft."""
    page = console(Role.POLICY_AUTHOR).get(f"/decisions/{refused(app)}/why").text
    assert "its rule allow did not become true" in page
    assert "contraindicated" in page
    assert 'class="reached"' in page
    assert 'class="fault"' in page
    assert "Register [&#34;abcde&#34;] under launch_digest" in page
    assert "medium risk" in page
    assert "Open as a draft" in page


def test_a_viewer_is_offered_no_draft(app: Flask, console: Callable[..., Console]) -> None:
    """Who may not propose sees why all the same."""
    decision_id = refused(app)
    page = console(Role.VIEWER).get(f"/decisions/{decision_id}/why").text
    assert "What would allow it" in page
    assert "Open as a draft" not in page
    assert console(Role.AUDITOR).post(f"/decisions/{decision_id}/draft").status_code == 403


def test_a_draft_is_a_proposal_that_names_its_decision(
    app: Flask, services: Services, console: Callable[..., Console]
) -> None:
    """One click leads to a proposal; approved, the same guest gets its secret."""
    decision_id = refused(app)
    with app.app_context():
        services.custody.write(ResourceID("default", "demo", "secret"), b"x", OWNER)
    author = console(Role.POLICY_AUTHOR)
    key = re.findall(r'name="way" value="(\w+)"', author.get(f"/decisions/{decision_id}/why").text)[
        0
    ]
    assert author.post(f"/decisions/{decision_id}/draft", way=key).status_code == 303
    with app.app_context():
        (proposal,) = services.proposals.page(ProposalQuery())
        assert (proposal.origin, proposal.state) == (decision_id, ProposalState.OPEN)
        services.proposals.approve(proposal.proposal_id, OWNER, revision=1)
    assert allowed(app)
    assert "would be allowed today" in author.get(f"/decisions/{decision_id}/why").text


def test_a_draft_of_a_way_that_is_none_is_refused(
    app: Flask, console: Callable[..., Console]
) -> None:
    """A key that the record does not lead to proposes nothing."""
    decision_id = refused(app)
    answer = console(Role.POLICY_AUTHOR).post(f"/decisions/{decision_id}/draft", way="0" * 16)
    assert answer.status_code == 409


def test_an_edit_of_a_policy_that_has_changed_is_not_offered(
    affirming: None, app: Flask, services: Services, console: Callable[..., Console]
) -> None:
    """The draft would undo what happened since; the way is told all the same."""
    with app.app_context():
        services.resource_policies.set(NEVER, OWNER)
    decision_id = refused(app)
    author = console(Role.POLICY_AUTHOR)
    assert "Open as a draft" in author.get(f"/decisions/{decision_id}/why").text
    with app.app_context():
        services.resource_policies.set(NEVER + "\n# edited\n", OWNER)
    page = author.get(f"/decisions/{decision_id}/why").text
    assert "ask for less" in page
    assert "Open as a draft" not in page


def test_a_policy_that_is_gone_leaves_nothing_to_try(
    app: Flask, services: Services, console: Callable[..., Console]
) -> None:
    """Without the text of that time nothing is claimed about what would have been."""
    record = recorded(services, app, refused(app))
    gone = {"id": "resource-policy", "scope": "", "digest": "0" * 64}
    inputs = {**record.inputs, "policies": [gone]}
    missing = replace(record, decision_id=new_decision_id(record.at), inputs=inputs)
    with app.app_context(), services.operators.transactions():
        services.decisions.add(missing)
    why = explain(app, services, missing.decision_id)
    assert (why.ways, why.is_repeatable, why.tried) == ((), False, 0)
    page = console(Role.VIEWER).get(f"/decisions/{missing.decision_id}/why").text
    assert "nothing can be tried out" in page


def test_a_record_that_comes_out_otherwise_is_not_explained_away(
    app: Flask, services: Services
) -> None:
    """What replays to another outcome offers no changes: they would prove nothing."""
    record = recorded(services, app, refused(app))
    other = replace(
        record, decision_id=new_decision_id(record.at), outcome=Outcome.ALLOWED, reason="x"
    )
    with app.app_context(), services.operators.transactions():
        services.decisions.add(other)
    why = explain(app, services, other.decision_id)
    assert (why.ways, why.is_repeatable) == ((), False)


def test_an_allowed_decision_has_nothing_to_change(
    affirming: None, app: Flask, services: Services
) -> None:
    """There is no way out of what is as it should be."""
    guest = RawGuest(app.test_client())
    guest.attest()
    why = explain(app, services, guest.resource().headers["Vouchgate-Decision"])
    assert (why.ways, why.is_repeatable) == ((), True)
    assert why.today is not None
    assert why.today.reached


def test_several_causes_are_told_together(app: Flask, services: Services) -> None:
    """With nothing registered no single value helps, and every one of the set is needed."""
    why = explain(app, services, refused(app))
    first = why.ways[0].remedies
    assert {getattr(each, "name", "") for each in first} == set(SAMPLE_VALUES)
    assert {each.name for each in why.comparisons if each.is_cause} == set(SAMPLE_VALUES)


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
    assert "Trust vector" not in page


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


def test_a_code_without_a_sentence_of_its_own_has_one() -> None:
    """No reason code leaves the page empty."""
    assert explained("some-new-code").sentence
