"""Sentences of the domain that readers see: marked here, translated where they are shown.

The domain knows no translation. What it says is English, and either complete or with places for
values; ``make translations`` gathers what is marked, pages look the translation up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence whose words can be translated.

    Attributes:
        message: English, with ``%(name)s`` where a value goes; a literal, so that it is gathered.
        values: by name.
    """

    message: str
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message % self.values


def marked(sentence: str) -> str:
    """The sentence as it is; the call tells translators of it."""
    return sentence
