"""MRCONFIGID of real quotes."""

from __future__ import annotations

import json

import pytest
from paths import VECTORS

from guest.devices.td_quote import mr_config_id
from guest.errors import DeviceError

QUOTES = ("tdx_quote_4", "tdx_quote_5", "tdx_quote_6")


@pytest.mark.parametrize("name", QUOTES)
def test_agrees_with_another_parser(name: str) -> None:
    """Quotes of both versions, one with a field that is not zero; claims by another parser."""
    folder = VECTORS / "tdx"
    claims = json.loads((folder / f"{name}.claims.json").read_text())
    expected = claims["quote"]["body"]["mr_config_id"]
    assert mr_config_id((folder / f"{name}.dat").read_bytes()).hex() == expected


def test_refuses_every_truncation() -> None:
    """Up to the end of the field."""
    quote = (VECTORS / "tdx" / "tdx_quote_6.dat").read_bytes()
    for size in range(48 + 184 + 48):
        with pytest.raises(DeviceError):
            mr_config_id(quote[:size])


def test_refuses_an_sgx_quote() -> None:
    """It has another body."""
    quote = (VECTORS / "tdx" / "tdx_quote_4.dat").read_bytes()
    with pytest.raises(DeviceError):
        mr_config_id(quote[:4] + bytes(4) + quote[8:])
