"""The pages of the console: an overview, and decisions with all that was decided on."""

from __future__ import annotations

import json

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app.blueprints.console import (
    audit,
    collateral,
    components,
    inspector,
    operators,
    overview,
    policies,
    reference_value_changes,
    reference_values,
    secret_changes,
    secret_reveal,
    secrets,
    settings,
    signing_keys,
    trust,
)
from app.blueprints.console.navigation import account_links, may, navigation
from app.blueprints.console.queries import decision_query
from app.blueprints.deps import services
from app.blueprints.gate import PUBLIC, access
from app.console.attested_guests import guest_of
from app.console.permissions import Permission
from app.console.sessions import Proof
from app.trust.decisions import DecisionKind, DecisionRecord, Outcome
from app.trust.errors import DecisionNotFoundError, ResourceNotFoundError


def blueprint() -> Blueprint:
    """The routes."""
    bp = Blueprint("console", __name__, url_prefix="/console")

    @bp.before_request
    def finish_account_first() -> ResponseReturnValue | None:
        if not current_user.is_authenticated:
            return None
        if current_user.operator.one_time:
            return redirect(url_for("login.password"), 303)
        is_own = current_user.session.proof is Proof.PASSWORD
        if is_own and services().sign_ins.lacks_second_factor(current_user.operator):
            return redirect(url_for("login.second_factor"), 303)
        return None

    bp.app_context_processor(lambda: {"navigation": navigation(), "account_links": account_links()})
    _add_decisions(bp)
    for pages in (
        overview,
        policies,
        reference_values,
        reference_value_changes,
        secrets,
        secret_changes,
        secret_reveal,
        signing_keys,
        collateral,
        audit,
        operators,
        settings,
        trust,
        inspector,
        components,
    ):
        pages.add_to(bp)
    return bp


def _add_decisions(bp: Blueprint) -> None:
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
        record = _record(decision_id)
        return render_template(
            "console/decisions/show.html",
            record=record,
            inputs=_readable(record.inputs),
            result=_readable(record.result),
            may_see_secrets=may(g.caller, Permission.SECRET_READ) and guest_of(record) is not None,
        )

    @bp.get("/decisions/<decision_id>/why")
    @access(Permission.DECISION_READ)
    def why(decision_id: str) -> ResponseReturnValue:
        record = _record(decision_id)
        return render_template(
            "console/decisions/why.html",
            record=record,
            why=services().explain(record),
            new_secret=_new_secret(record),
            may_register=may(g.caller, Permission.REFERENCE_VALUE_WRITE),
        )


def front_door() -> Blueprint:
    """The address that people type first."""
    bp = Blueprint("front", __name__)

    @bp.get("/")
    @access(PUBLIC)
    def index() -> ResponseReturnValue:
        return redirect(url_for("console.overview"), 303)

    return bp


def _record(decision_id: str) -> DecisionRecord:
    record = services().decisions.find(decision_id)
    if record is None:
        raise DecisionNotFoundError("no decision of this id is recorded")
    return record


def _new_secret(record: DecisionRecord) -> str | None:
    """Where to write the secret that a release did not find, for whoever may."""
    if record.reason != ResourceNotFoundError.code or not may(g.caller, Permission.SECRET_WRITE):
        return None
    return url_for(".new_secret", path=record.subject.removeprefix("resource/"))


def _readable(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
