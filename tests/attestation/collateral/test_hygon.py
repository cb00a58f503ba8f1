"""Where Hygon serves what, and where offline folders have it."""

from __future__ import annotations

import pytest

from app.attestation.collateral.catalogue import is_collateral_name
from app.attestation.collateral.hygon import HygonCatalogue, pair_name
from app.trust.errors import ConfigError

NAME = "hygon/hsk_cek/kpa64911240507"
UNKNOWN = [
    "hygon/hrk",
    "hygon/hsk_cek",
    "hygon/hsk_cek/",
    "hygon/hsk_cek/KPA64911240507",
    "hygon/hsk_cek/kpa&x=1",
    "hygon/hsk_cek/kpa/x",
    "hygon/hsk_cek/..",
    "hygon/hsk_cek/kpa%2f",
    "hygon/hsk_cek/kpa\n",
    "hygon/hsk_cek/\u0661",
    "hygon/hsk_cek/" + "a" * 65,
    "hygon/crl/kpa",
]


@pytest.mark.parametrize("name", UNKNOWN)
def test_another_name_has_no_address(name: str) -> None:
    """Nothing is sent to Hygon that is not a serial number."""
    assert HygonCatalogue().find(name) is None
    assert HygonCatalogue().offline_paths(name) == ()


@pytest.mark.parametrize("url", ["http://mirror.example", "https://mirror.example/?x", "mirror"])
def test_a_mirror_is_asked_over_https(url: str) -> None:
    """Or on loopback."""
    with pytest.raises(ConfigError):
        HygonCatalogue(url)


def test_a_serial_number_has_its_address() -> None:
    """With the capitals that Hygon writes."""
    document = HygonCatalogue().find(NAME)
    assert pair_name("KPA64911240507") == NAME
    assert is_collateral_name(NAME)
    assert document is not None
    assert document.url == "https://cert.hygon.cn/hsk_cek?snumber=KPA64911240507"
    assert not document.countable
    assert document.max_age is None


def test_only_certificates_are_taken_from_the_service() -> None:
    """An error page does not begin as one does."""
    document = HygonCatalogue().find(NAME)
    assert document is not None
    assert document.form.fits(b"\x01\x00\x00\x00HSK")
    assert not document.form.fits(b"<html>")


def test_trustees_folders_are_read() -> None:
    """That of processors, and that of DCUs."""
    assert HygonCatalogue().offline_paths(NAME) == (
        "hsk_cek/KPA64911240507/hsk_cek.cert",
        "KPA64911240507_hsk_cek.cert",
    )


def test_a_mirror_is_asked_in_the_place_of_hygon() -> None:
    """With its own path, and no other origin."""
    catalogue = HygonCatalogue("http://127.0.0.1:8080/hygon/")
    document = catalogue.find(NAME)
    assert document is not None
    assert document.url == "http://127.0.0.1:8080/hygon/hsk_cek?snumber=KPA64911240507"
    assert catalogue.origins == ("http://127.0.0.1:8080",)
