"""One's own account by REST: who a token is, the browsers that are signed in, the tokens.

A call acts for the account that made its API token. Passwords and second factors are not set here:
a token shows that a program is there, and these are for the person.
"""

from __future__ import annotations

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue

from app.blueprints.console.api_accounts import session_as_json, token_as_json
from app.blueprints.deps import services
from app.blueprints.gate import Caller, access, actor
from app.blueprints.parsing import page_limit
from app.console.permissions import Permission
from app.trust.errors import OperatorNotFoundError


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_sessions(bp)
    _add_tokens(bp)

    @bp.get("/account")
    @access(Permission.OWN_ACCOUNT_MANAGE)
    def account() -> ResponseReturnValue:
        caller: Caller = g.caller
        factors, name = services().sign_ins.second_factors, _own_name()
        return jsonify(
            {
                "name": name,
                "role": caller.role,
                "permissions": sorted(caller.permissions),
                "token_id": caller.token.token_id if caller.token else None,
                "second_factor": factors.is_on(name),
                "recovery_codes_left": factors.recovery_codes_left(name),
            }
        )


def _add_sessions(bp: Blueprint) -> None:
    @bp.get("/account/sessions")
    @access(Permission.OWN_ACCOUNT_MANAGE)
    def own_sessions() -> ResponseReturnValue:
        after, limit = request.args.get("after") or None, page_limit()
        page = services().console_sessions.page(operator=_own_name(), after=after, limit=limit)
        return jsonify([session_as_json(each) for each in page])

    @bp.delete("/account/sessions")
    @access(Permission.OWN_ACCOUNT_MANAGE)
    def revoke_own_sessions() -> ResponseReturnValue:
        ended = services().console_sessions.revoke_all(_own_name(), actor())
        return jsonify({"ended": ended})

    @bp.delete("/account/sessions/<handle>")
    @access(Permission.OWN_ACCOUNT_MANAGE)
    def revoke_own_session(handle: str) -> ResponseReturnValue:
        services().console_sessions.revoke(handle, actor(), of=_own_name())
        return "", 200


def _add_tokens(bp: Blueprint) -> None:
    @bp.get("/account/api-tokens")
    @access(Permission.OWN_ACCOUNT_MANAGE)
    def own_api_tokens() -> ResponseReturnValue:
        after, limit = request.args.get("after") or None, page_limit()
        page = services().api_tokens.page(account=_own_name(), after=after, limit=limit)
        return jsonify([token_as_json(each) for each in page])

    @bp.delete("/account/api-tokens/<token_id>")
    @access(Permission.OWN_ACCOUNT_MANAGE)
    def revoke_own_api_token(token_id: str) -> ResponseReturnValue:
        services().api_tokens.revoke(token_id, actor(), of=_own_name())
        return "", 200


def _own_name() -> str:
    """The account that the caller's token belongs to.

    Raises:
        OperatorNotFoundError: it belongs to none: an identity provider's token, or one that was
            made from the terminal.
    """
    caller: Caller = g.caller
    if caller.account is None:
        raise OperatorNotFoundError("this bearer token belongs to no account of the console")
    return caller.account
