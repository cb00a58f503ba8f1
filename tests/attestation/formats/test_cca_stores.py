"""The operator's files about CCA platforms."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS

from app.attestation.formats.cca_stores import (
    MAX_FILE_BYTES,
    StoreFormatError,
    WatchedFile,
    parse_platform_references,
    parse_trust_anchors,
)
from app.attestation.formats.cca_token import CCAToken
from app.trust.errors import CollateralUnavailableError

CCA = VECTORS / "cca"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.sampled_from(["pkey", "platform"]), each),
)


@settings(max_examples=150)
@given(JSON)
def test_any_json_parses_or_is_told(value: Any) -> None:
    """Nothing but the error of the layout comes out."""
    for parse in (parse_trust_anchors, parse_platform_references):
        try:
            assert not parse(value)
        except StoreFormatError:
            continue


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A mistake in a path must not fill the memory."""
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(CollateralUnavailableError, match=r"^large\.json: longer"):
        WatchedFile(path, parse_trust_anchors).content()


@pytest.mark.parametrize("name", ["gone.json", ""])
def test_a_file_that_is_not_there_is_unavailable(tmp_path: Path, name: str) -> None:
    """Nor is a folder one; the message does not say where it should be."""
    with pytest.raises(CollateralUnavailableError) as refusal:
        WatchedFile(tmp_path / name, parse_trust_anchors).content()
    assert str(tmp_path) not in refusal.value.message


def test_a_file_is_read_when_it_was_changed(tmp_path: Path) -> None:
    """And only then."""
    path, read = tmp_path / "counted.json", []
    watched = WatchedFile(path, read.append)
    for text, at in (("1", 1), ("1", 1), ("2", 2), ("2", 3)):
        path.write_text(text, "utf-8")
        os.utime(path, (at, at))
        watched.content()
    assert read == [1, 2, 2]


def test_the_published_files_know_the_published_token() -> None:
    """Its key, and what its platform runs."""
    token = CCAToken.parse((CCA / "cca-example-token.cbor").read_bytes())
    anchors = parse_trust_anchors(json.loads((CCA / "tastore.json").read_text("utf-8")))
    token.platform_message.verify(anchors[token.platform.instance_id].key)
    (reference,) = parse_platform_references(json.loads((CCA / "rvstore.json").read_text("utf-8")))
    assert reference.matches(token.platform)
