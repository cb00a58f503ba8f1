"""Pages in another language: chosen by the browser, said in ``lang``, translated throughout."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import translations
from console_client import Console
from console_pages import addresses, fill
from flask import Flask
from flask.testing import FlaskClient
from raw_guest import RawGuest, evaluation_body, new_key, public_key

from app.blueprints import languages
from app.blueprints.services import Services
from app.console.permissions import Role
from app.trust.decisions import DecisionQuery

# Any that the console is not written in.
LANGUAGE = {"Accept-Language": "eo, en;q=0.5"}


@pytest.fixture
def prepared(
    prepared: tuple[Path, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, object]:
    """A translation in a folder of its own, before the application starts."""
    folder = tmp_path / "translations"
    translations.write_marked(folder, "eo")
    monkeypatch.setattr(languages, "FOLDER", folder)
    return prepared


def test_a_page_speaks_the_readers_language(client: object, app: Flask) -> None:
    """The title, a heading, a label; the attribute says which language it is."""
    page = app.test_client().get("/console/sign-in", headers=LANGUAGE).text
    assert '<html lang="eo">' in page
    assert "⟦Sign in⟧" in page


@pytest.mark.parametrize("accepted", ["", "en", "xx", "tlh, *;q=0.1", "eo;q=0, en"])
def test_english_is_spoken_to_everyone_else(app: Flask, accepted: str) -> None:
    """To a browser that asks for nothing, or for what is not here."""
    page = app.test_client().get("/console/sign-in", headers={"Accept-Language": accepted}).text
    assert '<html lang="en">' in page
    assert "⟦" not in page


# What is the same in every language, or says itself that it is English.
_ALIKE = re.compile(
    r"<(code|pre|time|textarea)\b.*?</\1>|<(\w+)\b[^>]* lang=\"en\".*?</\2>", re.DOTALL
)
_TRANSLATED = re.compile(r"⟦[^⟦⟧]*⟧")
_SENTENCE = re.compile(r"[A-Za-z]{2,}(?:,? [a-z]{2,}){2,}")


def untranslated(page: str) -> list[str]:
    """What a page says in three words or more that no translator has seen."""
    text = _ALIKE.sub(" ", page.partition("<main")[2])
    text = html.unescape(re.sub(r"<[^>]+>", "|", text))
    while _TRANSLATED.search(text):
        text = _TRANSLATED.sub(" ", text)
    return _SENTENCE.findall(text)


def test_every_page_is_translated(
    app: Flask, services: Services, console: Callable[..., Console]
) -> None:
    """All that a page says; none breaks over what a translator wrote."""
    with app.app_context():
        facts = fill(services)
    owner = console(Role.OWNER)
    found = {}
    for address in addresses(app, *facts):
        answer = owner.client.get(address.path, headers=LANGUAGE)
        text = answer.text
        assert answer.status_code == 200, address
        if answer.mimetype == "text/html":
            assert '<html lang="eo">' in text, address
            assert "⟦Decisions⟧" in text, address
            assert text.count("⟦") == text.count("⟧"), address
            found[address.path] = untranslated(text)
    assert {path: said for path, said in found.items() if said} == {}


def test_sentences_of_decisions_are_translated(
    app: Flask, services: Services, console: Callable[..., Console]
) -> None:
    """Reasons, remedies and their risks, what claims and trust vectors mean; and the overview."""
    with app.app_context():
        fill(services)
        records = services.decisions.page(DecisionQuery(limit=100))
    owner = console(Role.OWNER)
    paths = ["/console/", "/console/policies/resource/resource-policy"]
    for record in {(each.kind, each.reason, each.tee): each for each in records}.values():
        paths += [f"/console/decisions/{record.decision_id}{view}" for view in ("", "/why")]
    found = {path: untranslated(owner.client.get(path, headers=LANGUAGE).text) for path in paths}
    assert {path: said for path, said in found.items() if said} == {}


def test_sentences_of_the_inspector_are_translated(
    affirming: None, client: FlaskClient, console: Callable[..., Console]
) -> None:
    """Checks, remarks, notes and meanings, of what is good and of what is refused."""
    owner = console(Role.OWNER)
    guest = RawGuest(client)
    token = guest.attest().json["token"]
    evidence = json.dumps(evaluation_body("nonce", public_key(new_key())))
    sent = [
        ("", {"token": token}),
        ("", {"token": f"{token[:-4]}AAAA"}),
        ("/evidence", {"evidence": evidence, "tee": "sample"}),
        ("/init-data", {"init_data": 'version = "0.2"\nalgorithm = "sha512"\n[data]\n'}),
        ("/compose", {"kbs_url": "https://kbs.example", "algorithm": "sha256"}),
        ("/uri", {"uri": "kbs:///default/demo/secret"}),
        ("/uri", {"uri": "kbs:///nowhere/demo/secret?x=1"}),
        ("/uri", {"uri": "kbs+none:///a/b/c"}),
    ]
    found = {}
    for path, form in sent:
        data = {"csrf_token": owner.csrf} | form
        page = owner.client.post(f"/console/inspector{path}", data=data, headers=LANGUAGE)
        assert page.status_code == 200, page.text
        assert "⟧" in page.text.partition("</form>")[2], path
        found[str(form)[:60]] = untranslated(page.text)
    assert {form: said for form, said in found.items() if said} == {}
