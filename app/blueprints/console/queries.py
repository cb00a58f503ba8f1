"""Filters of lists, from query parameters to domain queries, and what a list tells of a decision.

Pages and REST read the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import TypeVar

from app.blueprints.parsing import page_limit
from app.trust.decisions import DecisionKind, DecisionQuery, DecisionRecord, Outcome
from app.trust.errors import MalformedRequestError
from app.trust.json_types import JSONObject

E = TypeVar("E", bound=StrEnum)


def decision_query(parameters: Mapping[str, str]) -> DecisionQuery:
    """Which decisions a list shows.

    Raises:
        MalformedRequestError: a filter has a value that it cannot have.
    """
    return DecisionQuery(
        kind=_member(DecisionKind, parameters.get("kind")),
        outcome=_member(Outcome, parameters.get("outcome")),
        tee=parameters.get("tee") or None,
        reason=parameters.get("reason") or None,
        subject=parameters.get("subject") or None,
        token_id=parameters.get("token_id") or None,
        before=parameters.get("before") or None,
        limit=page_limit(),
    )


def decision_summary(record: DecisionRecord) -> JSONObject:
    """A decision without its inputs and result."""
    summary = asdict(record)
    del summary["inputs"], summary["result"]
    return {**summary, "at": record.at.isoformat()}


def _member(kind: type[E], text: str | None) -> E | None:
    if not text:
        return None
    try:
        return kind(text)
    except ValueError as error:
        choices = ", ".join(kind)
        raise MalformedRequestError(f"{text[:40]!r} is none of {choices}") from error
