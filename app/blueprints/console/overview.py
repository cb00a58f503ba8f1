"""The first page: what was decided lately, what expires next, how the server is."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access
from app.console.charts import HEIGHT, WIDTH
from app.console.expiries import Expiring, Expiry
from app.console.overview import Overview, Window
from app.console.overview import overview as count_decisions
from app.console.overview_json import overview_as_json
from app.console.permissions import Permission
from app.trust.decisions import DecisionQuery

_LATEST, _EXPIRIES = 8, 6
_READ_WITH = {
    Expiring.CERTIFICATE: Permission.KEY_READ,
    Expiring.COLLATERAL: Permission.OVERVIEW_READ,
    Expiring.REFERENCE_VALUE: Permission.REFERENCE_VALUE_READ,
    Expiring.SIGNING_KEY: Permission.KEY_READ,
}


def add_to(bp: Blueprint) -> None:
    """Add the route."""

    @bp.get("/")
    @access(Permission.OVERVIEW_READ)
    def overview() -> ResponseReturnValue:
        window, now = _window(), services().clock.now()
        tee = request.args.get("tee") or None
        return render_template(
            "console/overview.html",
            figures=_figures(window, now, tee),
            window=window,
            windows=list(Window),
            tee=tee,
            drawing={"width": WIDTH, "height": HEIGHT},
            decisions=services().decisions.page(DecisionQuery(limit=_LATEST)),
            expiries=_expiries(),
            now=now,
            health=services().health(),
            posture=services().posture,
        )


def add_to_api(bp: Blueprint) -> None:
    """Add the route for programs."""

    @bp.get("/overview")
    @access(Permission.OVERVIEW_READ)
    def overview() -> ResponseReturnValue:
        window, now = _window(), services().clock.now()
        figures = _figures(window, now, request.args.get("tee") or None)
        return jsonify(overview_as_json(figures, _expiries(), services().health(), now))


def _window() -> Window:
    return Window.of(request.args.get("window", "day"))


def _figures(window: Window, now: datetime, tee: str | None) -> Overview:
    counts = services().decision_hours.count(window.begins_at(now), window.span)
    return count_decisions(counts, now, window, tee)


def _expiries() -> list[Expiry]:
    """What expires next, of what this operator may read."""
    found = services().expiries(_EXPIRIES * len(_READ_WITH))
    return [each for each in found if may(g.caller, _READ_WITH[each.kind])][:_EXPIRIES]
