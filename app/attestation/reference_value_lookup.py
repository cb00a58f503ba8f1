"""What policies ask for reference values: those of one revision, and every answer remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.trust.json_types import JSONObject, JSONValue

_CACHED_VALUES = 10_000


class Expiring(Protocol):
    """A value that is not for ever."""

    @property
    def value(self) -> JSONValue:
        """What policies get."""
        ...

    @property
    def expires_at(self) -> datetime:
        """From then on it does not exist for them."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """What was found of a name; ``None`` when it has no value."""

    value: Expiring | None


@dataclass(frozen=True, slots=True)
class _Cache:
    """What was found of each name as of one revision."""

    revision: int
    values: dict[str, _Held]


class HeldValues:
    """Values that were found, kept as long as no value changes anywhere."""

    def __init__(self, find: Callable[[str], Expiring | None]) -> None:
        """Take what finds the value of a name, expired or not."""
        self._find = find
        self._cache = _Cache(-1, {})

    def at(self, revision: int, now: datetime) -> Callable[[str], JSONValue]:
        """Finds the value of a name as of a revision and a moment; ``None`` when there is none."""
        cache = self._cache
        if cache.revision < revision:
            cache = self._cache = _Cache(revision, {})
        return lambda name: self._value(name, cache, now)

    def _value(self, name: str, cache: _Cache, now: datetime) -> JSONValue:
        held = cache.values.get(name)
        if held is None:
            held = _Held(self._find(name))
            # Evidence may choose the names that a policy asks for, so the cache is bounded.
            if len(cache.values) >= _CACHED_VALUES:
                cache.values.clear()
            cache.values[name] = held
        found = held.value
        return None if found is None or found.expires_at <= now else found.value


class RecordingLookup:
    """Answers a policy, and remembers every answer for the decision record."""

    def __init__(self, find: Callable[[str], JSONValue]) -> None:
        """Take what finds the value of a name; ``None`` when there is none."""
        self._find = find
        self.read: JSONObject = {}

    def __call__(self, name: str) -> JSONValue:
        """The value of a name, the same throughout one appraisal."""
        if name not in self.read:
            self.read[name] = self._find(name)
        return self.read[name]
