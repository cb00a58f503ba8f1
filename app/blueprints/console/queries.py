"""Filters of lists, from query parameters to domain queries, and what a list tells of a decision.

Pages and REST read the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from app.blueprints.parsing import page_limit
from app.console.decision_filters import DecisionFilters
from app.trust.decisions import DecisionQuery, DecisionRecord
from app.trust.json_types import JSONObject


def decision_query(parameters: Mapping[str, str]) -> DecisionQuery:
    """Which decisions a list shows.

    Raises:
        MalformedRequestError: a filter has a value that it cannot have.
    """
    return DecisionFilters(parameters).checked(page_limit())


def decision_summary(record: DecisionRecord) -> JSONObject:
    """A decision without its inputs and result."""
    summary = asdict(record)
    del summary["inputs"], summary["result"]
    return {**summary, "at": record.at.isoformat()}
