"""The pages of the console: an overview, and decisions with all that was decided on."""

from __future__ import annotations

import json

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app.blueprints.console.queries import decision_query
from app.blueprints.deps import services
from app.blueprints.gate import PUBLIC, access
from app.console.permissions import Permission
from app.trust.decisions import DecisionKind, DecisionQuery, Outcome
from app.trust.errors import DecisionNotFoundError

_LATEST = 10


def blueprint() -> Blueprint:
    """The routes."""
    bp = Blueprint("console", __name__, url_prefix="/console")

    @bp.before_request
    def ask_for_own_password() -> ResponseReturnValue | None:
        if current_user.is_authenticated and current_user.operator.one_time:
            return redirect(url_for("login.password"), 303)
        return None

    @bp.get("/")
    @access(Permission.OVERVIEW_READ)
    def overview() -> ResponseReturnValue:
        latest = services().decisions.page(DecisionQuery(limit=_LATEST))
        return render_template(
            "console/overview.html", posture=services().posture, decisions=latest
        )

    @bp.get("/decisions")
    @access(Permission.DECISION_READ)
    def decisions() -> ResponseReturnValue:
        query = decision_query(request.args)
        page = services().decisions.page(query)
        older = page[-1].decision_id if len(page) == query.limit else None
        return render_template(
            "console/decisions/list.html",
            decisions=page,
            older=older,
            filters=request.args,
            kinds=list(DecisionKind),
            outcomes=list(Outcome),
        )

    @bp.get("/decisions/<decision_id>")
    @access(Permission.DECISION_READ)
    def decision(decision_id: str) -> ResponseReturnValue:
        record = services().decisions.find(decision_id)
        if record is None:
            raise DecisionNotFoundError("no decision of this id is recorded")
        return render_template(
            "console/decisions/show.html",
            record=record,
            inputs=_readable(record.inputs),
            result=_readable(record.result),
        )

    return bp


def front_door() -> Blueprint:
    """The address that people type first."""
    bp = Blueprint("front", __name__)

    @bp.get("/")
    @access(PUBLIC)
    def index() -> ResponseReturnValue:
        return redirect(url_for("console.overview"), 303)

    return bp


def _readable(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
