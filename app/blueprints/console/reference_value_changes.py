"""Pages that change reference values: add, import, withdraw, take from an attestation.

Each of them ends in one change, which is carried out, or proposed: always under the two-person
rule, and whenever somebody asks for a draft.
"""

from __future__ import annotations

import base64
import zlib

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.attestation.reference_values import DraftReferenceValue
from app.blueprints.console.navigation import may
from app.blueprints.console.reference_value_forms import (
    ReferenceValueFileForm,
    ReferenceValueForm,
)
from app.blueprints.console.reference_values import SIGNERS, as_json
from app.blueprints.deps import services
from app.blueprints.gate import access, actor, require
from app.console.attested_values import shown_digest, take
from app.console.changes import ReferenceValuesChange
from app.console.permissions import Permission
from app.console.reference_value_files import Fault, parse_expiry, parse_value
from app.console.reference_value_imports import Effect, ImportPlan
from app.trust.errors import (
    DeniedError,
    MalformedReferenceValueError,
    MalformedRequestError,
    ReferenceValueNotFoundError,
    TooLargeError,
    UnverifiedError,
)

_SOURCE = "console"
# What a form carries from the preview of a file to its import. Werkzeug takes no more than half a
# megabyte of fields.
_MAX_CARRIED = 400_000
_MAX_FILE_BYTES = 2 * 1024 * 1024
_DRAFT = "draft"


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_one(bp)
    _add_importing(bp)
    _add_withdrawing(bp)
    _add_taking(bp)


def _add_one(bp: Blueprint) -> None:
    @bp.route("/reference-values/new", methods=["GET", "POST"])
    @access(Permission.REFERENCE_VALUE_WRITE)
    def new_reference_value() -> ResponseReturnValue:
        form = ReferenceValueForm(data=request.args.to_dict())
        if not form.validate_on_submit():
            return _page("new", form=form)
        try:
            draft = DraftReferenceValue(
                (form.name.data or "").strip(),
                parse_value(form.value.data or ""),
                parse_expiry(form.expires_at.data or ""),
            )
            return _carry_out(ReferenceValuesChange(register=(draft,), source=_SOURCE))
        except (MalformedReferenceValueError, MalformedRequestError) as error:
            return _page("new", form=form, fault=error.message), 400


def _add_importing(bp: Blueprint) -> None:
    @bp.route("/reference-values/import", methods=["GET", "POST"])
    @access(Permission.REFERENCE_VALUE_WRITE)
    def import_reference_values() -> ResponseReturnValue:
        form = ReferenceValueFileForm()
        if not form.validate_on_submit():
            return _page("import", form=form)
        content, filename = form.file.data.read(), form.file.data.filename or ""
        try:
            plan = services().imports.plan_file(content, filename, _SOURCE)
        except (DeniedError, UnverifiedError) as error:
            # Of whoever signed a message in the file.
            return _page("import", form=form, faults=[Fault(None, error.message)]), 403
        if plan.faults:
            return _page("import", form=form, faults=plan.faults), 400
        try:
            return _preview(plan, _carried(content), filename)
        except TooLargeError as error:
            form.file.errors = [error.message]
            return _page("import", form=form), 413

    @bp.post("/reference-values/import/apply")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def apply_import() -> ResponseReturnValue:
        carried, filename = request.form.get("content", ""), request.form.get("filename", "")
        plan = services().imports.plan_file(_uncarried(carried), filename, _SOURCE)
        change = plan.change()
        if plan.digest != request.form.get("seen"):
            return _preview(plan, carried, filename, is_stale=True), 409
        return _carry_out(change)


def _add_withdrawing(bp: Blueprint) -> None:
    @bp.get("/reference-values/withdraw")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def confirm_withdrawal() -> ResponseReturnValue:
        value = services().reference_values.find(request.args.get("name", ""))
        if value is None:
            raise ReferenceValueNotFoundError("there is no reference value of this name")
        readers = services().reference_value_use.survey().by_policies.get(value.name, ())
        return _page("withdraw", value=value, shown=as_json(value.value, indent=2), readers=readers)

    @bp.post("/reference-values/withdraw")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def withdraw_reference_value() -> ResponseReturnValue:
        name = request.form.get("name", "")
        return _carry_out(ReferenceValuesChange(withdraw=(name,), source=_SOURCE))


def _add_taking(bp: Blueprint) -> None:
    @bp.get("/reference-values/take")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def take_from_attestation() -> ResponseReturnValue:
        decision_id = request.args.get("decision", "")
        offer = services().attested_values.offer(decision_id)
        return _page("take", offer=offer, decision_id=decision_id, signers=SIGNERS)

    @bp.get("/reference-values/take/confirm")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def confirm_taking() -> ResponseReturnValue:
        return _taking(request.args.get("decision", ""), request.args.getlist("name"))

    @bp.post("/reference-values/take/confirm")
    @access(Permission.REFERENCE_VALUE_WRITE)
    def take_reference_values() -> ResponseReturnValue:
        decision_id, names = request.form.get("decision", ""), request.form.getlist("name")
        offer = services().attested_values.offer(decision_id)
        if shown_digest(offer.chosen(names)) != request.form.get("seen"):
            return _taking(decision_id, names, is_stale=True), 409
        return _carry_out(take(offer, names), origin=decision_id)


def _taking(decision_id: str, names: list[str], *, is_stale: bool = False) -> str:
    offer = services().attested_values.offer(decision_id)
    chosen = offer.chosen(names)
    return _page(
        "take_confirm",
        offer=offer,
        chosen=chosen,
        decision_id=decision_id,
        seen=shown_digest(chosen),
        signer=SIGNERS.get(offer.tee or ""),
        is_stale=is_stale,
    )


def _preview(plan: ImportPlan, carried: str, filename: str, *, is_stale: bool = False) -> str:
    return _page(
        "preview",
        plan=plan,
        counts=[(effect.value, plan.count(effect)) for effect in Effect],
        content=carried,
        filename=filename,
        is_stale=is_stale,
    )


def _page(name: str, **shown: object) -> str:
    return render_template(
        f"console/reference_values/{name}.html",
        two_persons=services().proposals.rule.two_persons,
        may_propose=may(g.caller, Permission.PROPOSAL_WRITE),
        as_json=as_json,
        **shown,
    )


def _carry_out(change: ReferenceValuesChange, *, origin: str | None = None) -> ResponseReturnValue:
    """Do it, or write it down for somebody else to do."""
    if services().proposals.rule.two_persons or request.form.get("as") == _DRAFT:
        return _propose(change, origin)
    if change.register:
        services().reference_values.add(change.register, change.source, actor())
        flash(
            _(
                "Registered: %(count)s. Policies see it from the next appraisal on.",
                count=len(change.register),
            )
        )
    for name in change.withdraw:
        services().reference_values.withdraw(name, actor())
        flash(_("%(name)s is withdrawn; for policies it does not exist any more.", name=name))
    only = change.names[0] if len(change.names) == 1 and change.register else None
    return redirect(url_for(".reference_values", q=only), 303)


def _propose(change: ReferenceValuesChange, origin: str | None) -> ResponseReturnValue:
    require(Permission.PROPOSAL_WRITE)
    comment = request.form.get("comment", "")
    proposal = services().proposals.propose(change, actor(), comment=comment, origin=origin)
    flash(_("Proposal %(id)s waits for approval; nothing has changed.", id=proposal.proposal_id))
    if "console.proposal" in current_app.view_functions:
        return redirect(url_for(".proposal", proposal_id=proposal.proposal_id), 303)
    return redirect(url_for(".reference_values"), 303)


def _carried(content: bytes) -> str:
    """A file as a field of a form.

    Raises:
        TooLargeError: a form does not hold it.
    """
    text = base64.b64encode(zlib.compress(content)).decode("ascii")
    if len(text) > _MAX_CARRIED:
        raise TooLargeError(
            "the file is too large to be looked at in a browser: import it from the terminal"
        )
    return text


def _uncarried(text: str) -> bytes:
    try:
        inflater = zlib.decompressobj()
        content = inflater.decompress(base64.b64decode(text, validate=True), _MAX_FILE_BYTES)
    except (ValueError, zlib.error) as error:
        raise MalformedRequestError("the file did not come back as it was sent") from error
    if not inflater.eof:
        raise MalformedRequestError("the file did not come back as it was sent")
    return content
