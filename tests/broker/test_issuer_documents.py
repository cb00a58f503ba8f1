"""What an issuer publishes: asked with restraint, and shown before anyone trusts it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes import FakeHTTP
from minting import Mint

from app.broker.issuer_documents import IssuerDocuments, discover, is_safe
from app.trust.errors import IssuerUnusableError

BASE = "https://as.example"
DISCOVERY = f"{BASE}/.well-known/openid-configuration"
KEYS = f"{BASE}/keys"


@pytest.fixture
def web() -> FakeHTTP:
    """A web with nothing in it."""
    return FakeHTTP()


def put(web: FakeHTTP, url: str, document: Any) -> None:
    """A document at an address."""
    web.pages[url] = json.dumps(document).encode()


@pytest.mark.parametrize(
    "url",
    [
        "http://as.example",
        "ftp://as.example",
        "file:///etc/passwd",
        "https://",
        "https://user:pw@as.example",
        "https://as.example/#x",
        "https://as.example:x",
        "https://as.example/a b",
        "https://as.example/\n",
        "https://" + "a" * 3000,
        "//as.example",
        "as.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0",
        "",
    ],
)
def test_addresses_that_are_none_to_ask(web: FakeHTTP, url: str) -> None:
    """Nothing is sent there."""
    with pytest.raises(IssuerUnusableError, match="begins with https"):
        discover(IssuerDocuments(web), url)
    assert web.asked == []


@pytest.mark.parametrize(
    ("url", "allows_http", "safe"),
    [
        ("https://as.example:8443/x", False, True),
        ("http://127.0.0.1:8080", False, True),
        ("http://[::1]:8080", False, True),
        ("http://as.example", True, True),
        ("http://as.example", False, False),
    ],
)
def test_plain_http_is_for_loopback(url: str, allows_http: bool, safe: bool) -> None:
    """Unless a setting says otherwise."""
    assert is_safe(url, allows_http=allows_http) is safe


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": BASE},
        {"jwks_uri": KEYS},
        {"issuer": BASE, "jwks_uri": 1},
        {"issuer": BASE, "jwks_uri": "http://169.254.169.254/latest"},
        {"issuer": BASE, "jwks_uri": "file:///etc/passwd"},
        [],
    ],
)
def test_discovery_that_leads_nowhere_good_is_refused(web: FakeHTTP, document: Any) -> None:
    """A document cannot send the server to where an operator could not."""
    put(web, DISCOVERY, document)
    with pytest.raises(IssuerUnusableError):
        discover(IssuerDocuments(web), BASE)
    assert set(web.asked) <= {BASE, DISCOVERY}


@pytest.mark.parametrize("keys", [[], [{"kty": "oct", "k": "AA"}], "x"])
def test_a_key_set_without_a_usable_key_is_refused(web: FakeHTTP, keys: Any) -> None:
    """Nothing could be verified by it."""
    put(web, KEYS, {"keys": keys})
    with pytest.raises(IssuerUnusableError):
        discover(IssuerDocuments(web), KEYS)


def test_nothing_of_another_answer_is_told(web: FakeHTTP) -> None:
    """What a service on the inside says is not carried out by an error."""
    web.pages[BASE] = b"the inside speaks"
    web.pages[DISCOVERY] = b'{"secret": "of the inside"}'
    with pytest.raises(IssuerUnusableError) as caught:
        discover(IssuerDocuments(web), BASE)
    assert "inside" not in caught.value.message


def test_discovery_shows_name_and_keys(web: FakeHTTP) -> None:
    """With thumbprints to be compared, and the algorithms that the keys have."""
    mint = Mint()
    put(web, DISCOVERY, {"issuer": BASE, "jwks_uri": KEYS})
    put(web, KEYS, {"keys": [mint.jwk()]})
    found = discover(IssuerDocuments(web), BASE)
    assert (found.iss, found.key_set_url) == (BASE, KEYS)
    assert found.thumbprints == (mint.key_id,)
    assert "ES256" in found.algorithms


def test_a_key_set_itself_names_nobody(web: FakeHTTP) -> None:
    """Then the operator says whose it is."""
    put(web, KEYS, {"keys": [Mint().jwk()]})
    assert discover(IssuerDocuments(web), KEYS).iss is None
