"""What a Rego text may look like before an engine reads it.

The engine parses nested arrays, objects and sets in time that doubles with each level, and it
descends into long expressions on the machine's stack, whose end is the end of the process. Neither
can be stopped once it has begun, so such texts are refused by their tokens alone. No honest policy
comes near these limits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.trust.errors import MalformedPolicyError

MAX_POLICY_BYTES = 256 * 1024
MAX_LINES = 5000
MAX_COLUMNS = 1000
# Brackets of any kind within each other.
MAX_NESTING = 24
# Operators in one statement: each descends one level.
MAX_OPERATORS = 64
# A bracket at depth d beyond the first few costs 2^d; this sum is parsed in under half a second.
MAX_NESTING_COST = 20_000
_FREE_NESTING = 4

_TOKENS = re.compile(
    r"""
      (?P<skip>[ \t\r\f\v]+ | \#[^\n]*)
    | (?P<newline>\n)
    | (?P<text>"(?:[^"\\\n]|\\.)*" | `[^`]*` | [\w.$@]+)
    | (?P<open>[\[{(])
    | (?P<close>[\]})])
    | (?P<next>[,;])
    | (?P<operator>[-+*/%&|=!<>:]+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD_OPERATORS = frozenset({"in", "with"})


@dataclass(slots=True)
class _Scan:
    """Where a scan over the tokens stands."""

    line: int = 1
    line_start: int = 0
    depth: int = 0
    data_depth: int = 0
    cost: int = 0
    operators: int = 0
    previous: str = "next"
    new_line: bool = False


def check_limits(name: str, text: str) -> None:
    """Refuse a text that would keep the engine busy for ever or exhaust its stack.

    Raises:
        MalformedPolicyError: it is too large, nests too deeply, or has too long an expression;
            with the line and column where it goes too far.
    """
    if len(text.encode()) > MAX_POLICY_BYTES:
        raise MalformedPolicyError(f"{name} is larger than {MAX_POLICY_BYTES // 1024} KiB")
    scan, brackets = _Scan(), ""
    for token in _TOKENS.finditer(text):
        kind = token.lastgroup or "other"
        if kind == "text" and token.group() in _WORD_OPERATORS:
            kind = "operator"
        fault = _step(scan, kind)
        if kind == "open":
            brackets += token.group()
            scan.data_depth += token.group() != "("
        elif kind == "close" and brackets:
            scan.data_depth -= brackets[-1] != "("
            brackets = brackets[:-1]
        if fault:
            column = token.start() - scan.line_start + 1
            raise MalformedPolicyError(f"{name}: {fault}", line=scan.line, column=column)
        if kind == "newline" or "\n" in token.group():
            scan.line += token.group().count("\n")
            scan.line_start = text.rindex("\n", token.start(), token.end()) + 1


def _step(scan: _Scan, kind: str) -> str | None:
    """Count one token; what is wrong with it, if anything."""
    if kind == "skip":
        return None
    if kind == "newline":
        scan.new_line = True
        return "the policy has too many lines" if scan.line >= MAX_LINES else None
    if scan.new_line and kind in {"text", "open"} and scan.previous not in {"operator", "open"}:
        scan.operators = 0  # a new statement
    if kind == "next":
        scan.operators = 0
    elif kind == "operator" or (kind == "open" and scan.previous in {"text", "close"}):
        scan.operators += 1
    scan.new_line, scan.previous = False, kind
    return _nest(scan, kind) or (
        f"an expression of more than {MAX_OPERATORS} operators"
        if scan.operators > MAX_OPERATORS
        else None
    )


def _nest(scan: _Scan, kind: str) -> str | None:
    if kind == "open":
        scan.depth += 1
        if scan.data_depth >= _FREE_NESTING:
            scan.cost += 1 << min(scan.data_depth + 1, MAX_NESTING)
    elif kind == "close":
        scan.depth -= 1
    if scan.depth > MAX_NESTING or scan.cost > MAX_NESTING_COST:
        return "brackets nest too deeply"
    return None
