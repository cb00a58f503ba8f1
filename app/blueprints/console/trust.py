"""The pages of trust: whose tokens are believed and by which keys; certificates and their ends."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.console.navigation import may
from app.blueprints.console.trust_forms import (
    AddressForm,
    AuthorityForm,
    DiscoveryForm,
    IssuerForm,
    KeySetForm,
    TokenForm,
)
from app.blueprints.deps import services
from app.blueprints.gate import access, actor, recently_authenticated
from app.broker.trusted_issuers import TrustedIssuer
from app.console.inspection.tokens import TokenReport
from app.console.issuer_needs import keys_of
from app.console.permissions import Permission
from app.trust.errors import (
    ConflictError,
    IssuerUnusableError,
    MalformedError,
    TokenAlgorithmError,
)

_FORMS: dict[str, type[IssuerForm]] = {"keys": KeySetForm, "authority": AuthorityForm}


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_reading(bp)
    _add_adding(bp)
    for change in (_enable, _disable, _remove):
        change(bp)


def _add_reading(bp: Blueprint) -> None:
    @bp.get("/trust")
    @access(Permission.ISSUER_READ)
    def trust() -> ResponseReturnValue:
        return render_template(
            "console/trust/list.html",
            issuers=services().issuer_desk.issuers.all(),
            may_manage=may(g.caller, Permission.ISSUER_MANAGE),
        )

    @bp.get("/trust/certificates")
    @access(Permission.ISSUER_READ)
    def certificates() -> ResponseReturnValue:
        return render_template("console/trust/certificates.html", lines=services().certificates())

    @bp.route("/trust/issuers/<name>", methods=["GET", "POST"])
    @access(Permission.ISSUER_READ)
    def issuer(name: str) -> ResponseReturnValue:
        found = services().issuer_desk.issuers.get(name)
        form = TokenForm()
        if not form.validate_on_submit():
            return _issuer_page(found, form, None), 400 if form.is_submitted() else 200
        try:
            report = services().inspectors.tokens.inspect(
                form.token.data or "", issuer=found.issuer.name
            )
        except (MalformedError, TokenAlgorithmError) as error:
            form.token.data, form.token.errors = "", [error.message]
            return _issuer_page(found, form, None), 400
        form.token.data = ""
        return _issuer_page(found, form, report)


def _add_adding(bp: Blueprint) -> None:
    @bp.get("/trust/issuers/new")
    @access(Permission.ISSUER_MANAGE)
    @recently_authenticated
    def new_issuer() -> ResponseReturnValue:
        by = request.args.get("by", "address")
        form = _FORMS[by]() if by in _FORMS else DiscoveryForm()
        return render_template("console/trust/new.html", form=form, by=by)

    @bp.post("/trust/issuers/new")
    @access(Permission.ISSUER_MANAGE)
    @recently_authenticated
    def add_issuer() -> ResponseReturnValue:
        by = request.args.get("by", "address")
        if by not in _FORMS:
            return _discover()
        return _add(_FORMS[by](), lambda form: _form_again(form, by))

    @bp.post("/trust/issuers/confirm")
    @access(Permission.ISSUER_MANAGE)
    @recently_authenticated
    def confirm_issuer() -> ResponseReturnValue:
        return _add(AddressForm(), _confirmation_again)


def _discover() -> ResponseReturnValue:
    form = DiscoveryForm()
    if not form.validate():
        return _form_again(form, "address"), 400
    url, tls_ca = (form.url.data or "").strip(), (form.tls_ca.data or "").strip()
    try:
        found = services().issuer_desk.discover(url, tls_ca)
    except IssuerUnusableError as error:
        form.url.errors = [error.message]
        return _form_again(form, "address"), 400
    confirmation = AddressForm(
        None,
        url=url,
        tls_ca=tls_ca,
        issuer=found.iss or "",
        algorithms=" ".join(found.algorithms),
        thumbprints=" ".join(found.thumbprints),
    )
    return render_template("console/trust/confirm.html", form=confirmation, found=found)


def _add(form: IssuerForm, again: Callable[[IssuerForm], str]) -> ResponseReturnValue:
    if not form.validate():
        return again(form), 400
    try:
        added = services().issuer_desk.add(form.as_json(), actor())
    except (MalformedError, ConflictError) as error:
        form.name.errors = [error.message]
        return again(form), 409 if isinstance(error, ConflictError) else 400
    flash(_("Tokens of %(name)s are believed from the next request on.", name=added.name))
    return redirect(url_for(".issuer", name=added.name), 303)


def _enable(bp: Blueprint) -> None:
    @bp.post("/trust/issuers/<name>/enable")
    @access(Permission.ISSUER_MANAGE)
    @recently_authenticated
    def enable_issuer(name: str) -> ResponseReturnValue:
        services().issuer_desk.issuers.set_enabled(name, enabled=True, actor=actor())
        flash(_("Tokens of %(name)s are believed from the next request on.", name=name))
        return redirect(url_for(".issuer", name=name), 303)


def _disable(bp: Blueprint) -> None:
    @bp.post("/trust/issuers/<name>/disable")
    @access(Permission.ISSUER_MANAGE)
    @recently_authenticated
    def disable_issuer(name: str) -> ResponseReturnValue:
        services().issuer_desk.issuers.set_enabled(name, enabled=False, actor=actor())
        flash(_("Tokens of %(name)s are not believed any more.", name=name))
        return redirect(url_for(".issuer", name=name), 303)


def _remove(bp: Blueprint) -> None:
    @bp.get("/trust/issuers/<name>/remove")
    @access(Permission.ISSUER_MANAGE)
    @recently_authenticated
    def confirm_issuer_removal(name: str) -> ResponseReturnValue:
        found = services().issuer_desk.issuers.get(name)
        return render_template(
            "console/trust/remove.html",
            each=found,
            is_dangerous=True,
            cancel=url_for(".issuer", name=name),
        )

    @bp.post("/trust/issuers/<name>/remove")
    @access(Permission.ISSUER_MANAGE)
    @recently_authenticated
    def remove_issuer(name: str) -> ResponseReturnValue:
        services().issuer_desk.issuers.remove(name, actor())
        flash(_("%(name)s is forgotten; its tokens are not believed any more.", name=name))
        return redirect(url_for(".trust"), 303)


def _issuer_page(found: TrustedIssuer, form: TokenForm, report: TokenReport | None) -> str:
    revisions = services().kbs.revisions.current()
    return render_template(
        "console/trust/issuer.html",
        each=found,
        keys=keys_of(found, services().clock.now(), revisions),
        form=form,
        report=report,
        may_manage=may(g.caller, Permission.ISSUER_MANAGE),
    )


def _form_again(form: object, by: str) -> str:
    return render_template("console/trust/new.html", form=form, by=by)


def _confirmation_again(form: IssuerForm) -> str:
    return render_template("console/trust/confirm.html", form=form, found=None)
