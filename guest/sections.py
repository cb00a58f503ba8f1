"""Reading a configuration whole: every fault is noted with its key, nothing is passed over."""

from __future__ import annotations

from collections.abc import Collection

from guest.wire.json_types import JSONObject, JSONValue


class Section:
    """One table of the configuration; values are taken out, and what stays is unknown."""

    def __init__(self, members: JSONObject, faults: list[str], prefix: str = "") -> None:
        """Begin reading.

        Args:
            members: the table.
            faults: where faults are noted; shared by all sections of one configuration.
            prefix: the key of the table with a dot after it, or nothing for the root.
        """
        self._members = dict(members)
        self._faults = faults
        self._prefix = prefix

    def fault(self, key: str, sentence: str) -> None:
        """Note a fault of a key."""
        self._faults.append(f"{self._prefix}{key}: {sentence}")

    def text(self, key: str) -> str | None:
        """A text that is not empty, or ``None`` when it is missing."""
        value = self._members.pop(key, None)
        if value is None:
            return None
        if isinstance(value, str) and value:
            return value
        self.fault(key, "must be text that is not empty")
        return None

    def choice(self, key: str, choices: Collection[str]) -> str | None:
        """One of the given texts, or ``None`` when it is missing."""
        value = self.text(key)
        if value is None or value in choices:
            return value
        self.fault(key, f"must be one of {', '.join(sorted(choices))}")
        return None

    def flag(self, key: str) -> bool:
        """True or false; false when it is missing."""
        value = self._members.pop(key, False)
        if not isinstance(value, bool):
            self.fault(key, "must be true or false")
        return value is True

    def seconds(self, key: str, default: float, most: float) -> float:
        """A number of seconds above zero and up to ``most``."""
        value: JSONValue = self._members.pop(key, default)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and 0 < value <= most:
            return float(value)
        self.fault(key, f"must be a number of seconds above 0 and up to {most:g}")
        return default

    def number(self, key: str, most: int) -> int | None:
        """A whole number from 0 to ``most``, or ``None`` when it is missing."""
        value = self._members.pop(key, None)
        if value is None:
            return None
        if isinstance(value, int) and _is_whole(value, most):
            return value
        self.fault(key, f"must be a whole number from 0 to {most}")
        return None

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts that are not empty, or ``None`` when it is missing."""
        value = self._members.pop(key, None)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(each, str) and each for each in value):
            return tuple(value)
        self.fault(key, "must be a list of texts that are not empty")
        return None

    def numbers(self, key: str, most: int) -> tuple[int, ...] | None:
        """A list of whole numbers from 0 to ``most``, or ``None`` when it is missing."""
        value = self._members.pop(key, None)
        if value is None:
            return None
        if isinstance(value, list) and all(_is_whole(each, most) for each in value):
            return tuple(value)
        self.fault(key, f"must be a list of whole numbers from 0 to {most}")
        return None

    def section(self, key: str) -> Section | None:
        """A table inside this one, or ``None`` when it is missing."""
        value = self._members.pop(key, None)
        if value is None:
            return None
        if isinstance(value, dict):
            return Section(value, self._faults, f"{self._prefix}{key}.")
        self.fault(key, "must be a table")
        return None

    def sections(self, key: str) -> list[Section]:
        """A list of tables; empty when it is missing."""
        value = self._members.pop(key, [])
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            tables = [each for each in value if isinstance(each, dict)]
            return [
                Section(each, self._faults, f"{self._prefix}{key}[{number}].")
                for number, each in enumerate(tables)
            ]
        self.fault(key, "must be a list of tables")
        return []

    def close(self) -> None:
        """Note every key that nobody took."""
        for key in self._members:
            self.fault(key, "is no setting")


def _is_whole(value: JSONValue, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
