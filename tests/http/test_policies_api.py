"""Policies by REST: set, rolled back, taken away; examples that hold or stop it; dry runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from programs import Programs
from raw_guest import RawGuest
from servers import SAMPLE_VALUES, AdminKey

from app.blueprints.services import Services
from app.console.dry_runs import DryRuns
from app.trust.audit import Actor

GLOBAL = "/api/v1/policies/resource/resource-policy"
TEAM = "/api/v1/policies/resource/scope:resource:default"
CPU = "/api/v1/policies/attestation/default_cpu"
DENY = "package policy\n\ndefault allow := false\n"
REFUSE = "package policy\n\ndeny := true\n"
DATA = {"plugin": "resource", "resource-path": ["default", "demo", "secret"], "query": {}}
AFFIRMED = {"submods": {"cpu0": {"ear.status": "affirming"}}}
ALLOWED = {"input": AFFIRMED, "data": DATA, "expected": {"outcome": "allowed"}, "revision": 0}


@pytest.fixture
def programs(client: FlaskClient, admin: AdminKey) -> Programs:
    """Operators' programs."""
    return Programs(client, admin)


@pytest.fixture
def decided(affirming: None, guest: RawGuest) -> list[str]:
    """The ids of an appraisal and of two releases: one allowed, one of a secret that is not."""
    ids = [guest.attest().headers["Vouchgate-Decision"]]
    ids.append(guest.resource().headers["Vouchgate-Decision"])
    ids.append(guest.resource("default/demo/other").headers["Vouchgate-Decision"])
    return ids


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/policies/other/x", None, 400),
        ("GET", "/api/v1/policies/attestation/none", None, 404),
        ("GET", f"{GLOBAL}?version=9", None, 404),
        ("GET", f"{GLOBAL}?version=x", None, 400),
        ("GET", "/api/v1/policies/other/x/versions/1/compare/1", None, 400),
        ("GET", f"{GLOBAL}/versions/1/compare/9", None, 404),
        ("GET", f"{GLOBAL}/versions/x/compare/1", None, 400),
        ("PUT", GLOBAL, {"text": DENY}, 400),
        ("PUT", GLOBAL, {"text": 7, "based_on": 1}, 400),
        ("PUT", GLOBAL, {"text": DENY, "based_on": -1}, 400),
        ("PUT", GLOBAL, {"text": DENY, "based_on": True}, 400),
        ("PUT", GLOBAL, {"text": "package policy\nallow := }", "based_on": 1}, 400),
        ("PUT", GLOBAL, {"text": DENY, "based_on": 7}, 409),
        ("PUT", "/api/v1/policies/resource/scope:nowhere", {"text": DENY, "based_on": 0}, 400),
        ("POST", f"{GLOBAL}/roll-back", {"version": 9, "based_on": 1}, 404),
        ("POST", f"{GLOBAL}/roll-back", {"version": 1, "based_on": 7}, 409),
        ("POST", f"{GLOBAL}/check", {}, 400),
        ("POST", f"{GLOBAL}/check", {"text": "package x"}, 400),
        ("DELETE", GLOBAL, None, 400),
        ("DELETE", f"{GLOBAL}?based_on=1", None, 400),
        ("DELETE", f"{CPU}?based_on=1", None, 400),
        ("DELETE", f"{TEAM}?based_on=1", None, 404),
        ("POST", f"{GLOBAL}/examples/run", {"text": 7}, 400),
        ("POST", f"{GLOBAL}/examples/from-decision", {}, 400),
        ("POST", f"{GLOBAL}/examples/from-decision", {"decision_id": "none"}, 404),
        ("DELETE", f"{GLOBAL}/examples/none", None, 404),
        ("PUT", f"{TEAM}/examples/x", ALLOWED, 404),
        ("PUT", f"{GLOBAL}/examples/x", ALLOWED | {"revision": 1}, 409),
        ("PUT", f"{GLOBAL}/examples/x", ALLOWED | {"input": 7}, 400),
        ("PUT", f"{GLOBAL}/examples/x", ALLOWED | {"expected": {}}, 400),
        ("PUT", f"{GLOBAL}/examples/x", ALLOWED | {"expected": {"outcome": "affirming"}}, 400),
        ("PUT", f"{GLOBAL}/examples/x", ALLOWED | {"expected": {"outcome": ["allowed"]}}, 400),
        ("PUT", f"{GLOBAL}/examples/x", ALLOWED | {"data": {}}, 400),
        ("PUT", f"{GLOBAL}/examples/x", ALLOWED | {"data": DATA | {"more": 1}}, 400),
        ("PUT", f"{GLOBAL}/examples/x", ALLOWED | {"reference_values": {"a": 1}}, 400),
        ("PUT", f"{CPU}/examples/x", ALLOWED, 400),
        ("PUT", f"{GLOBAL}/examples/{'x' * 101}", ALLOWED, 400),
        ("PUT", f"{GLOBAL}/examples/x", ALLOWED | {"input": {"a": "b" * 300_000}}, 400),
        ("POST", "/api/v1/proposals/none/dry-run", {}, 404),
        ("GET", "/api/v1/proposals/none/dry-run", None, 404),
        ("DELETE", "/api/v1/proposals/none/dry-run", None, 404),
    ],
)
def test_what_cannot_be_is_refused(
    programs: Programs,
    row_counts: Callable[[], dict[str, int]],
    method: str,
    path: str,
    body: Any,
    status: int,
) -> None:
    """With its status, and nothing is written."""
    before = row_counts()
    answer = programs.ask("ada", method, path, body)
    assert answer.status_code == status, answer.text
    assert row_counts() == before


def test_a_policy_is_set_read_rolled_back(programs: Programs) -> None:
    """Every version stays readable, and what was seen is what is replaced."""
    old = programs.ask("ada", "GET", GLOBAL).json
    saved = programs.ask("ada", "PUT", GLOBAL, {"text": DENY, "based_on": 1}).json
    assert (saved["version"], saved["active"], saved["scope"]) == (2, True, "")
    shown = programs.ask("ada", "GET", GLOBAL).json
    assert shown["text"] == DENY
    assert [each["version"] for each in shown["versions"]] == [2, 1]
    body = {"version": 1, "based_on": 2}
    assert programs.ask("ada", "POST", f"{GLOBAL}/roll-back", body).json["version"] == 3
    assert programs.ask("ada", "GET", GLOBAL).json["text"] == old["text"]
    assert programs.ask("ada", "GET", f"{GLOBAL}?version=2").json["text"] == DENY


def test_a_policy_with_a_scope_comes_and_goes(programs: Programs) -> None:
    """It is listed while it decides, and its versions stay."""
    body = {"text": REFUSE, "based_on": 0}
    assert programs.ask("ada", "PUT", TEAM, body).status_code == 200
    listed = programs.ask("ada", "GET", "/api/v1/policies").json
    assert [each["scope"] for each in listed if each["kind"] == "resource"] == [
        "",
        "resource/default",
    ]
    assert programs.ask("ada", "GET", "/kbs/v0/resource-policy").json == [
        "resource-policy",
        "scope:resource:default",
    ]
    assert programs.ask("ada", "DELETE", f"{TEAM}?based_on=7").status_code == 409
    assert programs.ask("ada", "DELETE", f"{TEAM}?based_on=1").status_code == 200
    assert programs.ask("ada", "GET", TEAM).json["active"] is False
    again = programs.ask("ada", "PUT", TEAM, {"text": REFUSE, "based_on": 1})
    assert again.json["version"] == 2


def test_a_scope_decides_about_real_guests(
    programs: Programs, affirming: None, guest: RawGuest
) -> None:
    """A deny in a team's scope, whatever the global policy says; Trustee's route stays global."""
    guest.attest()
    assert guest.resource().status_code == 200
    programs.ask("ada", "PUT", TEAM, {"text": REFUSE, "based_on": 0})
    refused = guest.resource()
    assert (refused.status_code, refused.json["code"]) == (403, "policy-denied")


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        (GLOBAL, "package policy\nallow := true\n", "whatever the token says"),
        (GLOBAL, 'package policy\nallow if data.plugin == "resource"\n', "every other plugin"),
        (GLOBAL, "package policy\ndefault allow := false\n", "never true"),
        (
            GLOBAL,
            'package policy\nallow if input.submods.cpu0["ear.status"]\n',
            "contraindicated",
        ),
        (GLOBAL, "package policy\nallow if data.resource_path[0]\n", "data.resource_path is never"),
        (GLOBAL, "package policy\nallow := false\ndeny := true\n", "deny of the global policy"),
        (CPU, 'package policy\ntrust_claims := {"hardware": 2}\n', "says nothing is affirming"),
        (
            CPU,
            "package policy\n\ntrust_claims := claims if {\n\tclaims := data.reference.claims\n}\n",
            "data.reference is never there",
        ),
    ],
)
def test_what_a_policy_may_not_mean_is_told(
    programs: Programs, path: str, text: str, told: str
) -> None:
    """A warning with its reason, before anything is set."""
    review = programs.ask("ada", "POST", f"{path}/check", {"text": text}).json
    assert any(told in each["message"] for each in review["warnings"]), review


def test_a_warning_has_its_place(programs: Programs) -> None:
    """Line and column of what is asked for and never there."""
    text = "package policy\nimport rego.v1\n\nallow if data.nowhere == 1\n"
    (warning,) = programs.ask("ada", "POST", f"{GLOBAL}/check", {"text": text}).json["warnings"]
    assert (warning["line"], warning["column"]) == (4, 14)


@pytest.mark.parametrize("path", [GLOBAL, CPU])
def test_the_default_policies_earn_no_warning(programs: Programs, path: str) -> None:
    """What everybody begins with needs no second look."""
    text = programs.ask("ada", "GET", path).json["text"]
    assert programs.ask("ada", "POST", f"{path}/check", {"text": text}).json["warnings"] == []


def test_a_check_tells_what_typical_guests_get(programs: Programs) -> None:
    """The default policy: affirming guests, secrets only."""
    text = programs.ask("ada", "GET", GLOBAL).json["text"]
    probes = programs.ask("ada", "POST", f"{GLOBAL}/check", {"text": text}).json["probes"]
    assert [(each["resource"], each["other"]) for each in probes[:3]] == [
        ("allowed", "denied"),
        ("denied", "denied"),
        ("denied", "denied"),
    ]


def test_an_example_stops_a_policy_that_breaks_it(programs: Programs) -> None:
    """By every way that a policy can be set, and it says which example."""
    put = programs.ask("ada", "PUT", f"{GLOBAL}/examples/affirmed guests", ALLOWED)
    assert put.json["revision"] == 1
    refused = programs.ask("ada", "PUT", GLOBAL, {"text": DENY, "based_on": 1})
    assert (refused.status_code, refused.json["code"]) == (400, "policy-examples-broken")
    assert "'affirmed guests' expects allowed, and is denied" in refused.json["detail"]
    change = {"kind": "resource-policy", "policy_id": "resource-policy"}
    proposal = programs.propose("ada", change | {"text": DENY, "based_on": 1})
    stopped = programs.decide("ada", proposal, "approve")
    assert stopped.json["code"] == "policy-examples-broken"
    (result,) = programs.ask("ada", "POST", f"{GLOBAL}/examples/run", {}).json
    assert result["holds"] is True
    (result,) = programs.ask("ada", "POST", f"{GLOBAL}/examples/run", {"text": DENY}).json
    assert result["holds"] is False
    programs.ask("ada", "DELETE", f"{GLOBAL}/examples/affirmed guests")
    assert programs.decide("ada", proposal, "approve").status_code == 200


def test_decisions_become_examples(programs: Programs, decided: list[str]) -> None:
    """One call: the input as recorded, and what came out of it as expected."""
    appraisal, release, _ = decided
    made = programs.ask(
        "ada", "POST", f"{CPU}/examples/from-decision", {"decision_id": appraisal}
    ).json
    assert made["expected"]["outcome"] == "affirming"
    assert made["expected"]["trust_claims"]["hardware"] == 2
    assert made["reference_values"] == SAMPLE_VALUES
    made = programs.ask(
        "ada", "POST", f"{GLOBAL}/examples/from-decision", {"decision_id": release}
    ).json
    assert (made["expected"], made["data"]["plugin"]) == ({"outcome": "allowed"}, "resource")
    for path in (GLOBAL, CPU):
        (result,) = programs.ask("ada", "POST", f"{path}/examples/run", {}).json
        assert result["holds"] is True, result
        assert len(programs.ask("ada", "GET", f"{path}/examples").json) == 1
    for path, other in ((CPU, release), (GLOBAL, appraisal)):
        body = {"decision_id": other}
        answer = programs.ask("ada", "POST", f"{path}/examples/from-decision", body)
        assert answer.json["code"] == "malformed-request"


def test_an_example_of_trust_claims_tells_which_one_differs(programs: Programs) -> None:
    """Of an attestation policy the status must be met, and each trust claim that is named."""
    claims = {"svn": "1", "launch_digest": "abcde", "debug": True}
    claims["platform_version"] = {"major": 1, "minor": 4}  # type: ignore[assignment]
    body = {
        "input": {"sample": claims},
        "reference_values": SAMPLE_VALUES,
        "expected": {"outcome": "warning", "trust_claims": {"hardware": 2, "configuration": 2}},
        "revision": 0,
    }
    assert programs.ask("ada", "PUT", f"{CPU}/examples/debugged", body).status_code == 200
    (result,) = programs.ask("ada", "POST", f"{CPU}/examples/run", {}).json
    assert result["came_out"] == "warning; configuration 36"
    body["expected"] = {"outcome": "warning", "trust_claims": {"hardwear": 2}}
    answer = programs.ask("ada", "PUT", f"{CPU}/examples/debugged", body | {"revision": 1})
    assert answer.json["code"] == "malformed-request"


def finished(programs: Programs, proposal: Any, last: int = 100) -> Any:
    """The dry run of a proposal, waited for."""
    path = f"/api/v1/proposals/{proposal['proposal_id']}/dry-run"
    run = programs.ask("ada", "POST", path, {"last": last}).json
    while run["state"] == "running":
        run = programs.ask("ada", "GET", path).json
    return run


def test_a_dry_run_names_what_would_change(programs: Programs, decided: list[str]) -> None:
    """A planted regression is named exactly, with what it was and would be."""
    _, release, missing = decided
    change = {"kind": "resource-policy", "policy_id": "scope:resource:default:demo"}
    text = 'package policy\ndeny if data["resource-path"][2] == "secret"\n'
    run = finished(programs, programs.propose("ada", change | {"text": text, "based_on": 0}))
    assert (run["state"], run["total"], run["done"], run["altered"]) == ("done", 2, 2, 1)
    (named,) = run["named"]
    assert (named["decision_id"], named["before"], named["after"]) == (
        release,
        "policy-allowed",
        "policy-denied",
    )
    everything = programs.propose("ada", change | {"text": REFUSE, "based_on": 0})
    names = {each["decision_id"] for each in finished(programs, everything)["named"]}
    assert names == {release, missing}
    other = change | {"policy_id": "scope:resource:elsewhere", "text": REFUSE, "based_on": 0}
    assert finished(programs, programs.propose("ada", other))["altered"] == 0


def test_a_stricter_attestation_policy_shows_what_its_guests_lose(
    programs: Programs, decided: list[str]
) -> None:
    """Appraisals that would differ, and the releases that would then be refused."""
    appraisal, release, missing = decided
    text = 'package policy\ntrust_claims := {"hardware": 97}\n'
    change = {"kind": "attestation-policy", "policy_id": "default_cpu", "based_on": 1}
    run = finished(programs, programs.propose("ada", change | {"text": text}))
    assert {(each["decision_id"], each["before"], each["after"]) for each in run["named"]} == {
        (appraisal, "affirming", "contraindicated"),
        (release, "policy-allowed", "policy-denied"),
        (missing, "resource-not-found", "policy-denied"),
    }
    same = programs.ask("ada", "GET", CPU).json["text"]
    run = finished(programs, programs.propose("ada", change | {"text": same}))
    assert (run["total"], run["altered"]) == (3, 0)


def test_reference_values_have_their_dry_run_too(programs: Programs, decided: list[str]) -> None:
    """Withdrawn, replaced, or of no concern to anybody."""
    withdrawn = {"kind": "reference-values", "withdraw": ["svn"]}
    run = finished(programs, programs.propose("ada", withdrawn))
    assert {each["after"] for each in run["named"]} == {"contraindicated", "policy-denied"}
    more = {"kind": "reference-values", "register": [{"name": "svn", "value": ["1", "2"]}]}
    assert finished(programs, programs.propose("ada", more))["altered"] == 0
    other = {"kind": "reference-values", "register": [{"name": "mr_td", "value": ["00"]}]}
    assert finished(programs, programs.propose("ada", other))["altered"] == 0


@pytest.mark.parametrize("last", [0, -1, 100_001, "10", True, None])
def test_a_dry_run_looks_at_so_many(programs: Programs, last: Any) -> None:
    """At least at one decision, and at no more than it may."""
    change = {"kind": "reference-values", "register": [{"name": "x", "value": 1}]}
    path = f"/api/v1/proposals/{programs.propose('ada', change)['proposal_id']}/dry-run"
    assert programs.ask("ada", "POST", path, {"last": last}).status_code == 400
    assert programs.ask("ada", "GET", path).status_code == 404


@pytest.fixture
def short_slices(app: Flask, services: Services) -> Iterator[DryRuns]:
    """Dry runs by slices of one decision, so that a run takes several looks."""
    with app.app_context():
        yield replace(services.dry_runs, slice_seconds=0.0, page_size=1)


def proposed(programs: Programs) -> str:
    """The id of a proposal that would take the secrets away."""
    change = {"kind": "resource-policy", "policy_id": "scope:resource:default"}
    proposal_id: str = programs.propose("ada", change | {"text": REFUSE, "based_on": 0})[
        "proposal_id"
    ]
    return proposal_id


def test_a_dry_run_goes_on_slice_by_slice(
    programs: Programs, decided: list[str], short_slices: DryRuns
) -> None:
    """Each look works one slice off; a cancelled run stays where it is."""
    proposal_id = proposed(programs)
    assert short_slices.start(proposal_id, Actor("ada", "owner"), last=2).done == 0
    path = f"/api/v1/proposals/{proposal_id}/dry-run"
    first = short_slices.go_on(proposal_id)
    assert first is not None
    assert (first.done, first.is_running) == (1, True)
    assert programs.ask("ada", "DELETE", path).json["state"] == "cancelled"
    assert programs.ask("ada", "GET", path).json["done"] == 1


def test_a_dry_run_that_is_overtaken_stops(
    programs: Programs, decided: list[str], short_slices: DryRuns
) -> None:
    """Its halves would not belong together."""
    proposal_id = proposed(programs)
    short_slices.start(proposal_id, Actor("ada", "owner"))
    programs.ask("ada", "PUT", GLOBAL, {"text": DENY, "based_on": 1})
    path = f"/api/v1/proposals/{proposal_id}/dry-run"
    assert programs.ask("ada", "GET", path).json["state"] == "overtaken"


def test_the_two_person_rule_holds_here_too(strict: Flask, admin: AdminKey) -> None:
    """No route of this interface goes around it."""
    pair = Programs(strict.test_client(), admin)
    asked = [
        ("PUT", GLOBAL, {"text": DENY, "based_on": 1}),
        ("POST", f"{GLOBAL}/roll-back", {"version": 1, "based_on": 1}),
        ("DELETE", f"{TEAM}?based_on=1", None),
    ]
    for method, path, body in asked:
        assert pair.ask("ada", method, path, body).json["code"] == "needs-approval"


def test_an_example_that_is_not_there_has_its_reason(programs: Programs) -> None:
    """Apart from a policy that is not there."""
    answer = programs.ask("ada", "DELETE", f"{GLOBAL}/examples/none")
    assert answer.json["code"] == "example-not-found"


def test_templates_are_listed(programs: Programs, services: Services) -> None:
    """With their text, to begin with."""
    listed = programs.ask("ada", "GET", "/api/v1/policy-templates").json
    assert {"snp", "affirming"} <= {each["name"] for each in listed}
    assert all(each["text"].startswith("# ") for each in listed)


def test_versions_are_compared_as_data(programs: Programs) -> None:
    """Side by side with numbers and marks, and as a terminal shows it; the same is nothing."""
    programs.ask("ada", "PUT", GLOBAL, {"text": DENY, "based_on": 1})
    programs.ask("ada", "PUT", GLOBAL, {"text": DENY + "# more\n", "based_on": 2})
    found = programs.ask("ada", "GET", f"{GLOBAL}/versions/2/compare/3").json
    assert found["rows"][-1] == {
        "old": {"number": None, "text": "", "mark": "blank"},
        "new": {"number": 4, "text": "# more", "mark": "added"},
    }
    assert "+# more\n" in found["unified"]
    same = programs.ask("ada", "GET", f"{GLOBAL}/versions/2/compare/2").json
    assert (same["rows"], same["unified"]) == ([], "")
