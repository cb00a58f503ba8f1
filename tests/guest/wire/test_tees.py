"""Wire names of TEEs."""

from __future__ import annotations

from typing import Any

import pytest

from guest.wire.errors import WireError
from guest.wire.tees import TEES, parse_tee


@pytest.mark.parametrize("value", [None, 1, "", "SNP", "-snp", "snp ", "snp\n", "a" * 33, "a/b"])
def test_refuses_what_is_no_name(value: Any) -> None:
    """Names reach logs, metrics and file look-ups, so their alphabet is small."""
    with pytest.raises(WireError):
        parse_tee(value)


def test_takes_every_name_of_the_protocol() -> None:
    """wire.md 2.3."""
    assert {parse_tee(tee) for tee in TEES} == TEES
    assert len(TEES) == 14
