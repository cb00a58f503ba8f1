"""Pages of reference values: the list, one value with its history and readers, what is missing."""

from __future__ import annotations

import json

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from app.attestation.reference_values import ExpiryState, ReferenceValue
from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access
from app.blueprints.parsing import page_limit, whole_number
from app.console.permissions import Permission
from app.trust.errors import MalformedRequestError, ReferenceValueNotFoundError
from app.trust.json_types import JSONValue

HISTORY_PAGE = 50
# Who vouches for what a TEE claims; the pages of the verifiers tell more.
SIGNERS = {
    "az-snp-vtpm": _l("AMD's secure processor, and the virtual TPM that it vouches for"),
    "az-tdx-vtpm": _l("Intel's quoting enclave, and the virtual TPM that it vouches for"),
    "cca": _l("the Arm platform's attestation key"),
    "csv": _l("Hygon's secure processor"),
    "sample": _l("nobody: anyone can forge the evidence of the sample TEE"),
    "se": _l("IBM's Secure Execution firmware"),
    "sgx": _l("Intel's quoting enclave"),
    "snp": _l("AMD's secure processor"),
    "tdx": _l("Intel's quoting enclave"),
    "tpm": _l("a TPM whose key the settings may name"),
}


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_lists(bp)
    _add_one(bp)


def _add_lists(bp: Blueprint) -> None:
    @bp.get("/reference-values")
    @access(Permission.REFERENCE_VALUE_READ)
    def reference_values() -> ResponseReturnValue:
        limit, wanted = page_limit(), request.args.get("q") or None
        after, state = request.args.get("after") or None, expiry_state()
        is_unread = request.args.get("use") == "unread"
        if is_unread:
            page = services().reference_value_use.unread(after=after, limit=limit)
        else:
            page = services().reference_values.page(
                after=after, limit=limit, containing=wanted, state=state
            )
        survey = services().reference_value_use.survey()
        return render_template(
            "console/reference_values/list.html",
            values=[_line(each, survey.by_policies.get(each.name, ())) for each in page],
            computing=survey.computing,
            wanted=wanted,
            state=state,
            states=list(ExpiryState),
            is_unread=is_unread,
            after=after,
            next_after=page[-1].name if len(page) == limit else None,
            may_write=may(g.caller, Permission.REFERENCE_VALUE_WRITE),
        )

    @bp.get("/reference-values/missing")
    @access(Permission.REFERENCE_VALUE_READ)
    def missing_reference_values() -> ResponseReturnValue:
        return render_template(
            "console/reference_values/missing.html",
            names=services().reference_value_use.missing(),
            may_write=may(g.caller, Permission.REFERENCE_VALUE_WRITE),
        )


def _add_one(bp: Blueprint) -> None:
    @bp.get("/reference-values/show")
    @access(Permission.REFERENCE_VALUE_READ)
    def reference_value() -> ResponseReturnValue:
        name = request.args.get("name", "")
        before = whole_number(request.args, "before", 0) or None
        history = services().reference_values.history(name, before=before, limit=HISTORY_PAGE)
        if not history:
            raise ReferenceValueNotFoundError("there never was a reference value of this name")
        value, survey = (
            services().reference_values.find(name),
            services().reference_value_use.survey(),
        )
        return render_template(
            "console/reference_values/show.html",
            name=name,
            value=value,
            shown=as_json(value.value, indent=2) if value else None,
            state=services().reference_values.state_of(value) if value else None,
            history=[(each, as_json(each.value.value)) for each in history],
            registered_by=next((each.registered_by for each in history if each.active), None),
            older=history[-1].number if len(history) == HISTORY_PAGE else None,
            readers=survey.by_policies.get(name, ()),
            read_by=survey.by_appraisals.get(name),
            computing=survey.computing,
            may_write=may(g.caller, Permission.REFERENCE_VALUE_WRITE),
        )


def expiry_state() -> ExpiryState | None:
    """The filter of a list, from the parameter ``state``.

    Raises:
        MalformedRequestError: there is no such state.
    """
    text = request.args.get("state")
    if not text:
        return None
    try:
        return ExpiryState(text)
    except ValueError as error:
        choices = ", ".join(ExpiryState)
        raise MalformedRequestError(f"state is one of {choices}") from error


def as_json(value: JSONValue, *, indent: int | None = None) -> str:
    """A value as people read it."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _line(
    value: ReferenceValue, readers: tuple[str, ...]
) -> tuple[ReferenceValue, str, ExpiryState, tuple[str, ...]]:
    """A value, its text, its state, and the policies that read it."""
    return value, as_json(value.value), services().reference_values.state_of(value), readers
