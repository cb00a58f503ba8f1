"""Finding drivers of key management services."""

from __future__ import annotations

import pytest

from guest.errors import UnknownProviderError
from guest.kms.ports import KMSOptions
from guest.kms.registry import open_kms


@pytest.mark.parametrize(
    "provider", ["", "azurekms", "registry", "ports", "wiping", "KBS", "os", "kbs.x", "../kbs"]
)
def test_refuses_other_names(provider: str) -> None:
    """The message says which there are."""
    with pytest.raises(UnknownProviderError, match=r"those here: .*kbs"):
        open_kms(provider, KMSOptions(lambda _: b""))
