"""Intel's collateral by name: where it is served, and by whom."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.attestation.collateral.catalogue import Form, is_collateral_name
from app.attestation.collateral.intel import IntelCatalogue, UpdateType
from app.trust.errors import ConfigError

PCS = "https://api.trustedservices.intel.com"
PCCS = "https://pccs.example:8081"

ADDRESSES = {
    "intel/tdx/tcb/00a06d080000": "/tdx/certification/v4/tcb?fmspc=00A06D080000&update=early",
    "intel/sgx/tcb/00606a000000": "/sgx/certification/v4/tcb?fmspc=00606A000000&update=early",
    "intel/tdx/qe-identity": "/tdx/certification/v4/qe/identity?update=early",
    "intel/sgx/qe-identity": "/sgx/certification/v4/qe/identity?update=early",
    "intel/pckcrl/platform": "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
    "intel/pckcrl/processor": "/sgx/certification/v4/pckcrl?ca=processor&encoding=der",
}
UNKNOWN = [
    "intel/tdx/tcb/00A06D080000",
    "intel/tdx/tcb/00a06d0800",
    "intel/tdx/tcb/00a06d080000/more",
    "intel/tdx/tcb/00a06d080000\n",
    "intel/snp/qe-identity",
    "intel/pckcrl/root",
    "intel/rootcacrl/der",
    "amd/milan/crl",
    "",
]


@pytest.mark.parametrize("name", UNKNOWN)
def test_knows_no_other_names(name: str) -> None:
    """A name that is not exactly one of Intel's maps to no address."""
    assert IntelCatalogue().find(name) is None


@pytest.mark.parametrize(
    "url", ["http://pccs.example", "ftp://pccs.example", "https://u:p@pccs.example", "pccs", ""]
)
def test_refuses_addresses_that_are_not_private(url: str) -> None:
    """Collateral comes over TLS, or from this machine."""
    with pytest.raises(ConfigError, match=r"collateral\.intel_url"):
        IntelCatalogue(url)


@pytest.mark.parametrize(("name", "path"), ADDRESSES.items())
@pytest.mark.parametrize("base", [PCS, PCCS])
def test_names_have_addresses(name: str, path: str, base: str) -> None:
    """Service and caches have the same paths, and each name is one for the offline folder, too."""
    document = IntelCatalogue(base).find(name)
    assert document is not None
    assert document.url == base + path
    assert document.max_age == timedelta(days=1)
    assert len(document.headers) == 1
    assert is_collateral_name(name)


def test_follows_the_standard_publication_where_told() -> None:
    """Sites that patch within the year may ask for what Intel publishes later."""
    catalogue = IntelCatalogue(PCS, UpdateType.STANDARD)
    for name in list(ADDRESSES)[:4]:
        document = catalogue.find(name)
        assert document is not None
        assert document.url.endswith("update=standard")


def test_the_list_of_the_root_is_where_the_root_says() -> None:
    """Intel's own service does not serve it; caches do, as hex."""
    direct, cached = (IntelCatalogue(base).find("intel/rootcacrl") for base in (PCS, PCCS))
    assert direct is not None
    assert cached is not None
    assert direct.url == "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
    assert cached.url == f"{PCCS}/sgx/certification/v4/rootcacrl"
    for body in (b"\x30\x82", b"308201"):
        assert direct.form.fits(body)
    assert not Form.DER_OR_HEX.fits(b"<html>")


def test_only_the_origin_of_an_address_is_used() -> None:
    """What Trustee's configurations have behind it is another version's path."""
    catalogue = IntelCatalogue(f"{PCCS}/sgx/certification/v4/")
    document = catalogue.find("intel/tdx/qe-identity")
    assert document is not None
    assert document.url.startswith(f"{PCCS}/tdx/")
    assert catalogue.origins == (PCCS,)
    assert IntelCatalogue().origins == (PCS, "https://certificates.trustedservices.intel.com")
    assert catalogue.offline_paths("intel/rootcacrl") == ()
