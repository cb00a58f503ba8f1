"""The pages of the inspector: what is pasted is taken apart, explained, and forgotten.

What is pasted stands in the body of a form, never in an address, and is not echoed by an error.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf import FlaskForm
from wtforms import Field
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # stubs lag behind

from app.blueprints.console.api_inspector import draft_of
from app.blueprints.console.inspector_forms import (
    ComposerForm,
    EvidenceForm,
    InitDataForm,
    URIForm,
)
from app.blueprints.console.navigation import may
from app.blueprints.console.trust_forms import TokenForm
from app.blueprints.deps import services
from app.blueprints.gate import access
from app.console.inspection.claims import evidence_lines
from app.console.inspection.composer import compose
from app.console.inspection.evidence import parse_evidence
from app.console.inspection.init_data import KATA_ANNOTATION, inspect_init_data
from app.console.permissions import Permission
from app.trust.errors import DomainError, UnavailableError


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_tokens(bp)
    _add_evidence(bp)
    _add_init_data(bp)
    _add_uris(bp)
    _add_composer(bp)


def _add_tokens(bp: Blueprint) -> None:
    @bp.route("/inspector", methods=["GET", "POST"])
    @access(Permission.INSPECTOR_USE)
    def inspector() -> ResponseReturnValue:
        form = TokenForm()

        def look() -> str:
            report = services().inspectors.tokens.inspect(form.token.data or "")
            form.token.data = ""
            return render_template(
                "console/inspector/token.html", form=form, report=report, views=_views()
            )

        return _looked_at("token", form, form.token, look)


def _add_evidence(bp: Blueprint) -> None:
    @bp.route("/inspector/evidence", methods=["GET", "POST"])
    @access(Permission.INSPECTOR_USE)
    def inspect_evidence() -> ResponseReturnValue:
        inspector = services().inspectors.evidence
        form = EvidenceForm()
        form.tee.choices = [SelectChoice("", _("as the text says"))] + [
            SelectChoice(tee) for tee in sorted(inspector.verifiers)
        ]

        def look() -> str:
            items = parse_evidence(form.evidence.data or "", form.tee.data or None)
            reports = [inspector.inspect(item) for item in items]
            form.evidence.data = ""
            return render_template(
                "console/inspector/evidence.html",
                form=form,
                reports=reports,
                lines=evidence_lines,
                views=_views(),
            )

        return _looked_at("evidence", form, form.evidence, look)


def _add_init_data(bp: Blueprint) -> None:
    @bp.route("/inspector/init-data", methods=["GET", "POST"])
    @access(Permission.INSPECTOR_USE)
    def inspect_document() -> ResponseReturnValue:
        form = InitDataForm()

        def look() -> str:
            report = inspect_init_data(form.init_data.data or "")
            return render_template(
                "console/inspector/init_data.html",
                form=form,
                report=report,
                annotation=KATA_ANNOTATION,
                views=_views(),
            )

        return _looked_at("init_data", form, form.init_data, look)


def _add_uris(bp: Blueprint) -> None:
    @bp.route("/inspector/uri", methods=["GET", "POST"])
    @access(Permission.INSPECTOR_USE)
    def inspect_uri() -> ResponseReturnValue:
        form = URIForm()

        def look() -> str:
            may_know = may(g.caller, Permission.SECRET_READ)
            report = services().inspectors.uris.inspect(
                form.uri.data or "", tells_existence=may_know
            )
            return render_template(
                "console/inspector/uri.html",
                form=form,
                report=report,
                may_know=may_know,
                views=_views(),
            )

        return _looked_at("uri", form, form.uri, look)


def _add_composer(bp: Blueprint) -> None:
    @bp.route("/inspector/compose", methods=["GET", "POST"])
    @access(Permission.INSPECTOR_USE)
    def compose_init_data() -> ResponseReturnValue:
        draft = draft_of({})
        form = ComposerForm(
            kbs_url=draft.kbs_url, certificate=draft.certificate, algorithm=draft.algorithm
        )

        def look() -> str:
            members = {each.name: each.data or "" for each in form if each.name != "csrf_token"}
            return render_template(
                "console/inspector/compose.html",
                form=form,
                report=compose(draft_of(members)),
                annotation=KATA_ANNOTATION,
                views=_views(),
            )

        return _looked_at("compose", form, form.kbs_url, look)


def _looked_at(
    name: str, form: FlaskForm, field: Field, look: Callable[[], str]
) -> ResponseReturnValue:
    """The page with what was found, or the form again with what is wrong."""
    status = 200
    if form.is_submitted():
        status = 400
        if form.validate():
            try:
                return look()
            except UnavailableError:
                raise
            except DomainError as error:
                field.errors = [error.message]
    template = f"console/inspector/{name}.html"
    return render_template(template, form=form, report=None, reports=None, views=_views()), status


def _views() -> list[tuple[str, str, bool]]:
    """The tabs of the inspector."""
    views = (
        (_("Token"), ".inspector"),
        (_("Evidence"), ".inspect_evidence"),
        (_("Init data"), ".inspect_document"),
        (_("Resource URI"), ".inspect_uri"),
        (_("Compose init data"), ".compose_init_data"),
    )
    return [
        (title, url_for(endpoint), request.endpoint == f"console{endpoint}")
        for title, endpoint in views
    ]
