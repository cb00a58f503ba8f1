"""What the verifiers' pages promise: every check, and the reason codes that it refuses with.

A label is the number of a check and a code: ``"3 chain-invalid"``. Rows without a number belong to
the one above and get letters: ``"1"``, ``"1b"``, ``"1c"``. Where a page has several tables, the
first word of the line above each comes first: ``"remote 4 signature-invalid"``. Checks that a page
takes over from another one begin with its name: ``"tdx:7 signature-invalid"``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from repository import page

_ROW = re.compile(r"^\| *(?P<number>[^ |]*) *\|(?P<check>.*)\|(?P<codes>[^|]*)\|$")
_CODE = re.compile(r"`([a-z0-9-]+)`")
# The evidence of Azure's machines has its VCEK, so nobody is asked whether there is such a chip.
_NOT_REACHED = {"az-snp-vtpm": {"snp:2 platform-unknown"}}
_LETTERS = "abcdefghi"
# The page that lends checks, and their numbers there.
_BORROWED = {
    "sgx": ("tdx", (1, 2, 5, 7, 8, 12)),
    "az-snp-vtpm": ("snp", range(2, 12)),
    "az-tdx-vtpm": ("tdx", range(1, 13)),
}


def promised(tee: str) -> set[str]:
    """The labels of a verifier's page."""
    labels = {f"{check} {code}" for check, codes in _checks(tee) for code in codes}
    lender, numbers = _BORROWED.get(tee, (tee, ()))
    borrowed = {
        f"{lender}:{check} {code}"
        for check, codes in _checks(lender)
        for code in codes
        if numbers and int(check.rstrip(_LETTERS)) in numbers
    }
    return labels | borrowed - _NOT_REACHED.get(tee, set())


def _checks(tee: str) -> Iterator[tuple[str, list[str]]]:
    text = page(f"reference/verifiers/{tee}.md")
    section = text.partition("\n## Checks in order\n")[2].partition("\n## ")[0]
    paragraphs = [each.strip("\n") for each in section.split("\n\n")]
    tables = [number for number, each in enumerate(paragraphs) if each.startswith("| | check")]
    for at in tables:
        word = paragraphs[at - 1].split()[0].rstrip(",").lower() if len(tables) > 1 else ""
        number, letter = "", 0
        for line in paragraphs[at].splitlines()[2:]:
            row = _ROW.match(line)
            assert row is not None, f"{tee}: a row that is none: {line}"
            letter = 0 if row["number"] else letter + 1
            number = row["number"] or number
            check = f"{number}{_LETTERS[letter] if letter else ''}"
            yield f"{word} {check}".strip(), _CODE.findall(row["codes"])
