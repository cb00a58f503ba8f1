"""The claim dictionary: what each claim of each TEE means, and how it is meant to be judged.

One module for each verifier, of the same name, exports ``CLAIMS``. Paths are written as in a
policy, from the member of ``input`` that has the TEE's name: ``td_attributes.debug``,
``body["attributes.flags"]``; ``[*]`` stands for every element of a list or every member of an
object. ``report_data`` and ``init_data`` stand at the top of ``input``, beside that member.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache

from app.attestation.claim_dictionary.claims import Claim, Direction
from app.attestation.claim_dictionary.collateral import COLLATERAL_STATE
from app.attestation.verifiers import known_verifiers
from app.trust.json_types import JSONValue

__all__ = ["HASHED_CLAIMS", "Claim", "Direction", "dictionary", "find_claim", "undescribed"]

# What stands at the top of a policy's input, whatever the TEE.
TOP_CLAIMS = ("report_data", "init_data", "runtime_data_claims", "init_data_claims")

# What was hashed into two of them; the guest's to choose, and proved by the digest.
HASHED_CLAIMS = (
    Claim(
        "runtime_data_claims",
        "object, or null",
        Direction.INFORMATIVE,
        "What was hashed into report_data: the nonce by its digest, and the guest's own key.",
        "Confidential Containers, KBS attestation protocol, runtime data",
        is_open=True,
    ),
    Claim(
        "init_data_claims",
        "object, or null",
        Direction.EQUAL,
        "What was hashed into init_data: the files that the guest was started with.",
        "Confidential Containers, init data specification",
        is_open=True,
    ),
)

_EVERY = "[*]"
_STEP = re.compile(r"\[\*\]|\[\"[^\"]+\"\]|[\w-]+")
_WORD = re.compile(r"[A-Za-z_]\w*")


@cache
def dictionary(tee: str) -> tuple[Claim, ...]:
    """The claims of a TEE, in the order of its page; none for a TEE that is not known here."""
    if tee not in known_verifiers():
        return ()
    try:
        module = importlib.import_module(f"{__name__}.{tee.replace('-', '_')}")
    except ModuleNotFoundError:
        # A verifier that was installed beside the built-in ones.
        return ()
    claims: tuple[Claim, ...] = module.CLAIMS
    return (*claims, COLLATERAL_STATE)


def find_claim(tee: str, path: str) -> Claim | None:
    """The claim at a path, or the nearest one around it that speaks for its members too.

    Args:
        tee: the wire name.
        path: as written in a policy, from the member of that name.
    """
    steps = tuple(_STEP.findall(path))
    for length in range(len(steps), 0, -1):
        for claim in (*dictionary(tee), *HASHED_CLAIMS):
            if _matches(_steps_of(claim.path), steps[:length]):
                return claim if length == len(steps) or claim.is_open else None
    return None


def undescribed(tee: str, values: JSONValue) -> list[str]:
    """The paths of values that the dictionary does not know, as a verifier emitted them."""
    paths = dict.fromkeys(leaf_paths(values))
    return [path for path in paths if find_claim(tee, path) is None]


def leaf_paths(values: JSONValue, at: str = "") -> Iterator[str]:
    """The path of every value that is no object and no list; an empty one counts as a value."""
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from leaf_paths(value, member_path(at, name))
    elif isinstance(values, list) and values:
        for value in values:
            yield from leaf_paths(value, at + _EVERY)
    else:
        yield at


def member_path(at: str, name: str) -> str:
    """The path of a member, as a policy writes it."""
    if not _WORD.fullmatch(name):
        return f'{at}["{name}"]'
    return f"{at}.{name}" if at else name


@cache
def _steps_of(path: str) -> tuple[str, ...]:
    return tuple(_STEP.findall(path))


def _matches(pattern: tuple[str, ...], steps: tuple[str, ...]) -> bool:
    return len(pattern) == len(steps) and all(
        expected in (_EVERY, found) for expected, found in zip(pattern, steps, strict=True)
    )
