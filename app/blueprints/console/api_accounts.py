"""Accounts by REST: operators, their console sessions, API tokens, and what each role may."""

from __future__ import annotations

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue

from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import json_object, page_limit, text_member
from app.blueprints.rights import maker, permissions_of, role_of
from app.console.api_tokens import APIToken, TokenDraft
from app.console.operators import Operator
from app.console.permissions import PERMISSIONS, Permission
from app.console.sessions import ConsoleSession
from app.trust.errors import MalformedRequestError
from app.trust.json_types import JSONObject


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_roles(bp)
    _add_operators(bp)
    _add_changes(bp)
    _add_sessions(bp)
    _add_tokens(bp)


def _add_roles(bp: Blueprint) -> None:
    @bp.get("/roles")
    @access(Permission.OVERVIEW_READ)
    def roles() -> ResponseReturnValue:
        return jsonify({role: sorted(allowed) for role, allowed in PERMISSIONS.items()})


def _add_operators(bp: Blueprint) -> None:
    @bp.get("/operators")
    @access(Permission.OPERATOR_MANAGE)
    def operators() -> ResponseReturnValue:
        after = request.args.get("after") or None
        page = services().operators.page(after=after, limit=page_limit())
        with_factor = services().sign_ins.second_factors.among([each.name for each in page])
        return jsonify([_operator(each, has_factor=each.name in with_factor) for each in page])

    @bp.post("/operators")
    @access(Permission.OPERATOR_MANAGE)
    def create_operator() -> ResponseReturnValue:
        body = json_object()
        name, role = text_member(body, "name"), role_of(text_member(body, "role"))
        password = services().operators.create(name, role, actor())
        return jsonify({"name": name, "one_time_password": password})


def _add_changes(bp: Blueprint) -> None:
    @bp.post("/operators/role")
    @access(Permission.OPERATOR_MANAGE)
    def change_operator_role() -> ResponseReturnValue:
        body = json_object()
        name, role = text_member(body, "name"), role_of(text_member(body, "role"))
        changed = services().operators.change_role(name, role, actor())
        has_factor = services().sign_ins.second_factors.is_on(name)
        return jsonify(_operator(changed, has_factor=has_factor))

    @bp.post("/operators/reset")
    @access(Permission.OPERATOR_MANAGE)
    def reset_operator() -> ResponseReturnValue:
        name = text_member(json_object(), "name")
        password = services().operators.reset(name, actor())
        return jsonify({"name": name, "one_time_password": password})

    @bp.post("/operators/disable")
    @access(Permission.OPERATOR_MANAGE)
    def disable_operator() -> ResponseReturnValue:
        services().operators.disable(text_member(json_object(), "name"), actor())
        return "", 200

    @bp.post("/operators/enable")
    @access(Permission.OPERATOR_MANAGE)
    def enable_operator() -> ResponseReturnValue:
        services().operators.enable(text_member(json_object(), "name"), actor())
        return "", 200

    @bp.post("/operators/remove-second-factor")
    @access(Permission.OPERATOR_MANAGE)
    def remove_second_factor() -> ResponseReturnValue:
        name = text_member(json_object(), "name")
        services().sign_ins.second_factors.remove(name, actor())
        return "", 200


def _add_sessions(bp: Blueprint) -> None:
    @bp.get("/console-sessions")
    @access(Permission.OPERATOR_MANAGE)
    def console_sessions() -> ResponseReturnValue:
        page = services().console_sessions.page(
            operator=request.args.get("operator") or None,
            after=request.args.get("after") or None,
            limit=page_limit(),
        )
        return jsonify([session_as_json(each) for each in page])

    @bp.delete("/console-sessions/<handle>")
    @access(Permission.OPERATOR_MANAGE)
    def revoke_console_session(handle: str) -> ResponseReturnValue:
        services().console_sessions.revoke(handle, actor())
        return "", 200


def _add_tokens(bp: Blueprint) -> None:
    @bp.get("/api-tokens")
    @access(Permission.OPERATOR_MANAGE)
    def api_tokens() -> ResponseReturnValue:
        after = request.args.get("after") or None
        page = services().api_tokens.page(after=after, limit=page_limit())
        return jsonify([token_as_json(each) for each in page])

    @bp.post("/api-tokens")
    @access(Permission.API_TOKEN_MAKE)
    def make_api_token() -> ResponseReturnValue:
        token, text = services().api_tokens.make(_draft(json_object()), maker(g.caller))
        return jsonify({**token_as_json(token), "token": text})

    @bp.delete("/api-tokens/<token_id>")
    @access(Permission.OPERATOR_MANAGE)
    def revoke_api_token(token_id: str) -> ResponseReturnValue:
        services().api_tokens.revoke(token_id, actor())
        return "", 200


def _draft(body: JSONObject) -> TokenDraft:
    days, permissions = body.get("days"), body.get("permissions", [])
    if not isinstance(days, int) or isinstance(days, bool):
        raise MalformedRequestError("the member days must be there and be a whole number")
    if not isinstance(permissions, list):
        raise MalformedRequestError("the member permissions is a list")
    return TokenDraft(
        label=text_member(body, "label"),
        role=role_of(text_member(body, "role")),
        # Left out is all that the role may; a list that is there and empty is nothing.
        permissions=permissions_of(permissions) if "permissions" in body else None,
        days=days,
    )


def _operator(operator: Operator, *, has_factor: bool) -> JSONObject:
    return {
        "name": operator.name,
        "role": operator.role,
        "one_time_password": operator.one_time,
        "created_at": operator.created_at.isoformat(),
        "disabled_at": operator.disabled_at.isoformat() if operator.disabled_at else None,
        "last_sign_in_at": (
            operator.last_sign_in_at.isoformat() if operator.last_sign_in_at else None
        ),
        "second_factor": has_factor,
    }


def session_as_json(session: ConsoleSession) -> JSONObject:
    """A console session by its handle, times in ISO 8601."""
    return {
        "handle": session.handle,
        "operator": session.operator,
        "proof": session.proof,
        "begun_at": session.begun_at.isoformat(),
        "used_at": session.used_at.isoformat(),
        "expires_at": session.expires_at.isoformat(),
        "source": session.browser.source,
        "agent": session.browser.agent,
    }


def token_as_json(token: APIToken) -> JSONObject:
    """An API token by its id, without what it consists of."""
    return {
        "token_id": token.token_id,
        "label": token.label,
        "role": token.role,
        "permissions": None if token.permissions is None else sorted(token.permissions),
        "maker": token.maker,
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
        "used_at": token.used_at.isoformat() if token.used_at else None,
    }
