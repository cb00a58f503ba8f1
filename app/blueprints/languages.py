"""Which language a page speaks: what the browser asks for, among the translations that are here."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, request
from flask_babel import Babel, get_locale

# A folder for each language, as gettext has it: ``<language>/LC_MESSAGES/messages.mo``.
FOLDER = Path(__file__).parent.parent / "translations"
_WRITTEN_IN = "en"


def register(app: Flask) -> None:
    """Let templates and forms translate; English is what the code is written in."""
    babel, available = Babel(), list[str]()
    babel.init_app(
        app,
        default_locale=_WRITTEN_IN,
        default_timezone="UTC",
        default_translation_directories=str(FOLDER),
        locale_selector=lambda: request.accept_languages.best_match(available),
    )
    with app.app_context():
        available += sorted({_WRITTEN_IN, *map(str, babel.list_translations())})
    app.add_template_global(page_language)


def page_language() -> str:
    """The language of this page, for ``<html lang>`` (RFC 5646)."""
    return str(get_locale() or _WRITTEN_IN).replace("_", "-")
