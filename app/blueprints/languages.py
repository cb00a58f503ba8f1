"""Which language a page speaks: what the browser asks for, among the translations that are here."""

from __future__ import annotations

from flask import Flask, request
from flask_babel import Babel


def register(app: Flask) -> None:
    """Let templates and forms translate; English is what the code is written in."""
    babel = Babel(default_locale="en", default_timezone="UTC")
    available: list[str] = []
    babel.init_app(app, locale_selector=lambda: request.accept_languages.best_match(available))
    with app.app_context():
        available += [str(locale) for locale in babel.list_translations()]
