"""Whatever whoever seals may write ends in a typed error, before anyone is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kms_rigs.rig import no_resource

from guest.errors import GuestError
from guest.kms.azure import KeyURL
from guest.kms.pkcs11 import KeyURI
from guest.kms.ports import KMSOptions
from guest.kms.registry import open_kms, provider_names
from guest.kms_settings import KMSAccess

NAMES = [
    "region", "mount", "namespace", "client_type", "kms_instance_id", "client_key_id", "region_id",
    "token_path", "endpoint", "other",
]  # fmt: skip
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["client_key", "ecs_ram_role", "sts_token", "eu-west-1", "../x", "a\0b"])
    | st.lists(st.text(max_size=3), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)
)
NOWHERE = KMSAccess(Path("/nonexistent"), "http://127.0.0.1:1", module=Path("/nonexistent.so"))


@pytest.mark.parametrize("provider", [name for name in provider_names() if name != "kbs"])
@settings(max_examples=20, deadline=None)
@given(given_settings=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
def test_any_settings_end_in_a_typed_error(provider: str, given_settings: Any) -> None:
    """Those that fit need credentials, and there are none."""
    with pytest.raises(GuestError):
        open_kms(provider, KMSOptions(no_resource, given_settings, NOWHERE))


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=40)
    | st.from_regex(r"pkcs11:(token|object|id|serial|pin-value)=.{0,6}(;(token|object|id)=.{0,6})*")
    | st.from_regex(r"https://.{0,8}\.vault\.azure\.net/keys/.{0,8}")
)
def test_any_key_id_is_read_or_refused(key_id: str) -> None:
    """What is read has no place for anything but names."""
    for parse in (KeyURI.parse, KeyURL.parse):
        try:
            read: Any = parse(key_id)
        except GuestError:
            continue
        if isinstance(read, KeyURL):
            assert read.vault.endswith(".vault.azure.net")
            assert f"{read.vault}/keys/{read.name}" in key_id
        else:
            assert read.token or read.serial
