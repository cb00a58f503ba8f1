"""Pages of collateral: how every document stands, asking vendors, bundles in and out."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.attestation.collateral.library import Fetched
from app.attestation.collateral.ports import State
from app.blueprints.console.api_collateral import bundle_text
from app.blueprints.console.forms import CollateralBundleForm
from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import page_limit
from app.console.permissions import Permission
from app.trust.errors import ConflictError, DeniedError, MalformedError, UnverifiedError

_EXPIRE_NEXT = 5


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_table(bp)
    _add_asking(bp)
    _add_bundles(bp)


def _add_table(bp: Blueprint) -> None:
    @bp.get("/collateral")
    @access(Permission.COLLATERAL_READ)
    def collateral() -> ResponseReturnValue:
        library, limit = services().collateral, page_limit()
        after = request.args.get("after") or None
        page = library.page(after=after, limit=limit)
        return render_template(
            "console/collateral/list.html",
            needed=library.needed() if after is None else (),
            expires_next=library.expires_next(_EXPIRE_NEXT) if after is None else (),
            counts=library.counts(),
            states=list(State),
            documents=page,
            after=after,
            next_after=page[-1].name if len(page) == limit else None,
            may_manage=may(g.caller, Permission.COLLATERAL_MANAGE),
            can_export=library.signer is not None,
            can_import=bool(library.signers),
            asks_vendors=library.sources.asks_vendors,
        )


def _add_asking(bp: Blueprint) -> None:
    @bp.post("/collateral/refresh")
    @access(Permission.COLLATERAL_MANAGE)
    def refresh_collateral() -> ResponseReturnValue:
        names = [name for name in request.form.getlist("name") if name]
        return _outcome(_("Refreshed"), services().collateral.refresh(names, actor()))

    @bp.post("/collateral/test")
    @access(Permission.COLLATERAL_MANAGE)
    def test_collateral() -> ResponseReturnValue:
        name = request.form.get("name", "")
        return _outcome(_("Tested"), [services().collateral.try_fetch(name)])


def _add_bundles(bp: Blueprint) -> None:
    @bp.get("/collateral/bundle")
    @access(Permission.COLLATERAL_READ)
    def export_collateral() -> ResponseReturnValue:
        name = f"collateral-{services().clock.now():%Y%m%dT%H%M}.jws"
        headers = {"Content-Disposition": f"attachment; filename={name}"}
        bundle = services().collateral.export()
        return Response(bundle, mimetype="application/jose", headers=headers)

    @bp.route("/collateral/import", methods=["GET", "POST"])
    @access(Permission.COLLATERAL_MANAGE)
    def import_collateral() -> ResponseReturnValue:
        form = CollateralBundleForm()
        signers = sorted(services().collateral.signers)
        if not form.validate_on_submit():
            return render_template("console/collateral/import.html", form=form, signers=signers)
        try:
            text = bundle_text(form.file.data.read())
            imported = services().collateral.import_bundle(text, actor())
        except (MalformedError, UnverifiedError, DeniedError, ConflictError) as error:
            form.file.errors = [f"{error.message} ({error.code})"]
            page = render_template("console/collateral/import.html", form=form, signers=signers)
            return page, 400
        flash(
            _(
                "Bundle of %(signer)s: %(kept)d documents kept, %(older)d not newer than ours.",
                signer=imported.signer,
                kept=imported.kept,
                older=imported.older,
            )
        )
        return redirect(url_for(".collateral"), 303)


def _outcome(title: str, outcomes: list[Fetched]) -> str:
    return render_template("console/collateral/outcome.html", title=title, outcomes=outcomes)
