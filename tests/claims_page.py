"""The page of the claim dictionary, made from the dictionary.

``python tests/claims_page.py`` writes docs/reference/claims.md; a test compares the two.
"""

from __future__ import annotations

from pathlib import Path

from app.attestation import verifiers
from app.attestation.claim_dictionary import HASHED_CLAIMS, Claim, Direction, dictionary

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "claims.md"

_HEAD = """\
# Claims

What each verifier finds out, claim by claim.
A policy sees the claims of a TEE under its wire name: `input.snp.measurement`, \
`input["az-snp-vtpm"].tpm.pcr11`.
`report_data` and `init_data` are the exception: they stand at the top of `input`, beside \
`runtime_data_claims` and `init_data_claims`, which are what was hashed into them.
`[*]` stands for every element of a list, or every member of an object.

The default policies read the reference values that are named here; \
[attestation policies](attestation-policies.md) says how.
The console shows the same sentences beside the claims of a decision.
This page is made from `app/attestation/claim_dictionary` by `python tests/claims_page.py`.

## How a claim is judged

| words | mean |
|---|---|
"""
_TABLE = """\
| claim | value | judged | meaning | reference values | defined in |
|---|---|---|---|---|---|
"""
_DIRECTIONS = {
    Direction.EQUAL: "You register the values that you accept; another one is another thing.",
    Direction.HIGHER: "A version: what is lower lacks fixes that you may want.",
    Direction.LATER: "A date: what is earlier is older.",
    Direction.TRUE: "Anything but true is a reason not to trust.",
    Direction.FALSE: "Anything but false is a reason not to trust.",
    Direction.FIXED: "Anything but the value given here is a reason not to trust.",
    Direction.CHECKED: "Evidence in which it differs is refused, so a policy need not look.",
    Direction.INFORMATIVE: "Useful to know; it says nothing for or against the guest.",
}


def rendered() -> str:
    """The text of the page."""
    parts = [_HEAD]
    parts += [f"| {direction} | {text} |\n" for direction, text in _DIRECTIONS.items()]
    parts.append("\n## Beside every TEE\n\n")
    parts += [_TABLE, *(_row(claim) for claim in HASHED_CLAIMS)]
    for name in verifiers._built_in():
        parts.append(f"\n## {name}\n\nVerified as [{name}](verifiers/{name}.md) describes.\n\n")
        parts.append(_TABLE)
        parts += [_row(claim) for claim in dictionary(name)]
    return "".join(parts)


def _row(claim: Claim) -> str:
    judged = f"{claim.direction}: `{claim.good}`" if claim.good else claim.direction
    names = ", ".join(f"`{name}`" for name in claim.reference_values)
    cells = (f"`{claim.path}`", claim.type, judged, claim.meaning, names, claim.source)
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
