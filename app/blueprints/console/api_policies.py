"""Policies and their examples, for programs: what the pages do, as REST."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import json_object, text_member, whole_number
from app.broker.scopes import Scope
from app.console.permissions import Permission
from app.console.policy_examples import ExampleDraft, draft_of_example, draft_of_json
from app.console.policy_shelf import PolicyReview, policy_kind
from app.console.policy_templates import policy_templates
from app.console.policy_texts import comparison_as_json
from app.trust.errors import DecisionNotFoundError, MalformedRequestError
from app.trust.json_types import JSONObject
from app.trust.policies import PolicyKind, PolicyVersion
from app.trust.policy_examples import PolicyExample

_ONE = "/policies/<kind>/<policy_id>"
_EXAMPLE = f"{_ONE}/examples/<name>"


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_reading(bp)
    _add_writing(bp)
    _add_examples(bp)


def _add_reading(bp: Blueprint) -> None:
    @bp.get("/policies")
    @access(Permission.POLICY_READ)
    def policies() -> ResponseReturnValue:
        return jsonify([version_as_json(each) for each in services().policy_shelf.all()])

    @bp.get("/policy-templates")
    @access(Permission.POLICY_READ)
    def templates() -> ResponseReturnValue:
        return jsonify([asdict(each) for each in policy_templates()])

    @bp.get(_ONE)
    @access(Permission.POLICY_READ)
    def policy(kind: str, policy_id: str) -> ResponseReturnValue:
        history = services().policy_shelf.history(policy_kind(kind), policy_id)
        number = whole_number(request.args, "version", history.newest.version)
        shown = history.version(number)
        return jsonify(
            {
                **version_as_json(shown),
                "text": shown.text,
                "versions": [version_as_json(each) for each in history.versions],
            }
        )

    @bp.get(f"{_ONE}/versions/<old>/compare/<new>")
    @access(Permission.POLICY_READ)
    def compare_versions(kind: str, policy_id: str, old: str, new: str) -> ResponseReturnValue:
        history = services().policy_shelf.history(policy_kind(kind), policy_id)
        asked = {"old": old, "new": new}
        before, after = (history.version(whole_number(asked, name)) for name in asked)
        return jsonify(comparison_as_json(before, after))


def _add_writing(bp: Blueprint) -> None:
    @bp.post(f"{_ONE}/check")
    @access(Permission.PROPOSAL_WRITE)
    def check_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        text = text_member(json_object(), "text")
        review = services().policy_shelf.review(policy_kind(kind), policy_id, text)
        return jsonify(review_as_json(review))

    @bp.put(_ONE)
    @access(Permission.POLICY_WRITE)
    def put_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        body = json_object()
        saved = services().policy_shelf.save(
            policy_kind(kind),
            policy_id,
            text_member(body, "text"),
            actor(),
            based_on=_number(body, "based_on"),
        )
        return jsonify(version_as_json(saved))

    @bp.post(f"{_ONE}/roll-back")
    @access(Permission.POLICY_WRITE)
    def roll_back(kind: str, policy_id: str) -> ResponseReturnValue:
        body = json_object()
        saved = services().policy_shelf.roll_back(
            policy_kind(kind),
            policy_id,
            _number(body, "version"),
            actor(),
            based_on=_number(body, "based_on"),
        )
        return jsonify(version_as_json(saved))

    @bp.delete(_ONE)
    @access(Permission.POLICY_WRITE)
    def delete_policy(kind: str, policy_id: str) -> ResponseReturnValue:
        seen = whole_number(request.args, "based_on")
        services().policy_shelf.take_away(policy_kind(kind), policy_id, actor(), based_on=seen)
        return jsonify({})


def _add_examples(bp: Blueprint) -> None:
    @bp.get(f"{_ONE}/examples")
    @access(Permission.POLICY_READ)
    def examples(kind: str, policy_id: str) -> ResponseReturnValue:
        kept = services().policy_examples.all(policy_kind(kind), policy_id)
        return jsonify([example_as_json(each) for each in kept])

    @bp.post(f"{_ONE}/examples/run")
    @access(Permission.POLICY_READ)
    def run_examples(kind: str, policy_id: str) -> ResponseReturnValue:
        text = json_object().get("text")
        if text is None:
            text = services().policy_shelf.history(policy_kind(kind), policy_id).newest.text
        if not isinstance(text, str):
            raise MalformedRequestError("the member text is text")
        results = services().policy_examples.run(policy_kind(kind), policy_id, text)
        return jsonify([asdict(result) for result in results])

    @bp.post(f"{_ONE}/examples/from-decision")
    @access(Permission.POLICY_WRITE)
    def example_from_decision(kind: str, policy_id: str) -> ResponseReturnValue:
        body = json_object()
        draft = example_of_decision(text_member(body, "decision_id"), policy_kind(kind), policy_id)
        saved = services().policy_examples.save(
            policy_kind(kind), policy_id, draft, actor(), seen=0
        )
        return jsonify(example_as_json(saved))

    @bp.put(_EXAMPLE)
    @access(Permission.POLICY_WRITE)
    def put_example(kind: str, policy_id: str, name: str) -> ResponseReturnValue:
        body = json_object()
        draft = draft_of_json({**body, "name": name})
        saved = services().policy_examples.save(
            policy_kind(kind), policy_id, draft, actor(), seen=_number(body, "revision")
        )
        return jsonify(example_as_json(saved))

    @bp.delete(_EXAMPLE)
    @access(Permission.POLICY_WRITE)
    def delete_example(kind: str, policy_id: str, name: str) -> ResponseReturnValue:
        kept = services().policy_examples
        kept.remove(kept.get(policy_kind(kind), policy_id, name), actor())
        return jsonify({})


def example_of_decision(decision_id: str, kind: PolicyKind, policy_id: str) -> ExampleDraft:
    """The example that a recorded decision makes.

    Raises:
        DecisionNotFoundError: there is no such decision.
        MalformedRequestError: the policy took no part in it.
    """
    record = services().decisions.find(decision_id)
    if record is None:
        raise DecisionNotFoundError("no decision of this id is recorded")
    return services().policy_examples.from_decision(record, kind, policy_id)


def review_as_json(review: PolicyReview) -> JSONObject:
    """What to know about a text before it decides."""
    return {
        "warnings": [
            {"message": each.message, "line": each.line, "column": each.column}
            for each in review.warnings
        ],
        "probes": [asdict(each) for each in review.probes],
        "examples": [asdict(each) for each in review.examples],
    }


def version_as_json(version: PolicyVersion) -> JSONObject:
    """A version without its text."""
    return {
        "kind": version.kind,
        "policy_id": version.policy_id,
        "scope": str(Scope.of_policy(version.policy_id))
        if version.kind is PolicyKind.RESOURCE
        else None,
        "version": version.version,
        "active": version.active,
        "digest": version.digest,
        "created_at": version.created_at.isoformat(),
        "created_by": version.created_by,
    }


def example_as_json(example: PolicyExample) -> JSONObject:
    """An example as files and requests have it, with its revision."""
    return {
        **draft_of_example(example).as_json(),
        "revision": example.revision,
        "changed_at": example.changed_at.isoformat(),
        "changed_by": example.changed_by,
    }


def _number(body: JSONObject, name: str) -> int:
    value = body.get(name)
    if type(value) is not int or not 0 <= value < 10**9:
        raise MalformedRequestError(f"{name} is the number of a version that you have seen")
    return value
