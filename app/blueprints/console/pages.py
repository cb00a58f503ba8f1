"""The pages of the console: an overview, and decisions with all that was decided on."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app.blueprints.console import (
    api_tokens,
    audit,
    collateral,
    components,
    decisions,
    first_steps,
    inspector,
    operators,
    overview,
    policies,
    policy_editing,
    policy_examples,
    proposals,
    reference_value_changes,
    reference_values,
    secret_changes,
    secret_reveal,
    secrets,
    settings,
    signing_keys,
    trust,
)
from app.blueprints.console.navigation import account_links, navigation
from app.blueprints.deps import services
from app.blueprints.gate import PUBLIC, access
from app.console.sessions import Proof


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
    for pages in (
        overview,
        decisions,
        policies,
        policy_editing,
        policy_examples,
        proposals,
        reference_values,
        reference_value_changes,
        secrets,
        secret_changes,
        secret_reveal,
        signing_keys,
        collateral,
        audit,
        operators,
        api_tokens,
        first_steps,
        settings,
        trust,
        inspector,
        components,
    ):
        pages.add_to(bp)
    return bp


def front_door() -> Blueprint:
    """The address that people type first."""
    bp = Blueprint("front", __name__)

    @bp.get("/")
    @access(PUBLIC)
    def index() -> ResponseReturnValue:
        return redirect(url_for("console.overview"), 303)

    return bp
