"""Pages of reference values: list and search, add, import, withdraw."""

from __future__ import annotations

import json

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.attestation.reference_values import DraftReferenceValue
from app.blueprints.console.forms import ReferenceValueFileForm, ReferenceValueForm
from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import page_limit
from app.console.permissions import Permission
from app.console.reference_value_files import (
    is_message,
    parse_csv_file,
    parse_expiry,
    parse_json_file,
    parse_value,
)
from app.trust.errors import MalformedReferenceValueError, ReferenceValueNotFoundError

_SOURCE = "console"


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_reading(bp)
    _add_writing(bp)
    _add_withdrawing(bp)


def _add_reading(bp: Blueprint) -> None:
    @bp.get("/reference-values")
    @access(Permission.REFERENCE_VALUE_READ)
    def reference_values() -> ResponseReturnValue:
        limit, wanted = page_limit(), request.args.get("q") or None
        after = request.args.get("after") or None
        page = services().reference_values.page(after=after, limit=limit, containing=wanted)
        return render_template(
            "console/reference_values/list.html",
            values=[(each, json.dumps(each.value, ensure_ascii=False)) for each in page],
            now=services().clock.now(),
            wanted=wanted,
            after=after,
            next_after=page[-1].name if len(page) == limit else None,
            may_write=may(g.caller, Permission.REFERENCE_VALUE_WRITE),
        )


def _add_writing(bp: Blueprint) -> None:
    @bp.route("/reference-values/new", methods=["GET", "POST"])
    @access(Permission.REFERENCE_VALUE_WRITE)
    def new_reference_value() -> ResponseReturnValue:
        form = ReferenceValueForm(data=request.args.to_dict())
        if not form.validate_on_submit():
            return render_template("console/reference_values/new.html", form=form)
        try:
            name = _add_from(form)
        except MalformedReferenceValueError as error:
            page = render_template(
                "console/reference_values/new.html", form=form, fault=error.message
            )
            return page, 400
        flash(f"{name} is registered; policies see it from the next appraisal on.")
        return redirect(url_for(".reference_values", q=name), 303)

    @bp.route("/reference-values/import", methods=["GET", "POST"])
    @access(Permission.REFERENCE_VALUE_WRITE)
    def import_reference_values() -> ResponseReturnValue:
        form = ReferenceValueFileForm()
        if not form.validate_on_submit():
            return render_template("console/reference_values/import.html", form=form)
        try:
            count = _import(form.file.data.read(), form.file.data.filename or "")
        except MalformedReferenceValueError as error:
            form.file.errors = [error.message]
            return render_template("console/reference_values/import.html", form=form), 400
        flash(f"Reference values registered: {count}.")
        return redirect(url_for(".reference_values"), 303)


def _add_withdrawing(bp: Blueprint) -> None:
    @bp.get("/reference-values/withdraw")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def confirm_withdrawal() -> ResponseReturnValue:
        value = services().reference_values.find(request.args.get("name", ""))
        if value is None:
            raise ReferenceValueNotFoundError("there is no reference value of this name")
        shown = json.dumps(value.value, indent=2, ensure_ascii=False)
        return render_template("console/reference_values/withdraw.html", value=value, shown=shown)

    @bp.post("/reference-values/withdraw")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def withdraw_reference_value() -> ResponseReturnValue:
        name = request.form.get("name", "")
        services().reference_values.withdraw(name, actor())
        flash(f"{name} is withdrawn; for policies it does not exist any more.")
        return redirect(url_for(".reference_values"), 303)


def _add_from(form: ReferenceValueForm) -> str:
    draft = DraftReferenceValue(
        (form.name.data or "").strip(),
        parse_value(form.value.data or ""),
        parse_expiry(form.expires_at.data or ""),
    )
    services().reference_values.add([draft], _SOURCE, actor())
    return draft.name


def _import(content: bytes, filename: str) -> int:
    """Register what a file holds, all or none; how many values."""
    reference_values = services().reference_values
    if filename.lower().endswith(".csv"):
        return len(reference_values.add(parse_csv_file(content), _SOURCE, actor()))
    document = parse_json_file(content)
    if is_message(document):
        return len(reference_values.register(document, actor()))
    drafts = [DraftReferenceValue(name, value) for name, value in document.items()]
    return len(reference_values.add(drafts, _SOURCE, actor()))
