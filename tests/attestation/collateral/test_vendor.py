"""Vendors' services: asked seldom, believed little."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from fakes import NOON, FakeClock

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.catalogue import Form, VendorDocument
from app.attestation.collateral.ports import Collateral
from app.attestation.collateral.vendor import MAX_BODY_BYTES, VendorSource
from app.trust.errors import CollateralUnavailableError
from app.trust.http_client import HTTPReply, OutsideError

NAME = "amd/milan/crl"
URL = "https://kdsintf.amd.com/vcek/v1/Milan/crl"
CHIP = "0f" * 64


@dataclass
class FakeClient:
    """The port ``HTTPClient``: answers from a table.

    Attributes:
        replies: by address; an error is raised.
        asked: the addresses, in order.
        gate: every answer waits for it.
    """

    replies: dict[str, HTTPReply | OutsideError]
    asked: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def get(self, url: str) -> HTTPReply:
        """The answer of the table."""
        self.asked.append(url)
        self.gate.wait(10)
        reply = self.replies.get(url, HTTPReply(404, {}, b""))
        if isinstance(reply, OutsideError):
            raise reply
        return reply

    def post(self, url: str, body: bytes, media_type: str) -> HTTPReply:
        """Nothing is ever posted."""
        raise AssertionError(url, body, media_type)

    def post_json(self, url: str, body: bytes) -> HTTPReply:
        """Nothing is ever posted."""
        raise AssertionError(url)


@dataclass(frozen=True)
class Elsewhere:
    """A catalogue that sends to a place it was not configured with."""

    prefix: str = "else/"
    origins: tuple[str, ...] = ("https://configured.example",)

    def find(self, name: str) -> VendorDocument | None:
        """A document at another host."""
        return VendorDocument(f"https://other.example/{name}", Form.DER, headers=("x-chain",))

    def offline_paths(self, name: str) -> Sequence[str]:
        """None."""
        return ()

    def standing(self, tee: str) -> Sequence[str]:
        """None."""
        return ()


@pytest.fixture
def clock() -> FakeClock:
    """Turned by hand."""
    return FakeClock()


def ask(reply: HTTPReply | OutsideError, clock: FakeClock | None = None) -> Collateral | None:
    """What a service makes of one answer."""
    source = VendorSource([AMDCatalogue()], clock or FakeClock(), FakeClient({URL: reply}))
    return source.find(NAME)


def test_a_document_is_dated_and_tells_where_it_is_from() -> None:
    """What the service said, and nothing else."""
    found = ask(HTTPReply(200, {"server": "x"}, b"0\x00"))
    assert found == Collateral(NAME, b"0\x00", {}, NOON, "https://kdsintf.amd.com")


def test_headers_that_belong_to_a_document_are_taken() -> None:
    """Only those the catalogue names."""
    catalogue = Elsewhere(origins=("https://other.example",))
    reply = HTTPReply(200, {"x-chain": "a", "x-other": "b"}, b"0\x00")
    client = FakeClient({"https://other.example/else/a": reply})
    found = VendorSource([catalogue], FakeClock(), client).find("else/a")
    assert found is not None
    assert found.unverified_headers == {"x-chain": "a"}


@pytest.mark.parametrize("status", [400, 404, 410])
def test_what_the_vendor_does_not_have_is_none(status: int) -> None:
    """It is an answer, not an outage."""
    assert ask(HTTPReply(status, {}, b"<html>")) is None


OUTAGES: dict[str, tuple[HTTPReply | OutsideError, int]] = {
    "no answer": (OutsideError("no answer"), 15),
    "too many": (HTTPReply(429, {"retry-after": "120"}, b""), 120),
    "down": (HTTPReply(503, {"retry-after": "7"}, b""), 7),
    "broken": (HTTPReply(500, {}, b""), 15),
    "a date": (HTTPReply(503, {"retry-after": "Sun, 01 Mar 2026 12:05:00 GMT"}, b""), 300),
    "a date that is over": (
        HTTPReply(429, {"retry-after": "Sat, 28 Feb 2026 12:00:00 GMT"}, b""),
        1,
    ),
    "a date without a zone": (
        HTTPReply(429, {"retry-after": "Sun, 01 Mar 2026 12:05:00"}, b""),
        15,
    ),
    "for ever": (HTTPReply(503, {"retry-after": "9" * 9}, b""), 3600),
    "nonsense": (HTTPReply(503, {"retry-after": "-1"}, b""), 15),
    "zero": (HTTPReply(503, {"retry-after": "0"}, b""), 1),
    "elsewhere": (HTTPReply(302, {"location": "https://other.example"}, b""), 15),
    "an empty page": (HTTPReply(200, {}, b""), 15),
    "a sign-in page": (HTTPReply(200, {}, b"<html>"), 15),
    "too long": (HTTPReply(200, {}, b"0" * (MAX_BODY_BYTES + 1)), 15),
}


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_says_when_to_try_again(name: str) -> None:
    """Nothing that is no document is taken for one."""
    reply, retry_after = OUTAGES[name]
    with pytest.raises(CollateralUnavailableError) as refusal:
        ask(reply)
    assert refusal.value.retry_after == retry_after


def test_names_of_no_vendor_are_asked_of_nobody(clock: FakeClock) -> None:
    """Nor are kinds of documents that a vendor does not have."""
    client = FakeClient({})
    source = VendorSource([AMDCatalogue()], clock, client)
    assert source.find("acme/milan/crl") is None
    assert source.find("amd/milan/secret") is None
    assert not client.asked


def test_only_configured_origins_are_asked(clock: FakeClock) -> None:
    """Whatever a catalogue says."""
    client = FakeClient({})
    assert VendorSource([Elsewhere()], clock, client).find("else/a") is None
    assert not client.asked


@pytest.mark.parametrize(
    "reply", [OutsideError("no answer"), HTTPReply(429, {"retry-after": "15"}, b"")]
)
def test_a_service_that_is_down_is_left_alone_for_a_while(
    clock: FakeClock, reply: HTTPReply | OutsideError
) -> None:
    """Each attempt would cost a thread its time limit."""
    client = FakeClient({URL: reply})
    source = VendorSource([AMDCatalogue()], clock, client)
    for _ in range(3):
        with pytest.raises(CollateralUnavailableError):
            source.find(NAME)
    assert len(client.asked) == 1
    clock.forward(seconds=15)
    client.replies[URL] = HTTPReply(200, {}, b"0\x00")
    assert source.find(NAME) is not None


def test_an_outage_that_lasts_is_asked_about_ever_more_seldom(clock: FakeClock) -> None:
    """Up to every ten minutes; one answer of any kind ends it."""
    client = FakeClient({URL: OutsideError("no answer")})
    source = VendorSource([AMDCatalogue()], clock, client)
    rests = []
    for _ in range(8):
        with pytest.raises(CollateralUnavailableError) as refusal:
            source.find(NAME)
        rests.append(refusal.value.retry_after)
        clock.forward(seconds=refusal.value.retry_after)
    assert rests == [15, 30, 60, 120, 240, 480, 600, 600]
    client.replies[URL] = HTTPReply(404, {}, b"")
    assert source.find(NAME) is None
    client.replies[URL] = OutsideError("no answer")
    with pytest.raises(CollateralUnavailableError) as refusal:
        source.find(NAME)
    assert refusal.value.retry_after == 15


def test_a_service_that_rests_says_how_long_it_still_does(clock: FakeClock) -> None:
    """Whole seconds, rounded up."""
    client = FakeClient({URL: OutsideError("no answer")})
    source = VendorSource([AMDCatalogue()], clock, client)
    with pytest.raises(CollateralUnavailableError):
        source.find(NAME)
    clock.forward(seconds=9.5)
    with pytest.raises(CollateralUnavailableError) as refusal:
        source.find(NAME)
    assert refusal.value.retry_after == 6


def test_one_request_for_a_name_is_under_way_at_a_time(clock: FakeClock) -> None:
    """All who wait get its document."""
    client = FakeClient({URL: HTTPReply(200, {}, b"0\x00")})
    client.gate.clear()
    source = VendorSource([AMDCatalogue()], clock, client)
    found: list[Collateral | None] = []
    threads = [threading.Thread(target=lambda: found.append(source.find(NAME))) for _ in range(8)]
    for thread in threads:
        thread.start()
    client.gate.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert all(document is not None for document in found)


def test_all_who_wait_share_an_outage(clock: FakeClock) -> None:
    """Each gets an error of its own."""
    client = FakeClient({URL: OutsideError("no answer")})
    client.gate.clear()
    source = VendorSource([AMDCatalogue()], clock, client)
    refused: list[CollateralUnavailableError] = []

    def wait() -> None:
        with pytest.raises(CollateralUnavailableError) as refusal:
            source.find(NAME)
        refused.append(refusal.value)

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    client.gate.set()
    for thread in threads:
        thread.join(10)
    assert len({id(error) for error in refused}) == 4
    assert len(client.asked) == 1


def test_who_waits_too_long_is_sent_away(clock: FakeClock) -> None:
    """A slow vendor does not hold every thread of the server."""
    client = FakeClient({URL: HTTPReply(200, {}, b"0\x00")})
    client.gate.clear()
    source = VendorSource([AMDCatalogue()], clock, client, patience=timedelta(milliseconds=1))
    first = threading.Thread(target=source.find, args=(NAME,))
    first.start()
    while not client.asked:
        pass
    with pytest.raises(CollateralUnavailableError):
        source.find(NAME)
    client.gate.set()
    first.join(10)


def test_only_so_many_requests_are_under_way(clock: FakeClock) -> None:
    """Names are made of unverified evidence, and anyone can invent them."""
    client = FakeClient({})
    client.gate.clear()
    source = VendorSource([AMDCatalogue()], clock, client)
    tcbs = [f"bl{number:02}_tee00_snp14_ucode209" for number in range(5)]
    names = [f"amd/milan/vcek/{CHIP}/{tcb}" for tcb in tcbs]
    threads = [threading.Thread(target=source.find, args=(name,)) for name in names[:4]]
    for thread in threads:
        thread.start()
    while len(client.asked) < 4:
        pass
    with pytest.raises(CollateralUnavailableError) as refusal:
        source.find(names[4])
    client.gate.set()
    for thread in threads:
        thread.join(10)
    assert refusal.value.retry_after == 2
    assert source.find(names[4]) is None
