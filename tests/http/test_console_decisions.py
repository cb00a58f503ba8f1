"""Decisions as pages and files: filters that stay in the address, one decision with its parts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from console_client import Console
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import RawGuest

from app.blueprints.services import Services
from app.console.permissions import Role
from app.trust.decisions import DecisionKind, DecisionRecord, Outcome, new_decision_id

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
RECORD = DecisionRecord(
    new_decision_id(AT),
    DecisionKind.RELEASE,
    AT,
    Outcome.DENIED,
    "policy-denied",
    "snp",
    "resource/default/app/key",
    policy_digest="ab" * 32,
    token_id="token-1",
    measurement="cd" * 48,
)


def add(app: Flask, services: Services, *records: DecisionRecord) -> None:
    """Write records down."""
    with app.app_context(), services.operators.transactions():
        for record in records:
            services.decisions.add(record)


@pytest.fixture
def two(app: Flask, services: Services) -> tuple[DecisionRecord, DecisionRecord]:
    """A denied release on SNP, and an allowed appraisal on TDX a day later."""
    later = AT + timedelta(days=1)
    other = DecisionRecord(
        new_decision_id(later),
        DecisionKind.APPRAISAL,
        later,
        Outcome.ALLOWED,
        "affirming",
        "tdx",
        "default",
    )
    add(app, services, RECORD, other)
    return RECORD, other


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "xyz"),
        ("id", "0" * 33),
        ("outcome", "maybe"),
        ("kind", "x"),
        ("since", "yesterday"),
        ("until", "2026-13-01"),
    ],
)
def test_a_filter_that_cannot_be_comes_back_marked(
    console: Callable[..., Console],
    client: FlaskClient,
    owner: dict[str, str],
    name: str,
    value: str,
) -> None:
    """The page keeps what was typed and says what is wrong; REST refuses with the same words."""
    page = console(Role.VIEWER).get(f"/decisions?{name}={value}")
    assert page.status_code == 400
    assert f'id="{name}-error"' in page.text
    assert name in {"kind", "outcome"} or f'value="{value}"' in page.text
    for path in ("decisions", "decisions/export"):
        answer = client.get(f"/api/v1/{path}?{name}={value}", headers=owner)
        assert (answer.status_code, answer.json["code"]) == (400, "malformed-request")


@pytest.mark.parametrize(
    ("query", "finds_first"),
    [
        ("outcome=denied", True),
        ("tee=snp", True),
        ("reason=policy-denied", True),
        ("secret=default/app/key", True),
        ("secret=resource/default/app/key", True),
        ("policy=" + "ab" * 32, True),
        ("policy=default", False),
        ("measurement=" + "cd" * 48, True),
        ("token_id=token-1", True),
        ("until=2026-03-05", True),
        ("since=2026-03-05T00:00", False),
        ("since=2026-03-04T05:06&until=2026-03-04T05:07", True),
        ("since=2026-03-04T06:06%2B01:00&until=2026-03-04T06:07%2B01:00", True),
        ("kind=appraisal&tee=tdx", False),
    ],
)
def test_each_filter_chooses(
    two: tuple[DecisionRecord, DecisionRecord],
    client: FlaskClient,
    owner: dict[str, str],
    query: str,
    finds_first: bool,
) -> None:
    """One of the two is found, by REST as on the page."""
    found = client.get(f"/api/v1/decisions?{query}", headers=owner).json
    assert [each["decision_id"] for each in found] == [two[0 if finds_first else 1].decision_id]


def test_the_beginning_of_an_id_will_do(
    two: tuple[DecisionRecord, DecisionRecord], console: Callable[..., Console]
) -> None:
    """As a person reads it off a screen, in capitals too."""
    page = console(Role.VIEWER).get(f"/decisions?id={two[0].decision_id[:14].upper()}").text
    assert f"/console/decisions/{two[0].decision_id}" in page
    assert f"/console/decisions/{two[1].decision_id}" not in page


def test_filters_stay_on_the_way(
    app: Flask, services: Services, console: Callable[..., Console]
) -> None:
    """Pages, files and the commands that do the same carry them on."""
    ids = [new_decision_id(AT + timedelta(seconds=step)) for step in range(3)]
    add(app, services, *(replace(RECORD, decision_id=each) for each in ids))
    page = console(Role.VIEWER).get("/decisions?outcome=denied&tee=snp&limit=2").text
    assert f'href="/console/decisions?before={ids[1]}&amp;outcome=denied&amp;tee=snp"' in page
    assert "/console/decisions/export?format=csv&amp;outcome=denied&amp;tee=snp" in page
    assert "--outcome &#39;denied&#39; --tee &#39;snp&#39;" in page


def test_a_spreadsheet_gets_no_formulas(
    app: Flask, services: Services, client: FlaskClient, owner: dict[str, str]
) -> None:
    """What begins like a formula begins with an apostrophe; lines and quotes stay in their cell."""
    evil = ['=cmd|"/c calc"!A1', "+1", "-1", "@x", "\tx", "\rx", 'a"b', "a\nb", "a,b"]
    ids = [new_decision_id(AT + timedelta(seconds=step)) for step in range(len(evil))]
    add(
        app,
        services,
        *(replace(RECORD, decision_id=i, subject=s) for i, s in zip(ids, evil, strict=True)),
    )
    answer = client.get("/api/v1/decisions/export", headers=owner)
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["subject"] for row in rows[::-1]] == [
        *(f"'{each}" for each in evil[:6]),
        *evil[6:],
    ]
    assert rows[0]["measurement"] == "cd" * 48


def test_an_export_is_everything_however_many_pages(
    app: Flask, services: Services, client: FlaskClient, owner: dict[str, str]
) -> None:
    """More than one window is read, each record once, newest first, and filters hold."""
    ids = [new_decision_id(AT + timedelta(seconds=step)) for step in range(1203)]
    add(app, services, *(replace(RECORD, decision_id=each) for each in ids))
    add(app, services, replace(RECORD, decision_id=new_decision_id(AT), tee="tdx"))
    answer = client.get("/api/v1/decisions/export?format=jsonl&tee=snp", headers=owner)
    assert answer.mimetype == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["decision_id"] for line in lines] == ids[::-1]


def test_another_format_is_refused(client: FlaskClient, owner: dict[str, str]) -> None:
    """Only what can be written."""
    answer = client.get("/api/v1/decisions/export?format=xlsx", headers=owner)
    assert (answer.status_code, answer.json["code"]) == (400, "malformed-request")


def test_a_page_of_one_decision_has_all_its_parts(
    affirming: None, app: Flask, console: Callable[..., Console]
) -> None:
    """Handshake, trust vector, values, claims with meanings, token, and the appraisal behind."""
    guest = RawGuest(app.test_client())
    attested = guest.attest().headers["Vouchgate-Decision"]
    released = guest.resource().headers["Vouchgate-Decision"]
    page = console(Role.AUDITOR).get(f"/decisions/{released}").text
    assert "Request for a resource" in page
    assert f"/console/decisions/{attested}" in page
    assert "Stands for the measurement of what was launched." in page
    assert "genuine and current" in page
    assert "input.sample.launch_digest" in page
    assert "resource-policy, version 1" in page
    assert "the signature is not kept" in page
    assert "Response: sealed secret" in page


def test_a_page_tells_no_token_and_no_nonce(
    affirming: None, app: Flask, console: Callable[..., Console]
) -> None:
    """Neither is in the record, so neither can be on the page or in its JSON."""
    guest = RawGuest(app.test_client())
    nonce = guest.nonce()
    token = guest.attest(nonce).json["token"]
    released = guest.resource().headers["Vouchgate-Decision"]
    viewer = console(Role.VIEWER)
    for path in ("", ".json", "/why"):
        shown = viewer.get(f"/decisions/{released}{path}").text
        assert nonce not in shown
        assert token.rpartition(".")[2] not in shown


def test_the_json_of_a_decision_is_whole(
    two: tuple[DecisionRecord, DecisionRecord], console: Callable[..., Console]
) -> None:
    """What REST gives, for whoever is signed in."""
    answer = console(Role.VIEWER).get(f"/decisions/{two[0].decision_id}.json")
    assert answer.json["measurement"] == two[0].measurement
    assert {"inputs", "result"} <= answer.json.keys()
    assert console(Role.AUDITOR).get("/decisions/0.json").status_code == 404


@pytest.mark.parametrize("record", [RECORD, replace(RECORD, kind=DecisionKind.APPRAISAL)])
def test_a_bare_record_has_pages(
    app: Flask, services: Services, console: Callable[..., Console], record: DecisionRecord
) -> None:
    """One of another version, or of a service elsewhere, is shown as far as it goes."""
    add(app, services, record)
    viewer = console(Role.VIEWER)
    for path in ("", "/why"):
        assert viewer.get(f"/decisions/{record.decision_id}{path}").status_code == 200


def test_reasons_have_pages(console: Callable[..., Console]) -> None:
    """Also those that leave no decision; what is no reason has none."""
    viewer = console(Role.VIEWER)
    assert "not trust" in viewer.get("/reasons/token-issuer-untrusted").text
    assert viewer.get("/reasons/no-such-code").status_code == 404


def test_why_by_rest(app: Flask, client: FlaskClient, owner: dict[str, str]) -> None:
    """Ways with their risk, and a change that can be proposed as it is."""
    guest = RawGuest(app.test_client())
    guest.attest()
    decision_id = guest.resource().headers["Vouchgate-Decision"]
    why: Any = client.get(f"/api/v1/decisions/{decision_id}/why", headers=owner).json
    first = why["ways"][0]
    assert (first["risk"], why["repeatable"]) == ("medium", True)
    assert {each["kind"] for each in first["remedies"]} == {"reference-value"}
    proposed = client.post(
        "/api/v1/proposals",
        json={"change": first["proposal"], "origin": decision_id},
        headers=owner,
    )
    assert proposed.status_code == 200
    assert client.get("/api/v1/decisions/0/why", headers=owner).status_code == 404
