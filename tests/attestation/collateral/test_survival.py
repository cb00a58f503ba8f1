"""Attestation goes on while vendors throttle, lie, time out and crawl, and nobody is believed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from fakes import FakeClock
from simulated.collateral import MemoryCollateralStore, MemoryLeases
from simulated.dcap_site import machine

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.catalogue import VendorCatalogue
from app.attestation.collateral.intel import IntelCatalogue
from app.attestation.collateral.judge import Judge
from app.attestation.collateral.ports import Collateral, State
from app.attestation.collateral.sources import CacheSource, CollateralSources
from app.attestation.collateral.vendor import SharedCollateral, VendorSource
from app.attestation.formats.amd_certificates import AMDCertificate
from app.attestation.formats.snp_report import Generation
from app.lab.amd_authority import END, START, SimulatedAMD
from app.lab.intel import NOON as PUBLISHED_NOON
from app.lab.vendor_service import VendorService
from app.trust.errors import CollateralUnavailableError
from app.trust.http_client import PooledHTTPClient

AMD = SimulatedAMD("Milan")
STRANGER = SimulatedAMD("Milan", number=1)
CRL, CHAIN = "amd/milan/crl", "amd/milan/cert_chain"
TCB = "intel/tdx/tcb/50806f000000"
PINS = {Generation.MILAN: frozenset({AMDCertificate.parse(AMD.ark.der).spki_sha256})}
JUDGE = Judge(PINS, machine().intel.roots)
DAY = timedelta(days=1)


@dataclass
class Replica:
    """One process of several that share a database."""

    sources: CollateralSources
    vendor: VendorSource


@dataclass
class Site:
    """A service, and replicas that ask it."""

    service: VendorService
    catalogue: VendorCatalogue
    clock: FakeClock
    store: MemoryCollateralStore
    leases: MemoryLeases

    def replica(self, timeout: float = 2.0) -> Replica:
        """Another process."""
        client = PooledHTTPClient(timeout_seconds=timeout)
        shared = SharedCollateral(self.store, self.leases)
        vendor = VendorSource([self.catalogue], self.clock, client, JUDGE, shared)
        places = (CacheSource(self.store), vendor)
        sources = CollateralSources(places, [self.catalogue], self.store, self.clock)
        return Replica(sources, vendor)


def documents(amd: SimulatedAMD = AMD) -> dict[str, tuple[bytes, dict[str, str]]]:
    """What the service has."""
    served = amd.documents() | {CRL: amd.crl()}
    return {name: (body, {}) for name, body in served.items()}


@pytest.fixture
def site() -> Iterator[Site]:
    """AMD's service."""
    service = VendorService(documents())
    with service.serving(AMDCatalogue) as catalogue:
        yield Site(service, catalogue, FakeClock(), MemoryCollateralStore(), MemoryLeases())


@pytest.fixture
def intel() -> Iterator[Site]:
    """Intel's service."""
    service = VendorService(dict(machine().publication.documents))
    clock = FakeClock(PUBLISHED_NOON)
    with service.serving(IntelCatalogue) as catalogue:
        yield Site(service, catalogue, clock, MemoryCollateralStore(), MemoryLeases())


# --- Throttling --------------------------------------------------------------------------------


def test_a_throttling_service_is_left_alone_by_every_replica(site: Site) -> None:
    """One is told to wait, and all wait; a copy that is there serves meanwhile."""
    first, second = site.replica(), site.replica()
    site.service.habits.status, site.service.habits.retry_after = 429, "120"
    for replica in (first, second, first):
        with pytest.raises(CollateralUnavailableError) as refusal:
            replica.sources.get(CRL)
        assert 100 < refusal.value.retry_after <= 120
        replica.sources.forget(CRL)
    assert site.service.asked == [CRL]
    site.service.habits.status = 200
    site.clock.forward(seconds=121)
    assert second.sources.get(CRL).unverified_body == site.service.documents[CRL][0]


def test_an_ageing_copy_serves_while_the_service_throttles(site: Site) -> None:
    """Its state tells that a newer one should be there."""
    replica = site.replica()
    replica.sources.get(CRL)
    site.clock.forward(days=2)
    site.service.habits.status, site.service.habits.retry_after = 429, "60"
    found = replica.sources.get(CRL)
    assert found.state(site.clock.now()) is State.AGEING


def test_a_service_that_throttles_without_a_date_is_asked_ever_less(site: Site) -> None:
    """15 seconds, 30, a minute: until it answers."""
    replica = site.replica()
    site.service.habits.status = 429
    waits = []
    for _ in range(4):
        with pytest.raises(CollateralUnavailableError) as refusal:
            replica.vendor.find(CRL)
        waits.append(refusal.value.retry_after)
        site.clock.forward(seconds=refusal.value.retry_after + 1)
    assert waits == [15, 30, 60, 120]


# --- Slow and silent ---------------------------------------------------------------------------


def test_threads_and_replicas_ask_once_for_one_document(site: Site) -> None:
    """Whoever comes while it is fetched gets what is fetched."""
    site.service.habits.delay = 0.3
    replicas = [site.replica(), site.replica()]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: replicas[each % 2].sources.get(CRL), range(8)))
    assert {each.unverified_body for each in found} == {site.service.documents[CRL][0]}
    assert site.service.asked == [CRL]


def test_a_silent_service_costs_one_wait(site: Site) -> None:
    """The next who asks is told at once."""
    replica = site.replica(timeout=0.2)
    site.service.habits.delay = 2
    began = time.monotonic()
    for _ in range(5):
        with pytest.raises(CollateralUnavailableError):
            replica.vendor.find(CRL)
    assert time.monotonic() - began < 1.5
    assert site.service.asked == [CRL]


def test_a_replica_that_died_while_it_asked_is_waited_for_a_minute_at_most(site: Site) -> None:
    """Its lease ends by itself."""
    site.leases.hold(f"fetch:{CRL}", site.clock.now() + timedelta(seconds=60))
    threading.Timer(0.3, lambda: site.clock.forward(seconds=61)).start()
    with pytest.raises(CollateralUnavailableError, match="in vain"):
        site.replica().vendor.find(CRL)
    assert site.replica().vendor.find(CRL) is not None


# --- Lies --------------------------------------------------------------------------------------


def forged(site: Site, name: str, lie: bytes) -> None:
    """Nothing of a lie is kept, and the truth serves as soon as it is told."""
    replica = site.replica()
    site.service.habits.lie = lambda _: lie
    with pytest.raises(CollateralUnavailableError):
        replica.sources.get(name)
    assert site.store.documents == {}
    site.service.habits.lie = bytes
    site.clock.forward(seconds=61)
    assert replica.sources.get(name).unverified_body == site.service.documents[name][0]


@pytest.mark.parametrize("lie", [b"<html>", b"", b"\x30\x03\x02\x01\x01", b"\x30" * 5000])
def test_what_is_no_list_is_not_kept_as_one(site: Site, lie: bytes) -> None:
    """However it begins."""
    forged(site, CRL, lie)


def test_a_stranger_s_chain_is_not_kept(site: Site) -> None:
    """The root's key is pinned."""
    forged(site, CHAIN, STRANGER.documents()[CHAIN])


@pytest.mark.parametrize(
    "change",
    [
        (b'"tcbStatus":"OutOfDate"', b'"tcbStatus":"UpToDate"'),
        (b'"signature":"', b'"signature":"00'),
    ],
)
def test_a_forged_tcb_info_is_not_kept(intel: Site, change: tuple[bytes, bytes]) -> None:
    """Intel's signature covers every letter of it."""
    honest = intel.service.documents[TCB][0]
    lie = honest.replace(*change)
    assert lie != honest
    forged(intel, TCB, lie)


def test_an_older_document_does_not_come_back(site: Site) -> None:
    """A mirror may be behind, or be made to be."""
    replica = site.replica()
    newer = _crl(START + 30 * DAY)
    site.service.documents[CRL] = (newer, {})
    assert replica.sources.get(CRL).unverified_body == newer
    site.service.documents[CRL] = (AMD.crl(), {})
    site.clock.forward(days=2)
    assert replica.sources.get(CRL).unverified_body == newer
    assert site.store.documents[CRL].unverified_body == newer


def _crl(issued_at: datetime) -> bytes:
    pss = padding.PSS(padding.MGF1(SHA384()), 48)
    builder = x509.CertificateRevocationListBuilder(AMD.ark.certificate.subject, issued_at, END)
    return builder.sign(AMD.ark.key, SHA384(), rsa_padding=pss).public_bytes(Encoding.DER)


# --- What is over ------------------------------------------------------------------------------


def test_what_is_over_and_cannot_be_renewed_is_stale(site: Site) -> None:
    """It is told, not hidden."""
    site.service.documents[CRL] = (AMD.crl(next_update=site.clock.now() + DAY), {})
    replica = site.replica()
    assert replica.sources.get(CRL).state(site.clock.now()) is State.FRESH
    site.service.habits.status = 500
    site.clock.forward(days=2)
    found = replica.sources.get(CRL)
    assert found.state(site.clock.now()) is State.STALE
    assert found.expires_at == datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_mirror_answers_when_the_vendor_does_not(site: Site) -> None:
    """It is asked after the vendor, and believed no more."""
    mirror = VendorService(documents())
    site.service.habits.status = 500
    with mirror.serving(AMDCatalogue) as catalogue:
        client = PooledHTTPClient(timeout_seconds=2)
        places = [
            VendorSource([each], site.clock, client, JUDGE) for each in (site.catalogue, catalogue)
        ]
        sources = CollateralSources(places, [site.catalogue], site.store, site.clock)
        found: Collateral = sources.get(CRL)
    assert found.source == catalogue.origins[0]
    assert (site.service.asked, mirror.asked) == ([CRL], [CRL])
