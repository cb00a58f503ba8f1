"""The page of the settings: what counts, where it was written, what is wrong with it now."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from app.blueprints.deps import services
from app.blueprints.gate import access
from app.console.effective_settings import EffectiveSettings
from app.console.permissions import Permission


def add_to(bp: Blueprint) -> None:
    """Add the page."""

    @bp.get("/settings")
    @access(Permission.SETTINGS_READ)
    def settings() -> ResponseReturnValue:
        effective = services().effective_settings()
        only_written = request.args.get("show") == "written"
        shown = [each for each in effective.lines if each.is_written or not only_written]
        return render_template(
            "console/settings/list.html",
            sections=EffectiveSettings(tuple(shown)).sections(),
            faults=effective.faults,
            weakening=[each for each in effective.lines if each.weakens],
            written=sum(each.is_written for each in effective.lines),
            only_written=only_written,
        )


def add_to_api(bp: Blueprint) -> None:
    """Add the route for programs."""

    @bp.get("/settings")
    @access(Permission.SETTINGS_READ)
    def settings() -> ResponseReturnValue:
        effective = services().effective_settings()
        lines = [asdict(each) for each in effective.lines]
        return jsonify({"settings": lines, "faults": list(effective.faults)})
