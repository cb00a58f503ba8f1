"""Keys of the built-in service and of files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import NOON
from joserfc.jwk import Key
from minting import Mint, ear_claims

from app.broker.compact_tokens import parse_compact_token
from app.broker.issuer_keys import BuiltInKeys, FileKeys
from app.trust.errors import ConfigError, UnknownKeyError
from app.trust.revisions import Revisions

REVISIONS = Revisions(1, 1, 1, 1)


class Ring:
    """The port ``TokenKeyRing``; counts how often it is asked."""

    def __init__(self, *mints: Mint) -> None:
        self.mints = list(mints)
        self.reads = 0

    def verification_keys(self, revisions: Revisions) -> dict[str, Key]:
        """Every key, the private half included, as a careless ring might."""
        self.reads += 1
        return {mint.key_id: mint.key for mint in self.mints}


def test_built_in_keys_follow_a_rotation_at_the_next_revision() -> None:
    """Old keys verify as long as the ring has them, and are parsed once a revision."""
    old, new = Mint(), Mint()
    ring = Ring(old)
    keys = BuiltInKeys(ring)
    token = parse_compact_token(new.sign(ear_claims(None)))
    with pytest.raises(UnknownKeyError):
        keys.find(token, NOON, REVISIONS)
    ring.mints.append(new)
    with pytest.raises(UnknownKeyError):
        keys.find(token, NOON, REVISIONS)
    later = replace(REVISIONS, signing_keys=2)
    found = keys.find(token, NOON, later)
    assert (found.key_id, found.key.is_private) == (None, False)
    assert found.thumbprint == new.key_id
    keys.find(token, NOON, REVISIONS)
    assert ring.reads == 2


def test_a_key_file_is_read_once(tmp_path: Path) -> None:
    """The operator's file is the whole trust."""
    mint, path = Mint(), tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [mint.jwk()]}))
    keys = FileKeys.load(path)
    path.unlink()
    token = parse_compact_token(mint.sign(ear_claims(None)))
    assert keys.find(token, NOON, REVISIONS).key_id == mint.key_id


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"keys": []}', '{"keys": [{"kty": "oct"}]}']
)
def test_refuses_to_start_with_a_file_without_keys(tmp_path: Path, text: str | None) -> None:
    """The fault names the file."""
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        FileKeys.load(path)
    assert str(path) in caught.value.faults[0]
