"""Pages of the examples kept beside a policy: run, written, taken from decisions, removed."""

from __future__ import annotations

import json

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.console.api_policies import example_of_decision
from app.blueprints.console.forms import ExampleForm
from app.blueprints.console.policies import ONE, history_of, rights
from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.console.permissions import Permission
from app.console.policy_examples import ExampleDraft, draft_of_example, draft_of_json
from app.console.policy_shelf import PolicyHistory
from app.console.policy_texts import DiffRow, compare
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionRecord
from app.trust.errors import (
    ConflictError,
    DecisionNotFoundError,
    ExampleNotFoundError,
    MalformedRequestError,
)
from app.trust.policies import PolicyKind
from app.trust.policy_examples import PolicyExample
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json

_RECENT = 5
_BEGINNINGS = {
    PolicyKind.ATTESTATION: ExampleDraft(
        "a known guest", {"snp": {}}, {}, {"snp_launch_measurement": []}, {"outcome": "affirming"}
    ),
    PolicyKind.RESOURCE: ExampleDraft(
        "an affirming guest",
        {"submods": {"cpu0": {"ear.status": "affirming"}}},
        {"plugin": "resource", "resource-path": ["repository", "type", "tag"], "query": {}},
        {},
        {"outcome": "allowed"},
    ),
}


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_list(bp)
    _add_writing(bp)


def _add_list(bp: Blueprint) -> None:
    @bp.get(f"{ONE}/examples")
    @access(Permission.POLICY_READ)
    def policy_examples(kind: str, policy_id: str) -> ResponseReturnValue:
        return _list(history_of(kind, policy_id))

    @bp.post(f"{ONE}/examples/from-decision")
    @access(Permission.POLICY_WRITE)
    def example_from_decision(kind: str, policy_id: str) -> ResponseReturnValue:
        history = history_of(kind, policy_id)
        decision_id = request.form.get("decision_id", "").strip()
        try:
            draft = example_of_decision(decision_id, history.kind, policy_id)
            services().policy_examples.save(history.kind, policy_id, draft, actor(), seen=0)
        except (MalformedRequestError, DecisionNotFoundError, ConflictError) as error:
            return _list(history, fault=error.message), 400
        flash(_("%(name)s is kept as an example.", name=draft.name))
        return redirect(url_for(".policy_examples", kind=kind, policy_id=policy_id), 303)


def _add_writing(bp: Blueprint) -> None:
    @bp.route(f"{ONE}/examples/edit", methods=["GET", "POST"])
    @access(Permission.POLICY_WRITE)
    def edit_example(kind: str, policy_id: str) -> ResponseReturnValue:
        history = history_of(kind, policy_id)
        name = request.args.get("name")
        example = None
        if name is not None:
            example = services().policy_examples.get(history.kind, policy_id, name)
        begin = draft_of_example(example) if example else _BEGINNINGS[history.kind]
        revision = example.revision if example else 0
        form = ExampleForm(data={"document": _pretty(begin), "revision": revision})
        if not form.validate_on_submit():
            return _form(form, history, example)
        return _keep(form, history, example)

    @bp.post(f"{ONE}/examples/remove")
    @access(Permission.POLICY_WRITE)
    def remove_example(kind: str, policy_id: str) -> ResponseReturnValue:
        kept, name = services().policy_examples, request.form.get("name", "")
        kept.remove(kept.get(PolicyKind(kind), policy_id, name), actor())
        flash(_("The example %(name)s is removed.", name=name))
        return redirect(url_for(".policy_examples", kind=kind, policy_id=policy_id), 303)


def _keep(
    form: ExampleForm, history: PolicyHistory, example: PolicyExample | None
) -> ResponseReturnValue:
    """Keep what was typed, or show it again with what is wrong with it."""
    kind, policy_id, seen = history.kind, history.policy_id, form.revision.data or 0
    try:
        draft = draft_of_json(parse_json((form.document.data or "").encode()))
        services().policy_examples.save(kind, policy_id, draft, actor(), seen=seen)
    except (WireError, MalformedRequestError) as error:
        form.document.errors = [str(error)]
        return _form(form, history, example), 400
    except ConflictError:
        return _conflict(form, history, draft)
    flash(_("The example %(name)s is kept.", name=draft.name))
    return redirect(url_for(".policy_examples", kind=kind, policy_id=policy_id), 303)


def _conflict(
    form: ExampleForm, history: PolicyHistory, draft: ExampleDraft
) -> ResponseReturnValue:
    """Someone was faster: show what keeping once more would change of theirs."""
    form.revision.raw_data = None
    try:
        theirs = services().policy_examples.get(history.kind, history.policy_id, draft.name)
    except ExampleNotFoundError:
        form.revision.data = 0
        return _form(form, history, None, theirs=()), 409
    form.revision.data = theirs.revision
    rows = compare(_pretty(draft_of_example(theirs)), _pretty(draft))
    return _form(form, history, theirs, theirs=rows), 409


def _form(
    form: ExampleForm,
    history: PolicyHistory,
    example: PolicyExample | None,
    *,
    theirs: tuple[DiffRow, ...] | None = None,
) -> str:
    return render_template(
        "console/policies/example.html",
        form=form,
        history=history,
        example=example,
        theirs=theirs,
        **rights(),
    )


def _list(history: PolicyHistory, *, fault: str | None = None) -> str:
    kept = services().policy_examples
    examples = kept.all(history.kind, history.policy_id)
    results = kept.run(history.kind, history.policy_id, history.newest.text)
    return render_template(
        "console/policies/examples.html",
        history=history,
        examples=list(zip(examples, results, strict=True)),
        recent=_recent(history.kind),
        fault=fault,
        **rights(),
    )


def _recent(kind: PolicyKind) -> list[DecisionRecord]:
    """The last decisions of the sort that policies of this kind take part in."""
    of_kind = {
        PolicyKind.ATTESTATION: DecisionKind.APPRAISAL,
        PolicyKind.RESOURCE: DecisionKind.RELEASE,
    }
    return services().decisions.page(DecisionQuery(kind=of_kind[kind], limit=_RECENT))


def _pretty(draft: ExampleDraft) -> str:
    return json.dumps(draft.as_json(), indent=2, ensure_ascii=False)
