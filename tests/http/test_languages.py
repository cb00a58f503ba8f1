"""Pages in another language: chosen by the browser, said in ``lang``, translated throughout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import translations
from console_client import Console
from console_pages import addresses, fill
from flask import Flask

from app.blueprints import languages
from app.blueprints.services import Services
from app.console.permissions import Role

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


def test_every_page_is_translated(
    app: Flask, services: Services, console: Callable[..., Console]
) -> None:
    """Title, heading and navigation of each page; no page breaks over what a translator wrote."""
    with app.app_context():
        facts = fill(services)
    owner = console(Role.OWNER)
    for address in addresses(app, *facts):
        answer = owner.client.get(address.path, headers=LANGUAGE)
        text = answer.text
        assert answer.status_code == 200, address
        if answer.mimetype == "text/html":
            assert '<html lang="eo">' in text, address
            assert "⟦Decisions⟧" in text, address
            assert text.count("⟦") == text.count("⟧"), address
