"""Keys of issuers elsewhere: fetched with restraint, kept through outages, and not for ever."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from fakes import NOON, FakeHTTP
from minting import Mint, ear_claims

from app.broker.compact_tokens import parse_compact_token
from app.broker.fetched_keys import MAX_AGE, REFRESH_AFTER, REFRESH_FLOOR, FetchedKeys
from app.broker.verification_keys import VerificationKey
from app.trust.errors import IssuerUnavailableError, UnknownKeyError
from app.trust.revisions import Revisions

REVISIONS = Revisions(1, 1, 1, 1)
ISSUER = "https://as.example"
URL = "https://as.example/.well-known/jwks.json"
DISCOVERY = "https://as.example/.well-known/openid-configuration"
MOMENT = timedelta(microseconds=1)


class Site:
    """An issuer's web site, and a KBS that fetches its keys."""

    def __init__(self, url: str = URL) -> None:
        self.mint = Mint()
        self.http = FakeHTTP()
        self.publish(self.mint)
        self.keys = FetchedKeys(url, ISSUER, self.http)

    def publish(self, *mints: Mint) -> None:
        """Put a key set on the site."""
        self.http.pages[URL] = json.dumps({"keys": [mint.jwk() for mint in mints]}).encode()

    def find(self, at: datetime, mint: Mint | None = None) -> VerificationKey:
        """The key of a token of a mint."""
        text = (mint or self.mint).sign(ear_claims(None))
        return self.keys.find(parse_compact_token(text), at, REVISIONS)


@pytest.fixture
def site() -> Site:
    """A site that answers."""
    return Site()


def test_refuses_when_nothing_was_ever_fetched(site: Site) -> None:
    """Without keys nothing is believed, and it is not the guest's fault."""
    site.http.down = True
    with pytest.raises(IssuerUnavailableError) as caught:
        site.find(NOON)
    assert caught.value.retry_after >= 1


@pytest.mark.parametrize(
    "page",
    [b"", b"<html>", b"[]", b'{"keys": []}', b'{"keys": 1}', b'{"keys":[],"keys":[]}'],
)
def test_refuses_what_is_no_key_set(site: Site, page: bytes) -> None:
    """A page in the place of keys is an outage."""
    site.http.pages[URL] = page
    with pytest.raises(IssuerUnavailableError):
        site.find(NOON)


def test_refuses_an_unknown_kid_after_asking_once(site: Site) -> None:
    """The issuer was asked and has no such key."""
    with pytest.raises(UnknownKeyError):
        site.find(NOON, Mint())
    assert site.http.asked.count(URL) == 2  # once to see what is there, once for the keys


def test_a_flood_of_unknown_kids_asks_at_most_at_the_floor(site: Site) -> None:
    """Nobody makes us hammer an issuer."""
    site.find(NOON)
    asked = len(site.http.asked)
    for _ in range(50):
        with pytest.raises(UnknownKeyError):
            site.find(NOON + REFRESH_FLOOR - MOMENT, Mint())
    assert len(site.http.asked) == asked
    for _ in range(50):
        with pytest.raises(UnknownKeyError):
            site.find(NOON + REFRESH_FLOOR, Mint())
    assert len(site.http.asked) == asked + 1


def test_a_new_key_is_found_when_it_appears(site: Site) -> None:
    """A rotation at the issuer needs no restart here."""
    site.find(NOON)
    new = Mint()
    site.publish(site.mint, new)
    assert site.find(NOON + REFRESH_FLOOR, new).key_id == new.key_id


def test_a_withdrawn_key_is_gone_after_the_refresh(site: Site) -> None:
    """What the issuer no longer publishes no longer verifies."""
    site.find(NOON)
    site.publish(Mint())
    site.find(NOON + REFRESH_AFTER - MOMENT)
    with pytest.raises(UnknownKeyError):
        site.find(NOON + REFRESH_AFTER)


def test_known_keys_outlast_an_outage_until_their_maximum_age(site: Site) -> None:
    """An issuer may be down for a while; its keys are not believed for ever."""
    site.find(NOON)
    site.http.down = True
    site.find(NOON + MAX_AGE - MOMENT)
    with pytest.raises(IssuerUnavailableError):
        site.find(NOON + MAX_AGE)
    site.http.down = False
    site.find(NOON + MAX_AGE + REFRESH_FLOOR)


def test_an_unknown_kid_during_an_outage_is_no_verdict(site: Site) -> None:
    """As long as the issuer cannot be asked, an unknown key may be a new one."""
    site.find(NOON)
    site.http.down = True
    for _ in range(2):
        with pytest.raises(IssuerUnavailableError):
            site.find(NOON + REFRESH_FLOOR, Mint())


def test_discovery_leads_to_the_keys() -> None:
    """The base of an issuer is enough (OpenID Connect Discovery 1.0, section 4)."""
    site = Site("https://as.example/")
    site.http.pages[DISCOVERY] = json.dumps({"issuer": ISSUER, "jwks_uri": URL}).encode()
    assert site.find(NOON).key_id == site.mint.key_id
    site.find(NOON + REFRESH_AFTER)
    assert site.http.asked.count(DISCOVERY) == 1


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example", "jwks_uri": URL},
        {"jwks_uri": URL},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": 7},
        {"issuer": ISSUER, "jwks_uri": "http://as.example/jwks.json"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/keys"},
        {"issuer": ISSUER, "jwks_uri": "https://[bad"},
    ],
    ids=["other issuer", "no issuer", "no keys", "no text", "plain http", "file", "no url"],
)
def test_refuses_discovery_that_leads_elsewhere(document: dict[str, Any]) -> None:
    """Discovery names this issuer and keys behind TLS, or nothing."""
    site = Site("https://as.example")
    site.http.pages[DISCOVERY] = json.dumps(document).encode()
    for url in ("http://as.example/jwks.json", "file:///etc/keys"):
        site.http.pages[url] = site.http.pages[URL]
    with pytest.raises(IssuerUnavailableError):
        site.find(NOON)


def test_one_thread_asks_for_all(site: Site) -> None:
    """Many guests after a restart are one request to the issuer."""
    barrier, found = Barrier(8), []

    def find() -> None:
        barrier.wait()
        found.append(site.find(NOON).key_id)

    threads = [Thread(target=find) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [site.mint.key_id] * 8
    assert site.http.asked.count(URL) == 2
