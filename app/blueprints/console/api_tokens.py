"""Pages of API tokens: one's own, an owner's view of all, making and revoking."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.console.forms import TokenForm
from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import Caller, access, actor, recently_authenticated
from app.blueprints.parsing import page_limit
from app.blueprints.rights import maker, permissions_of
from app.console.api_tokens import TokenDraft
from app.console.permissions import Permission, Role
from app.trust.errors import MalformedRequestError, PermissionDeniedError


def add_to(bp: Blueprint) -> None:
    """Add the routes."""

    @bp.get("/api-tokens")
    @access(Permission.API_TOKEN_MAKE)
    def api_tokens() -> ResponseReturnValue:
        limit, after = page_limit(), request.args.get("after") or None
        tokens = services().api_tokens.page(account=_whose(g.caller), after=after, limit=limit)
        return render_template(
            "console/api_tokens/list.html",
            tokens=tokens,
            now=services().clock.now(),
            after=after,
            next=tokens[-1].token_id if len(tokens) == limit else None,
            of_everyone=_whose(g.caller) is None,
        )

    @bp.route("/api-tokens/new", methods=["GET", "POST"])
    @access(Permission.API_TOKEN_MAKE)
    @recently_authenticated
    def new_api_token() -> ResponseReturnValue:
        form = TokenForm()
        form.permissions.choices = [(each, each) for each in sorted(g.caller.permissions)]
        if not form.validate_on_submit():
            return render_template("console/api_tokens/new.html", form=form)
        try:
            token, text = services().api_tokens.make(_draft(form), maker(g.caller))
        except (MalformedRequestError, PermissionDeniedError) as error:
            form.form_errors = [error.message]
            return render_template("console/api_tokens/new.html", form=form), 400
        return render_template("console/api_tokens/made.html", token=token, text=text)

    @bp.post("/api-tokens/revoke")
    @access(Permission.API_TOKEN_MAKE)
    @recently_authenticated
    def revoke_api_token() -> ResponseReturnValue:
        token_id = request.form.get("token_id", "")
        services().api_tokens.revoke(token_id, actor(), of=_whose(g.caller))
        flash(_("The token is revoked: the next request that shows it is refused."))
        return redirect(url_for(".api_tokens"), 303)


def _draft(form: TokenForm) -> TokenDraft:
    permissions = form.permissions.data or []
    return TokenDraft(
        label=(form.label.data or "").strip(),
        role=Role(form.role.data),
        permissions=permissions_of(permissions) if permissions else None,
        days=form.days.data or 0,
    )


def _whose(caller: Caller) -> str | None:
    """Whose tokens a caller sees and revokes: an owner everyone's, others their own."""
    return None if may(caller, Permission.OPERATOR_MANAGE) else caller.account
