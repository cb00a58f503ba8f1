"""Files that the settings name, read; and the faults of several parts, told at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from app.trust.errors import ConfigError

T = TypeVar("T")


class Faults:
    """Collects the faults of several parts, so that all of them are told at once."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def of(self, build: Callable[[], T], setting: str = "") -> T:
        """What a function builds, or a note of what kept it from doing so.

        Args:
            build: may raise ConfigError.
            setting: that the faults are about, when they do not say so themselves.
        """
        prefix = f"{setting}: " if setting else ""
        try:
            return build()
        except ConfigError as error:
            self._faults += [prefix + fault for fault in error.faults]
            # Never used: `raise_any` follows before anyone looks.
            return None  # type: ignore[return-value]

    def raise_any(self) -> None:
        """End the collection.

        Raises:
            ConfigError: something was collected.
        """
        if self._faults:
            raise ConfigError(self._faults)


def read_bytes(path: Path, setting: str = "") -> bytes:
    """A file that the settings name, which may be binary.

    Args:
        path: of the file.
        setting: that names it, when a fault does not say so otherwise.

    Raises:
        ConfigError: it cannot be read.
    """
    prefix = f"{setting}: " if setting else ""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{prefix}{path}: {error.strerror}"]) from error


def read_text(path: Path, setting: str = "") -> str:
    """A file that the settings name.

    Args:
        path: of the file, UTF-8.
        setting: that names it, when a fault does not say so otherwise.

    Raises:
        ConfigError: it cannot be read, or is no text.
    """
    try:
        return read_bytes(path, setting).decode("utf-8")
    except UnicodeDecodeError as error:
        prefix = f"{setting}: " if setting else ""
        raise ConfigError([f"{prefix}{path}: not text"]) from error
