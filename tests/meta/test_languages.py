"""What the console says can be translated, all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import translations
from babel.messages.pofile import read_po
from repository import ROOT, files, relative

# Pages that were there before translations: whoever changes one marks it and takes it out of here.
UNMARKED: set[str] = set()
TEMPLATES = [
    path
    for path in files(under=ROOT / "app" / "templates")
    # The texts of examples, for whoever changes the console.
    if "console/components" not in path.as_posix()
]
# What is written alike in every language: names of the wire, of formats, of units.
ALIKE = {"CSV", "JSON", "REST", "SHA-256", "TEE", "UTC", "Vouchgate", "kid", "ms"}
_TEMPLATE = re.compile(
    r"\{#.*?#\}|\{% trans.*?endtrans %\}|\{\{.*?\}\}|\{%.*?%\}|<(code|pre)\b.*?</\1>", re.DOTALL
)
# What is read out; a value with a slash is the example of a path.
_SAID = re.compile(r'\b(?:aria-label|title|alt|placeholder)="([^"{/]*)"')
_WORD = re.compile(r"[A-Za-z][\w-]+")


def naked(text: str) -> list[str]:
    """Words of a template that a reader sees and no translator."""
    without = _TEMPLATE.sub("|", text)
    visible = [re.sub(r"<[^>]*>", "|", without), *_SAID.findall(without)]
    return [word for part in visible for word in _WORD.findall(part) if word not in ALIKE]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<p>Save</p>", ["Save"]),
        ('<a title="Save">{{ name }}</a>', ["Save"]),
        ('{{ _("Save") }} <code>make</code> {# why #}', []),
        ("{% if ready %}<b>UTC</b>{% endif %}", []),
    ],
)
def test_naked_words_are_found(text: str, words: list[str]) -> None:
    """In the text and in what is read out; code is the same in every language."""
    assert naked(text) == words


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_a_template_says_nothing_that_cannot_be_translated(path: Path) -> None:
    """Every visible word goes through gettext."""
    words = naked(path.read_text(encoding="utf-8"))
    assert bool(words) == (relative(path) in UNMARKED), words


def test_the_template_of_translations_is_up_to_date() -> None:
    """What it has and what the console says are the same; ``make translations`` makes them so."""
    with translations.TEMPLATE.open("rb") as file:
        written = read_po(file)
    assert translations.sentences(written) == translations.sentences(translations.gathered())
