"""What an import would change, before anything is written; and the change itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from app.attestation.reference_values import DraftReferenceValue, ReferenceValue, ReferenceValues
from app.console.changes import ReferenceValuesChange
from app.console.reference_value_files import Fault, LocatedDraft, ParsedFile, parse_file
from app.trust.clock import Clock
from app.trust.errors import MalformedReferenceValueError
from app.trust.json_types import JSONValue
from guest.wire.canonical import canonical_json


class Effect(StrEnum):
    """What becomes of a name."""

    ADDED = "added"
    REPLACED = "replaced"
    # The same value again: only its expiry moves.
    RENEWED = "renewed"


@dataclass(frozen=True, slots=True)
class PlannedValue:
    """One value of an import.

    Attributes:
        line: of the file, 1-based.
        before: what is registered and has not expired; ``None`` when nothing is.
    """

    line: int
    draft: DraftReferenceValue
    effect: Effect
    before: ReferenceValue | None


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would do.

    Attributes:
        faults: while there is one, nothing can be imported.
        digest: of everything that is shown, SHA-256, hex; another one when something changed.
    """

    source: str
    values: tuple[PlannedValue, ...]
    faults: tuple[Fault, ...]
    digest: str

    def count(self, effect: Effect) -> int:
        """How many values have this effect."""
        return sum(each.effect is effect for each in self.values)

    def change(self) -> ReferenceValuesChange:
        """The change that carries it out.

        Raises:
            MalformedReferenceValueError: it has faults; the message names each.
        """
        if self.faults:
            raise MalformedReferenceValueError("; ".join(str(fault) for fault in self.faults))
        return ReferenceValuesChange(
            register=tuple(each.draft for each in self.values), source=self.source
        )


@dataclass(frozen=True, slots=True)
class Imports:
    """Plans imports."""

    values: ReferenceValues
    clock: Clock

    def plan_file(self, content: bytes, filename: str, source: str) -> ImportPlan:
        """What the import of a file would change; see ``reference_value_files``."""
        return self.plan(parse_file(content, filename, self.values.read, source=source))

    def plan(self, parsed: ParsedFile) -> ImportPlan:
        """What the import of values would change, every one of them checked."""
        faults = [*parsed.faults, *self._faults(parsed)]
        names = [each.draft.name for each in parsed.drafts]
        registered = {} if faults else self.values.find_all(names)
        planned = tuple(self._planned(each, registered) for each in parsed.drafts)
        if faults:
            planned = ()
        ordered = tuple(sorted(faults, key=lambda fault: fault.line or 0))
        return ImportPlan(parsed.source, planned, ordered, _digest(planned))

    def _faults(self, parsed: ParsedFile) -> list[Fault]:
        faults = []
        for each in parsed.drafts:
            if each.draft.value is None:
                faults.append(Fault(each.line, "a value is not null; withdraw it instead"))
                continue
            try:
                self.values.check([each.draft], parsed.source)
            except MalformedReferenceValueError as error:
                faults.append(Fault(each.line, error.message))
        if not parsed.faults and not faults:
            try:
                self.values.check([each.draft for each in parsed.drafts], parsed.source)
            except MalformedReferenceValueError as error:
                faults.append(Fault(None, error.message))
        return faults

    def _planned(
        self, located: LocatedDraft, registered: dict[str, ReferenceValue]
    ) -> PlannedValue:
        before = registered.get(located.draft.name)
        if before is None or before.expires_at <= self.clock.now():
            return PlannedValue(located.line, located.draft, Effect.ADDED, None)
        same = _same(before.value, located.draft.value)
        effect = Effect.RENEWED if same else Effect.REPLACED
        return PlannedValue(located.line, located.draft, effect, before)


def _same(one: JSONValue, other: JSONValue) -> bool:
    # In Python 1 equals true and 1.0; in JSON they are what they look like.
    return canonical_json(one) == canonical_json(other) and type(one) is type(other)


def _digest(planned: tuple[PlannedValue, ...]) -> str:
    shown = [
        [
            each.draft.name,
            each.draft.value,
            each.draft.expires_at.isoformat() if each.draft.expires_at else None,
            each.effect.value,
            each.before.value if each.before else None,
        ]
        for each in planned
    ]
    return hashlib.sha256(canonical_json(shown)).hexdigest()
