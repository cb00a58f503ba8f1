"""The pages of the keys that sign tokens: where each is in its life, and rotation."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access, actor, recently_authenticated
from app.console.permissions import Permission


def add_to(bp: Blueprint) -> None:
    """Add the routes."""

    @bp.get("/signing-keys")
    @access(Permission.KEY_READ)
    def signing_keys() -> ResponseReturnValue:
        return render_template(
            "console/signing_keys/list.html",
            keys=services().token_keys.list(),
            may_rotate=may(g.caller, Permission.KEY_ROTATE),
        )

    @bp.get("/signing-keys/rotate")
    @access(Permission.KEY_ROTATE)
    @recently_authenticated
    def confirm_rotation() -> ResponseReturnValue:
        return render_template("console/signing_keys/rotate.html", cancel=url_for(".signing_keys"))

    @bp.post("/signing-keys/rotate")
    @access(Permission.KEY_ROTATE)
    @recently_authenticated
    def rotate_signing_keys() -> ResponseReturnValue:
        services().token_keys.rotate(actor())
        flash(
            _("The next key signs from now on; the one before it is retired and stays published.")
        )
        return redirect(url_for(".signing_keys"), 303)
