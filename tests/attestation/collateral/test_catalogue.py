"""Names, forms and addresses of collateral."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.attestation.collateral.catalogue import (
    Form,
    checked_base_url,
    is_collateral_name,
    origin_of,
)
from app.trust.errors import ConfigError

NOT_NAMES = [
    "",
    "amd",
    "/amd/milan",
    "amd/milan/",
    "amd//milan",
    "amd/../milan",
    "amd/./milan",
    "../amd/milan",
    "amd/.milan",
    "AMD/milan",
    "amd\\milan",
    "amd/mil an",
    "amd/milan\n",
    "amd/milan\0",
    "amd/%2e%2e",
    "amd/milän",
    "amd/" + "a" * 201,
    "a/" * 8 + "a",
]


@pytest.mark.parametrize("name", NOT_NAMES)
def test_what_could_leave_a_folder_is_no_name(name: str) -> None:
    """Names become paths and parts of addresses."""
    assert not is_collateral_name(name)


@given(st.text(alphabet="abc0129._-/\\\0 ", max_size=30))
def test_a_name_has_no_part_that_a_file_system_interprets(name: str) -> None:
    """Whatever is accepted."""
    if is_collateral_name(name):
        parts = name.split("/")
        assert all(part not in {"", ".", ".."} and not part.startswith(".") for part in parts)


BAD_URLS = [
    "",
    "kdsintf.amd.com",
    "http://kdsintf.amd.com",
    "ftp://kdsintf.amd.com",
    "https://",
    "https://user@kdsintf.amd.com",
    "https://user:secret@kdsintf.amd.com",
    "https://kdsintf.amd.com/?x=1",
    "https://kdsintf.amd.com/#x",
    "https://kdsintf.amd.com:99999",
    "https://[::1",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_address_that_is_not_safe_is_refused(url: str) -> None:
    """Https, and nothing in it that is secret or ambiguous; the fault names the setting."""
    with pytest.raises(ConfigError, match=r"collateral\.x_url"):
        checked_base_url("collateral.x_url", url)


@pytest.mark.parametrize(
    "url",
    ["https://kdsintf.amd.com", "https://a:8443/base", "http://127.0.0.1:8080", "http://[::1]:1"],
)
def test_https_and_loopback_are_accepted(url: str) -> None:
    """A mirror on the same machine needs no certificate."""
    assert checked_base_url("x", url) == url
    assert checked_base_url("x", url + "/") == url
    assert checked_base_url("x", "http://localhost:1")


def test_an_origin_is_scheme_host_and_port() -> None:
    """In lower case."""
    assert origin_of("HTTPS://Host.example:8443/a?b") == "https://host.example:8443"


def test_a_form_is_told_by_how_it_begins() -> None:
    """An error page is none of them."""
    assert Form.PEM.fits(b"-----BEGIN CERTIFICATE-----")
    assert Form.DER.fits(b"0\x82")
    assert Form.JSON.fits(b'{"tcbInfo"')
    assert not any(form.fits(b"<html>") for form in Form)
    assert not any(form.fits(b"") for form in Form)
