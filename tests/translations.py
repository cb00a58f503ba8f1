"""What the console says, gathered for translators; ``make translations`` writes it down.

Templates and Python mark their sentences for gettext. Those of the domain, which knows no
translation, are marked with ``marked`` and ``Text`` (`app/trust/sentences.py`). Reasons, what
claims mean, what settings and ready policies are for are whole tables of sentences: they are
gathered from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po
from paths import ROOT

from app import settings
from app.attestation.claim_dictionary import HASHED_CLAIMS, Direction, dictionary
from app.attestation.trust_claims import ABOUT, meaning_of
from app.attestation.verifiers import known_verifiers
from app.console.effective_settings import setting_meanings
from app.console.inspection.claims import TOKEN_CLAIMS
from app.console.policy_templates import policy_templates
from app.console.reasons import REASONS, explained

TEMPLATE = ROOT / "app" / "translations" / "messages.pot"
_METHODS = [("**.py", "python"), ("**.html", "jinja2")]
_KEYWORDS = {
    **dict.fromkeys(("_", "_l", "gettext", "lazy_gettext", "marked", "Text")),
    "ngettext": (1, 2),
}
_HEADER = "# The console's sentences. `make translations` writes this file.\n#"


def gathered() -> Catalog:
    """Every sentence that is marked, in the order of the files."""
    catalog = Catalog(project="vouchgate", header_comment=_HEADER, charset="utf-8")
    found = extract_from_dir(ROOT / "app", method_map=_METHODS, keywords=_KEYWORDS)
    for _, _, message, _, context in sorted(found, key=lambda each: (each[0], each[1])):
        catalog.add(message, context=context)
    for sentence in (*_reasons(), *_meanings(), *_settings(), *_ready_policies()):
        catalog.add(sentence)
    return catalog


def sentences(catalog: Catalog) -> list[str]:
    """The sentences of a catalogue, those with a plural by their singular, in order."""
    ids = (message.id if isinstance(message.id, str) else message.id[0] for message in catalog)
    return sorted(each for each in ids if each)


def write_template(catalog: Catalog) -> None:
    """Write the template that translations begin from; nothing in it tells when or where."""
    with TEMPLATE.open("wb") as file:
        write_po(file, catalog, no_location=True, omit_header=True, sort_output=True, width=0)


def write_marked(folder: Path, language: str) -> None:
    """A translation that only puts every sentence into brackets: what has none was not marked."""
    catalog = Catalog(locale=language, charset="utf-8")
    for message in gathered():
        if isinstance(message.id, str):
            catalog.add(message.id, f"⟦{message.id}⟧" if message.id else "")
        else:
            catalog.add(message.id, tuple(f"⟦{each}⟧" for each in message.id))
    path = folder / language / "LC_MESSAGES" / "messages.mo"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_mo(file, catalog)


def _reasons() -> Iterator[str]:
    for reason in (*REASONS.values(), explained("")):
        yield reason.sentence
        yield reason.change


def _meanings() -> Iterator[str]:
    """What claims mean and how they are judged: of evidence, of tokens, of trust vectors."""
    yield from Direction
    for tee in sorted(known_verifiers()):
        for claim in (*dictionary(tee), *HASHED_CLAIMS):
            yield claim.meaning
    yield from TOKEN_CLAIMS.values()
    yield from ABOUT.values()
    for name in ABOUT:
        yield from (meaning_of(name, value) for value in range(-128, 128))


def _ready_policies() -> Iterator[str]:
    return (each.purpose for each in policy_templates())


def _settings() -> Iterator[str]:
    for kind in vars(settings).values():
        if is_dataclass(kind):
            yield from setting_meanings(kind).values()


if __name__ == "__main__":
    write_template(gathered())
