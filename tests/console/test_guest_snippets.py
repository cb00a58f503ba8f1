"""Files for guests are what guests read: upstream's keys, our own guest's parser."""

from __future__ import annotations

import tomllib

import pytest

from app.console.guest_snippets import GuestAddresses, guest_snippets
from guest.wire.init_data import parse_init_data

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
URL = 'https://vouchgate.example:8443/a"b\\c'


@pytest.mark.parametrize("authority", [None, PEM])
def test_both_agents_find_the_server(authority: str | None) -> None:
    """By its address, and with its authority where there is one."""
    snippets = guest_snippets(GuestAddresses(URL, URL, authority))
    aa, cdh = tomllib.loads(snippets.aa), tomllib.loads(snippets.cdh)
    for service in (aa["token_configs"]["coco_as"], aa["token_configs"]["kbs"]):
        assert service == {"url": URL} | ({"cert": PEM} if authority else {})
    assert cdh["kbc"] == {"name": "cc_kbc", "url": URL} | ({"kbs_cert": PEM} if authority else {})
    assert snippets.authority == (authority or "")


def test_init_data_holds_both_files() -> None:
    """Byte for byte, in the form that the guest binds."""
    snippets = guest_snippets(GuestAddresses(URL, URL, PEM))
    parsed = parse_init_data(snippets.init_data)
    assert (parsed.version, parsed.algorithm) == ("0.1.0", "sha384")
    assert parsed.data == {"aa.toml": snippets.aa, "cdh.toml": snippets.cdh}


def test_a_server_without_a_kbs_has_no_file_for_the_hub() -> None:
    """And the agent asks the AS alone."""
    snippets = guest_snippets(GuestAddresses("https://as.example", None, None))
    assert list(tomllib.loads(snippets.aa)["token_configs"]) == ["coco_as"]
    assert snippets.cdh == ""
    assert list(parse_init_data(snippets.init_data).data) == ["aa.toml"]


def test_a_console_alone_has_no_guests() -> None:
    """Nothing is invented."""
    snippets = guest_snippets(GuestAddresses(None, None, None))
    assert (snippets.aa, snippets.cdh) == ("", "")
