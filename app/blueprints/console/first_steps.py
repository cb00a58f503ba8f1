"""The page after the first run: what was made, and how a guest finds this server."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, g, jsonify, render_template
from flask.typing import ResponseReturnValue

from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access
from app.console.permissions import Permission


def add_to_api(bp: Blueprint) -> None:
    """Add the route of the REST interface."""

    @bp.get("/guest-files")
    @access(Permission.OVERVIEW_READ)
    def guest_files() -> ResponseReturnValue:
        return jsonify(asdict(services().guest_files))


def add_to(bp: Blueprint) -> None:
    """Add the route."""

    @bp.get("/first-steps")
    @access(Permission.OVERVIEW_READ)
    def first_steps() -> ResponseReturnValue:
        attestation, resource = services().attestation_policies, services().resource_policies
        return render_template(
            "console/first_steps/show.html",
            posture=services().posture,
            snippets=services().guest_files,
            policies=[*attestation.ids(), *resource.ids()],
            may_manage=may(g.caller, Permission.OPERATOR_MANAGE),
            keys=services().token_keys.list() if may(g.caller, Permission.KEY_READ) else (),
        )
