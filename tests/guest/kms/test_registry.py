"""Finding drivers of key management services."""

from __future__ import annotations

import pytest

from guest.errors import UnknownProviderError
from guest.kms.ports import KMSOptions
from guest.kms.registry import open_kms, provider_names


@pytest.mark.parametrize(
    "provider", ["", "aws", "registry", "ports", "KBS", "os", "kbs.x", "../kbs"]
)
def test_refuses_other_names(provider: str) -> None:
    """The message says which there are."""
    with pytest.raises(UnknownProviderError, match=r"those here: .*kbs"):
        open_kms(provider, KMSOptions(lambda _: b""))


def test_every_driver_opens() -> None:
    """Each has the function that its port asks for."""
    assert provider_names() == ["kbs"]
    for provider in provider_names():
        assert open_kms(provider, KMSOptions(lambda _: b""))
