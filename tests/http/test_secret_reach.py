"""Who may get a secret: what the page says is what the KBS does when the guest asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from console_client import Console
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import PATH, RawGuest

from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.console.permissions import Role
from app.trust.audit import Actor

URL = f"/api/v1/secrets/{PATH}/who-may"
ACTOR = Actor("tests", "owner")
POLICIES = {
    "affirmed": None,
    "version 2 only": 'allow if input.submods.cpu0["ear.veraison.annotated-evidence"].sample.svn'
    ' == "2"',
    "by path": 'default allow := false\nallow if data["resource-path"][0] == "default"',
    "by another path": 'default allow := false\nallow if data["resource-path"][0] == "other"',
    "by claim of the vector": "allow if input.submods.cpu0"
    '["ear.trustworthiness-vector"].executables == 3',
    "no boolean": "allow := 3",
    "fails": "allow if 1 / count(input.submods) == 1\nallow := false if count(input.submods) == 1",
}


@pytest.fixture
def guests(affirming: None, app: Flask) -> dict[str, RawGuest]:
    """One that is affirmed, and one of another version that is not."""
    found = {}
    for svn in ("1", "2"):
        found[svn] = RawGuest(app.test_client())
        assert found[svn].attest(svn=svn).status_code == 200
    return found


def set_policy(app: Flask, services: Services, body: str | None) -> None:
    """Let these lines decide; ``None`` keeps the default policy."""
    if body is not None:
        with app.app_context():
            services.resource_policies.set(f"package policy\nimport rego.v1\n{body}\n", ACTOR)


@pytest.mark.parametrize("name", POLICIES)
def test_the_prediction_is_what_happens(
    guests: dict[str, RawGuest],
    app: Flask,
    services: Services,
    client: FlaskClient,
    owner: dict[str, str],
    name: str,
) -> None:
    """For every policy and every guest, from its appraisal alone and again after its release."""
    set_policy(app, services, POLICIES[name])

    def predicted() -> list[bool]:
        told = client.get(URL, headers=owner).json
        return [each["allowed"] for each in sorted(told, key=lambda each: str(each["at"]))]

    before = predicted()
    assert len(before) == 2
    actual = [guests[svn].resource().status_code == 200 for svn in ("1", "2")]
    assert before == actual
    assert predicted() == actual


def test_a_guest_that_attests_again_is_the_same_guest(
    affirming: None, guest: RawGuest, client: FlaskClient, owner: dict[str, str]
) -> None:
    """Another nonce, another token, another release: one line, with the newest decision."""
    for _ in range(2):
        guest.attest()
        decision_id = guest.resource().headers["Vouchgate-Decision"]
    (told,) = client.get(URL, headers=owner).json
    assert told["decision_id"] == decision_id
    assert (told["tee"], told["status"], told["measurement"]) == ("sample", "affirming", "abcde")
    assert "claims" not in told


def test_what_is_about_no_verified_guest_is_not_listed(
    affirming: None, guest: RawGuest, client: FlaskClient, owner: dict[str, str]
) -> None:
    """Evidence that was refused tells nothing."""
    assert guest.attest(report_data="AAAA").status_code == 401
    assert client.get(URL, headers=owner).json == []


def test_the_page_tells_reason_and_decision(
    guests: dict[str, RawGuest], console: Callable[..., Console]
) -> None:
    """Allowed and denied, each with the decision where the guest was seen."""
    page = console(Role.AUDITOR).get(f"/secrets/{PATH}/who-may").text
    assert "the resource policy&#39;s rule allow says no" in page
    assert page.count("/console/decisions/") == 2
    assert "abcde" in page


def test_what_a_guest_may_get(
    guests: dict[str, RawGuest],
    app: Flask,
    services: Services,
    client: FlaskClient,
    owner: dict[str, str],
    console: Callable[..., Console],
) -> None:
    """The other way round, for the guest of a decision, secret by secret and page by page."""
    with app.app_context():
        services.custody.write(ResourceID("other", "a", "b"), b"x", ACTOR)
    set_policy(app, services, POLICIES["by path"])
    decision_id = guests["1"].resource().headers["Vouchgate-Decision"]
    url = f"/api/v1/decisions/{decision_id}/secrets"
    told = {each["resource_id"]: each["allowed"] for each in client.get(url, headers=owner).json}
    assert told == {PATH: True, "other/a/b": False}
    (second,) = client.get(f"{url}?after={PATH}", headers=owner).json
    assert second["resource_id"] == "other/a/b"
    page = console(Role.AUDITOR).get(f"/decisions/{decision_id}/secrets?limit=1").text
    assert f"/console/secrets/{PATH}" in page
    assert f"after={PATH}" in page


def test_a_decision_about_no_guest_has_nothing_in_reach(
    affirming: None, guest: RawGuest, client: FlaskClient, owner: dict[str, str]
) -> None:
    """Refused evidence, and ids that are none."""
    refused: Any = guest.attest(report_data="AAAA")
    for decision_id in (refused.headers["Vouchgate-Decision"], "0" * 32):
        response = client.get(f"/api/v1/decisions/{decision_id}/secrets", headers=owner)
        assert response.status_code == 404
        assert response.json["code"] == "decision-not-found"


def test_whoever_reads_decisions_alone_learns_of_no_secret(
    guests: dict[str, RawGuest], console: Callable[..., Console]
) -> None:
    """A viewer may see decisions, and no names of secrets through them."""
    decision_id = guests["1"].resource().headers["Vouchgate-Decision"]
    assert console(Role.VIEWER).get(f"/decisions/{decision_id}/secrets").status_code == 403
