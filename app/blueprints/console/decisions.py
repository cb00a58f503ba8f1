"""Pages of decisions: the list with its filters, one decision, why it came out so, as files."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    g,
    jsonify,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.console.navigation import may
from app.blueprints.console.queries import decision_query, decision_summary
from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import page_limit
from app.console.attested_guests import guest_of
from app.console.claim_rows import claims_of
from app.console.counterfactuals import Way
from app.console.decision_export import FORMATS
from app.console.decision_filters import DecisionFilters
from app.console.drafts import change_of, way_key
from app.console.explanations import Explanation
from app.console.handshake_steps import LEFT, RIGHT, WIDTH, handshake_of
from app.console.permissions import Permission
from app.console.proposals import Proposal
from app.console.reasons import REASONS
from app.console.remedies import SecretRemedy
from app.console.remedy_texts import risk_told, told
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionRecord, Outcome
from app.trust.errors import ConflictError, DecisionNotFoundError, MalformedRequestError
from guest.wire.tees import TEES

_LINKED = 20
# What stays of the filters from page to page, and in the names of files.
_FILTERS = (
    *("id", "kind", "outcome", "reason", "tee", "policy", "secret", "subject", "measurement"),
    *("token_id", "since", "until"),
)


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_lists(bp)
    _add_one(bp)
    _add_why(bp)


def _add_lists(bp: Blueprint) -> None:
    @bp.get("/decisions")
    @access(Permission.DECISION_READ)
    def decisions() -> ResponseReturnValue:
        filters = DecisionFilters(request.args)
        query = filters.query(page_limit())
        page = services().decisions.page(query) if not filters.faults else []
        older = page[-1].decision_id if len(page) == query.limit else None
        kept = {name: request.args[name] for name in _FILTERS if request.args.get(name)}
        shown = render_template(
            "console/decisions/list.html",
            decisions=page,
            older=older,
            filters=request.args,
            kept=kept,
            faults=filters.faults,
            kinds=list(DecisionKind),
            outcomes=list(Outcome),
            tees=sorted(TEES),
        )
        return shown, 400 if filters.faults else 200

    @bp.get("/decisions/export")
    @access(Permission.DECISION_READ)
    def export_decisions() -> ResponseReturnValue:
        return exported()

    @bp.get("/reasons/<code>")
    @access(Permission.DECISION_READ)
    def reason(code: str) -> ResponseReturnValue:
        if code not in REASONS:
            abort(404)
        return render_template("console/decisions/reason.html", code=code, reason=REASONS[code])


def _add_one(bp: Blueprint) -> None:
    @bp.get("/decisions/<decision_id>")
    @access(Permission.DECISION_READ)
    def decision(decision_id: str) -> ResponseReturnValue:
        record = decision_record(decision_id)
        appraisal = services().appraisal_behind(record)
        judged = appraisal or record
        return render_template(
            "console/decisions/show.html",
            record=record,
            appraisal=appraisal,
            why=services().explain(record),
            evidence=judged.inputs.get("evidence", []),
            parts=list(claims_of(judged)),
            handshake=handshake_of(record, appraisal),
            picture={"width": WIDTH, "left": LEFT, "right": RIGHT},
            linked=_linked(record),
            may_see_secrets=may(g.caller, Permission.SECRET_READ) and guest_of(record) is not None,
            may_take="submods" in judged.inputs and may(g.caller, Permission.REFERENCE_VALUE_WRITE),
        )

    @bp.get("/decisions/<decision_id>.json")
    @access(Permission.DECISION_READ)
    def decision_json(decision_id: str) -> ResponseReturnValue:
        return jsonify(whole_decision(decision_record(decision_id)))


def _add_why(bp: Blueprint) -> None:
    @bp.get("/decisions/<decision_id>/why")
    @access(Permission.DECISION_READ)
    def why(decision_id: str) -> ResponseReturnValue:
        record = decision_record(decision_id)
        explanation = services().explain(record)
        return render_template(
            "console/decisions/why.html",
            record=record,
            why=explanation,
            ways=[_shown(way) for way in explanation.ways],
            may_propose=may(g.caller, Permission.PROPOSAL_WRITE),
            may_write_secret=may(g.caller, Permission.SECRET_WRITE),
        )

    @bp.post("/decisions/<decision_id>/draft")
    @access(Permission.PROPOSAL_WRITE)
    def draft_of_decision(decision_id: str) -> ResponseReturnValue:
        record = decision_record(decision_id)
        way = _way(services().explain(record), request.form.get("way", ""))
        change = change_of(way, services().policies)
        if change is None:
            raise ConflictError("this cannot be proposed any more: the policy has another text now")
        proposal = services().proposals.propose(change, actor(), origin=record.decision_id)
        return redirect(_page_of(proposal, record), 303)


def exported() -> Response:
    """The decisions that the filters of this request leave, as a stream.

    Raises:
        MalformedRequestError: a filter, or ``format``, has a value that it cannot have.
    """
    form, query = request.args.get("format") or "csv", decision_query(request.args)
    if form not in FORMATS:
        raise MalformedRequestError(f"format is one of {', '.join(FORMATS)}")
    lines = stream_with_context(FORMATS[form](services().decisions, query))
    response = Response(lines, mimetype="text/csv" if form == "csv" else "application/x-ndjson")
    response.headers["Content-Disposition"] = f'attachment; filename="decisions.{form}"'
    return response


def decision_record(decision_id: str) -> DecisionRecord:
    """The decision of this id.

    Raises:
        DecisionNotFoundError: there is none.
    """
    record = services().decisions.find(decision_id)
    if record is None:
        raise DecisionNotFoundError("no decision of this id is recorded")
    return record


def whole_decision(record: DecisionRecord) -> dict[str, object]:
    """A decision with everything it was decided on."""
    return {**decision_summary(record), "inputs": record.inputs, "result": record.result}


def _page_of(proposal: Proposal, record: DecisionRecord) -> str:
    """Where the proposal is looked at: on its page, where this console has one."""
    if "console.proposal" in current_app.view_functions:
        return url_for("console.proposal", proposal_id=proposal.proposal_id)
    flash(_("The draft is open as proposal %(id)s.", id=proposal.proposal_id))
    return url_for(".why", decision_id=record.decision_id)


def _linked(record: DecisionRecord) -> list[DecisionRecord]:
    """Other decisions with the same token."""
    if record.token_id is None:
        return []
    found = services().decisions.page(DecisionQuery(token_id=record.token_id, limit=_LINKED))
    return [each for each in found if each.decision_id != record.decision_id]


def _way(why: Explanation, key: str) -> Way:
    for way in why.ways:
        if way_key(way) == key:
            return way
    raise ConflictError("the record does not lead to this change any more; look at the page again")


def _shown(way: Way) -> dict[str, object]:
    """A way as its page shows it."""
    secret = next((each for each in way.remedies if isinstance(each, SecretRemedy)), None)
    return {
        "key": way_key(way),
        "risk": way.risk.value,
        "steps": [(told(each), each) for each in way.remedies],
        "risks": list(dict.fromkeys(risk_told(each).message for each in way.remedies)),
        "change": change_of(way, services().policies),
        "secret": secret,
    }
