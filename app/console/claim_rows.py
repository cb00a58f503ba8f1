"""Claims of a decision line by line, each with its meaning; and its handshake, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from app.attestation.claim_dictionary import TOP_CLAIMS, Claim, find_claim, member_path
from app.trust.decisions import DecisionRecord
from app.trust.json_types import JSONObject, JSONValue

# An event log has thousands of values; whoever needs them all has the JSON.
MAX_ROWS = 400
_LONG_LISTS = frozenset({"uefi_event_logs"})


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One value.

    Attributes:
        path: as a policy writes it, from ``input``.
        value: as JSON.
        claim: what the dictionary knows about it.
    """

    path: str
    value: str
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class ClaimsOfPart:
    """The claims of one part of the guest.

    Attributes:
        part: such as ``cpu0``.
        tee: its wire name.
        rows: without lists that are long.
        lists: those, by path, with what they hold.
        is_cut: whether there are more rows than are told.
    """

    part: str
    tee: str
    rows: tuple[ClaimRow, ...]
    lists: dict[str, JSONValue]
    is_cut: bool


def claims_of(record: DecisionRecord) -> Iterator[ClaimsOfPart]:
    """The claims of an appraisal, part by part."""
    for part, entry in cast("dict[str, JSONObject]", record.inputs.get("submods", {})).items():
        policy_input: JSONObject = entry["input"]
        tee = next((name for name in policy_input if name not in TOP_CLAIMS), "")
        values = policy_input.get(tee, {})
        lists = {
            f"{member_path('input', tee)}.{name}": values[name]
            for name in _LONG_LISTS
            if isinstance(values, dict) and name in values
        }
        rows = list(_rows_of(tee, policy_input))
        yield ClaimsOfPart(part, tee, tuple(rows[:MAX_ROWS]), lists, len(rows) > MAX_ROWS)


def _rows_of(tee: str, policy_input: JSONObject) -> Iterator[ClaimRow]:
    own = policy_input.get(tee)
    short = {k: v for k, v in own.items() if k not in _LONG_LISTS} if isinstance(own, dict) else {}
    for path, leaf in _leaves(short, ""):
        yield _row(member_path("input", tee), path, leaf, find_claim(tee, _generic(path)))
    for name in TOP_CLAIMS:
        value = policy_input.get(name)
        if value is not None:
            for path, leaf in _leaves(value, name):
                yield ClaimRow(f"input.{path}", _json(leaf), find_claim(tee, _generic(path)))


def _row(root: str, path: str, value: JSONValue, claim: Claim | None) -> ClaimRow:
    dot = "" if path.startswith("[") else "."
    return ClaimRow(f"{root}{dot}{path}", _json(value), claim)


def _leaves(value: JSONValue, at: str) -> Iterator[tuple[str, JSONValue]]:
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _leaves(each, member_path(at, name))
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for index, each in enumerate(value):
            yield from _leaves(each, f"{at}[{index}]")
    else:
        yield at, value


def _generic(path: str) -> str:
    """``[*]`` in the place of each index."""
    parts = []
    for piece in path.split("["):
        index, bracket, rest = piece.partition("]")
        parts.append(f"*{bracket}{rest}" if bracket and index.isdigit() else piece)
    return "[".join(parts)


def _json(value: JSONValue) -> str:
    return json.dumps(value, ensure_ascii=False)
