"""Where AMD serves what, and where offline folders have it."""

from __future__ import annotations

import pytest

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.catalogue import Form, is_collateral_name
from app.trust.errors import ConfigError

CHIP = "0f" * 64
TURIN = "0102030405060708"
TCB = "bl03_tee00_snp14_ucode209"
URLS = {
    "amd/milan/cert_chain": "/vcek/v1/Milan/cert_chain",
    "amd/genoa/vlek_cert_chain": "/vlek/v1/Genoa/cert_chain",
    "amd/turin/crl": "/vcek/v1/Turin/crl",
    f"amd/genoa/vcek/{CHIP}/{TCB}": (
        f"/vcek/v1/Genoa/{CHIP}?blSPL=03&teeSPL=00&snpSPL=14&ucodeSPL=209"
    ),
    f"amd/turin/vcek/{TURIN}/{TCB}_fmc00": (
        f"/vcek/v1/Turin/{TURIN}?fmcSPL=00&blSPL=03&teeSPL=00&snpSPL=14&ucodeSPL=209"
    ),
}
UNKNOWN = [
    "amd/rome/cert_chain",
    "amd/milan/cert_chain/x",
    "amd/milan/asvk",
    f"amd/milan/vcek/{CHIP}",
    f"amd/milan/vcek/{CHIP[:-1]}/{TCB}",
    f"amd/milan/vcek/{CHIP.upper()}/{TCB}",
    f"amd/milan/vcek/{CHIP}/bl3_tee0_snp14_ucode209",
    f"amd/milan/vcek/{CHIP}/{TCB}&x=1",
    f"amd/milan/vlek/{CHIP}/{TCB}",
]


@pytest.mark.parametrize("name", URLS)
def test_a_name_has_the_address_that_amd_documents(name: str) -> None:
    """Upper and lower case as the service wants them, numbers with two digits at least."""
    document = AMDCatalogue().find(name)
    assert is_collateral_name(name)
    assert document is not None
    assert document.url == "https://kdsintf.amd.com" + URLS[name]


@pytest.mark.parametrize("name", UNKNOWN)
def test_another_name_has_none(name: str) -> None:
    """Nothing is sent to AMD that AMD has not documented."""
    assert AMDCatalogue().find(name) is None
    assert AMDCatalogue().offline_paths(name) == ()


def test_a_mirror_is_asked_in_the_place_of_amd() -> None:
    """With its own path, and no other origin."""
    catalogue = AMDCatalogue("http://127.0.0.1:8080/kds/")
    document = catalogue.find("amd/milan/crl")
    assert document is not None
    assert document.url == "http://127.0.0.1:8080/kds/vcek/v1/Milan/crl"
    assert catalogue.origins == ("http://127.0.0.1:8080",)


def test_a_mirror_off_loopback_needs_https() -> None:
    """What it says is signed; what is asked is nobody's business."""
    with pytest.raises(ConfigError, match=r"collateral\.amd_url"):
        AMDCatalogue("http://mirror.example")


def test_only_what_may_change_grows_old() -> None:
    """And only what anyone can name is not kept at once."""
    catalogue = AMDCatalogue()
    chain, crl, vcek = (
        catalogue.find(name)
        for name in ("amd/milan/cert_chain", "amd/milan/crl", f"amd/milan/vcek/{CHIP}/{TCB}")
    )
    assert chain is not None
    assert crl is not None
    assert vcek is not None
    assert chain.max_age is not None
    assert crl.max_age is not None
    assert crl.max_age < chain.max_age
    assert vcek.max_age is None
    assert (chain.countable, crl.countable, vcek.countable) == (True, True, False)
    assert (chain.form, crl.form, vcek.form) == (Form.PEM, Form.DER, Form.DER)


def test_trustees_offline_store_is_known() -> None:
    """By TCB first, then whatever there is of the chip."""
    assert AMDCatalogue().offline_paths(f"amd/turin/vcek/{TURIN}/{TCB}_fmc00") == (
        f"vcek/{TURIN}/{TCB}_fmc00_vcek.der",
        f"vcek/{TURIN}/vcek.der",
    )
