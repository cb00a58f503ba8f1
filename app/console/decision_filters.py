"""Filters of decisions as people and programs write them: in pages, in REST, in the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from app.trust.decisions import DecisionKind, DecisionQuery, Outcome
from app.trust.errors import MalformedRequestError

E = TypeVar("E", bound=StrEnum)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ID_PREFIX = re.compile(r"[0-9a-f]{1,32}")
# Ids count milliseconds from here on.
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class DecisionFilters:
    """The filters of a list as they came, and what is wrong with them.

    Attributes:
        faults: a sentence by the name of the parameter.
    """

    parameters: Mapping[str, str]
    faults: dict[str, str] = field(default_factory=dict)

    def query(self, limit: int) -> DecisionQuery:
        """Which decisions the list shows, at most so many; what is at fault is left out."""
        policy, secret = self._text("policy"), self._text("secret")
        digest = policy if policy and _DIGEST.fullmatch(policy) else None
        kind = self._member("kind", DecisionKind)
        subject = f"resource/{secret.removeprefix('resource/')}" if secret else None
        if policy and not digest and not secret:
            kind, subject = DecisionKind.APPRAISAL, policy
        return DecisionQuery(
            kind=kind,
            outcome=self._member("outcome", Outcome),
            tee=self._text("tee"),
            reason=self._text("reason"),
            subject=subject or self._text("subject"),
            token_id=self._text("token_id"),
            measurement=self._text("measurement"),
            policy_digest=digest,
            prefix=self._prefix(),
            since=self._moment("since"),
            until=self._moment("until"),
            before=self._text("before"),
            limit=limit,
        )

    def _text(self, name: str) -> str | None:
        return self.parameters.get(name, "").strip() or None

    def _member(self, name: str, kind: type[E]) -> E | None:
        text = self._text(name)
        if text is None:
            return None
        try:
            return kind(text)
        except ValueError:
            self.faults[name] = f"{text[:40]!r} is none of {', '.join(kind)}"
            return None

    def _prefix(self) -> str | None:
        text = self._text("id")
        if text is not None and not _ID_PREFIX.fullmatch(text.lower()):
            self.faults["id"] = "a decision's id is 32 hex digits; its first digits will do"
            return None
        return text.lower() if text else None

    def _moment(self, name: str) -> datetime | None:
        text = self._text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return max(aware.astimezone(UTC), _EARLIEST)
        except (ValueError, OverflowError):
            self.faults[name] = "a time is like 2026-03-04T05:06, in UTC unless it names its zone"
            return None

    def checked(self, limit: int) -> DecisionQuery:
        """The query, when nothing is at fault.

        Raises:
            MalformedRequestError: a filter has a value that it cannot have.
        """
        query = self.query(limit)
        for name, fault in self.faults.items():
            raise MalformedRequestError(f"{name}: {fault}")
        return query
