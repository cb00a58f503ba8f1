"""The settings as they count: each value, where it was written, what it is for, what is wrong now.

Secrets stand in files of their own; what could still be one (a password in an address, a value
under a name that speaks of secrets) is told by its presence only.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any

from app.settings import Settings

DEFAULT = "default"
HIDDEN = "set, not shown"

_NOT_SET = "not set"
_PASSWORD_IN_ADDRESS = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]*(?=@)")
_SECRET_NAME = re.compile(r"(secret|password|passphrase|credential|api_key|private_key|pin)\Z")
# Where a key is, such as "file:/path"; a key itself has no colon.
_REFERENCE = re.compile(r"[a-z][a-z0-9+_-]*:")
# "    name: text", the form of a line in the section "Attributes:" of a docstring.
_ATTRIBUTE = re.compile(r" {4}(?P<name>\w+): (?P<text>.+)")


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting.

    Attributes:
        name: its path, such as ``server.workers`` or ``broker.issuers[0].name``.
        value: as JSON, without secrets; ``not set`` for nothing.
        origin: the file or the environment variable, or ``default``.
        default: what counts when it is not written; ``None`` when it must be.
        weakens: whether it is an ``insecure_`` setting that is on.
        meaning: a sentence.
    """

    name: str
    value: str
    origin: str
    default: str | None
    weakens: bool
    meaning: str

    @property
    def section(self) -> str:
        """The first part of the name; empty for those that stand at the top of the file."""
        return self.name.partition(".")[0] if "." in self.name else ""

    @property
    def is_written(self) -> bool:
        """Whether someone wrote it down."""
        return self.origin != DEFAULT


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """All of them, and what is wrong with what they name.

    Attributes:
        lines: in the order of the reference.
        faults: found when they were checked again a moment ago.
    """

    lines: tuple[SettingLine, ...]
    faults: tuple[str, ...] = ()

    def sections(self) -> dict[str, list[SettingLine]]:
        """The lines by section, in order."""
        found: dict[str, list[SettingLine]] = {}
        for line in self.lines:
            found.setdefault(line.section, []).append(line)
        return found


def setting_lines(settings: Settings, origins: Mapping[str, str]) -> tuple[SettingLine, ...]:
    """Every setting, tables walked into.

    Args:
        settings: as they count.
        origins: where each was written, by path (``ReadSettings.origins``).
    """
    return tuple(_lines(settings, Settings, "", origins))


def _lines(
    table: object, kind: type[Any], prefix: str, origins: Mapping[str, str]
) -> Iterator[SettingLine]:
    meanings = setting_meanings(kind)
    for each in fields(kind):
        value, name = getattr(table, each.name), prefix + each.name
        if is_dataclass(value):
            yield from _lines(value, type(value), f"{name}.", origins)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            for index, member in enumerate(value):
                yield from _lines(member, type(member), f"{name}[{index}].", origins)
        else:
            yield SettingLine(
                name=name,
                value=_shown(each.name, value),
                origin=origins.get(name, DEFAULT),
                default=_default(each),
                weakens=each.name.startswith("insecure_") and bool(value),
                meaning=meanings.get(each.name, ""),
            )


def _default(each: Field[Any]) -> str | None:
    if each.default is not MISSING:
        return _shown(each.name, each.default)
    if each.default_factory is not MISSING:
        return _shown(each.name, each.default_factory())
    return None


def _shown(name: str, value: object) -> str:
    if value is None:
        return _NOT_SET
    return json.dumps(_masked(name, value), ensure_ascii=False, default=str)


def _masked(name: str, value: object) -> object:
    """The value without what could be a secret."""
    if isinstance(value, Mapping):
        return {member: _masked(str(member), each) for member, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(name, each) for each in value]
    if is_dataclass(value):
        return {each.name: _masked(each.name, getattr(value, each.name)) for each in fields(value)}
    return _masked_text(name, value) if isinstance(value, str) else value


def _masked_text(name: str, text: str) -> str:
    if name == "keys":
        return text if _REFERENCE.match(text) else HIDDEN
    if _SECRET_NAME.search(name):
        return HIDDEN
    return _PASSWORD_IN_ADDRESS.sub(r"\1:…", text)


def setting_meanings(kind: type) -> Mapping[str, str]:
    """What each setting of a table is for, by name: ``Attributes:`` of the class's docstring."""
    found: dict[str, str] = {}
    name = None
    for line in inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2].split("\n"):
        begun = _ATTRIBUTE.fullmatch(line)
        if begun:
            name = begun["name"]
            found[name] = begun["text"]
        elif name is not None and line.startswith(" " * 8):
            found[name] += " " + line.strip()
    return {key: _sentence(text) for key, text in found.items()}


def _sentence(text: str) -> str:
    plain = text.replace("``", "")
    # What begins with a name of the code keeps its spelling.
    return plain if text.startswith("``") else plain[0].upper() + plain[1:]
