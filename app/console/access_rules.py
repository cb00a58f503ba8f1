"""The access list of bearer tokens: which role may call which method on which routed path.

The path that is matched is the one the router matched: percent-decoded, without the query string.
So neither an encoded slash nor a query can make a request look like another (wire.md 14.1, 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One line of the list.

    Attributes:
        role: the role it is about.
        methods: HTTP methods in upper case; ``*`` is every method.
        paths: patterns, segment by segment: ``*`` is any one segment, a final ``**`` any rest.
    """

    role: str
    methods: frozenset[str]
    paths: tuple[str, ...]

    def allows(self, role: str, method: str, path: str) -> bool:
        """Whether this line allows the call."""
        return (
            role == self.role
            and ("*" in self.methods or method in self.methods)
            and any(_matches(pattern.split("/"), path.split("/")) for pattern in self.paths)
        )


def allowed(rules: Sequence[AccessRule], role: str, method: str, path: str) -> bool:
    """Whether any line allows the call; an empty list allows nothing."""
    return any(rule.allows(role, method, path) for rule in rules)


def _matches(pattern: list[str], path: list[str]) -> bool:
    if pattern and pattern[-1] == "**":
        head = pattern[:-1]
        return len(path) > len(head) and _matches(head, path[: len(head)])
    return len(pattern) == len(path) and all(
        wanted in ("*", segment) and segment not in ("", ".", "..") if wanted else not segment
        for wanted, segment in zip(pattern, path, strict=True)
    )
