"""The guest's errors."""

from __future__ import annotations

import re

from guest.errors import GuestError


def leaves(kind: type[GuestError]) -> set[type[GuestError]]:
    """Every error with a code of its own."""
    below = {kind for child in kind.__subclasses__() for kind in leaves(child)}
    return below | ({kind} if "code" in vars(kind) else set())


def test_codes_and_exit_codes_are_unique() -> None:
    """Scripts tell reasons apart by them."""
    kinds = leaves(GuestError)
    assert len(kinds) > 15
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert len({kind.exit_code for kind in kinds}) == len(kinds)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code) for kind in kinds)
    assert all(0 < kind.exit_code < 126 for kind in kinds)
