"""What operators do with collateral: see how it stands, fetch it, carry it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from fakes import FakeClock, MemoryAuditLog, MemoryDatabase
from joserfc.jwk import ECKey
from simulated.collateral import MemoryCollateralStore, MemoryImports, MemoryLeases

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.bundle import BundleSigner, sign_bundle
from app.attestation.collateral.judge import Judge
from app.attestation.collateral.library import CollateralLibrary
from app.attestation.collateral.ports import Collateral, State
from app.attestation.collateral.refresher import Refresher
from app.attestation.collateral.sources import CacheSource, CollateralSources
from app.attestation.collateral.vendor import SharedCollateral, VendorSource
from app.attestation.formats.amd_certificates import AMDCertificate
from app.attestation.formats.snp_report import Generation
from app.lab.amd_authority import SimulatedAMD
from app.lab.vendor_service import VendorService
from app.trust.audit import Actor
from app.trust.errors import (
    CollateralRollbackError,
    MalformedBundleError,
    MalformedRequestError,
    UnsupportedError,
    UntrustedRootError,
    UntrustedSignerError,
)
from app.trust.http_client import PooledHTTPClient

AMD = SimulatedAMD("Milan")
CRL, CHAIN = "amd/milan/crl", "amd/milan/cert_chain"
NEEDED = (CHAIN, CRL)
ANN = Actor("ann", "operator")
KEY = ECKey.generate_key("P-256")
JUDGE = Judge({Generation.MILAN: frozenset({AMDCertificate.parse(AMD.ark.der).spki_sha256})})
DOCUMENTS = {name: (body, {}) for name, body in (AMD.documents() | {CRL: AMD.crl()}).items()}


@dataclass
class Site:
    """A library with everything around it."""

    service: VendorService
    clock: FakeClock
    store: MemoryCollateralStore
    database: MemoryDatabase
    library: CollateralLibrary
    refresher: Refresher

    @property
    def audited(self) -> list[tuple[str, str]]:
        """What was written down: action and subject."""
        return [(each.entry.action, each.entry.subject) for each in self.database.audit]


@pytest.fixture
def site() -> Iterator[Site]:
    """AMD's service, and a site that needs Milan's chain and list."""
    service = VendorService(dict(DOCUMENTS))
    with service.serving(AMDCatalogue) as catalogue:
        clock, store, database = FakeClock(), MemoryCollateralStore(), MemoryDatabase()
        shared = SharedCollateral(store, MemoryLeases())
        client = PooledHTTPClient(timeout_seconds=2)
        vendor = VendorSource([catalogue], clock, client, JUDGE, shared)
        sources = CollateralSources((CacheSource(store), vendor), [catalogue], store, clock)
        library = CollateralLibrary(
            sources=sources,
            store=store,
            imports=MemoryImports(),
            judge=JUDGE,
            audit=MemoryAuditLog(database),
            transactions=database.transactions,
            clock=clock,
            standing=NEEDED,
            signer=BundleSigner("home", KEY),
            signers={"home": KEY},
        )
        refresher = Refresher(sources, store, clock, NEEDED)
        yield Site(service, clock, store, database, library, refresher)


def states(site: Site) -> dict[str, str]:
    """How what is needed stands."""
    return {each.name: each.state.value for each in site.library.needed()}


# --- How it stands -----------------------------------------------------------------------------


def test_what_is_needed_and_not_there_is_missing(site: Site) -> None:
    """Before the first guest finds out."""
    assert states(site) == {CHAIN: "missing", CRL: "missing"}
    assert site.library.counts()[State.MISSING] == 2
    site.library.refresh([CRL], ANN)
    assert states(site) == {CHAIN: "missing", CRL: "fresh"}
    assert site.library.counts()[State.FRESH] == 1


def test_what_expires_next_comes_first(site: Site) -> None:
    """What is over already before all else."""
    soon = AMD.crl(next_update=site.clock.now() + timedelta(days=1))
    site.service.documents[CRL] = (soon, {})
    site.library.refresh(NEEDED, ANN)
    assert [each.name for each in site.library.expires_next()] == [CRL, CHAIN]
    site.clock.forward(days=2)
    assert [each.state for each in site.library.expires_next(1)] == [State.STALE]


def test_a_table_goes_on_behind_a_name(site: Site) -> None:
    """Page by page."""
    site.library.refresh(NEEDED, ANN)
    (first,) = site.library.page(limit=1)
    assert [each.name for each in site.library.page(after=first.name, limit=9)] == [CRL]


# --- Asking vendors ----------------------------------------------------------------------------


def test_a_refresh_keeps_what_the_vendor_has_and_is_written_down(site: Site) -> None:
    """Each document with the digest of what came."""
    assert [each.code for each in site.library.refresh([], ANN)] == ["fetched", "fetched"]
    assert set(site.store.documents) == set(NEEDED)
    assert site.audited == [("collateral:document:refresh", name) for name in NEEDED]
    assert [each.code for each in site.library.refresh(NEEDED, ANN)] == ["unchanged"] * 2


def test_a_test_keeps_nothing(site: Site) -> None:
    """It tells whether the vendor answers."""
    assert site.library.try_fetch(CRL).succeeded
    site.service.habits.status = 500
    failed = site.library.try_fetch(CRL)
    assert (failed.succeeded, failed.code) == (False, "collateral-unavailable")
    assert (site.store.documents, site.audited) == ({}, [])


def test_an_older_answer_is_told(site: Site) -> None:
    """And does not replace what is kept."""
    site.library.refresh([CRL], ANN)
    held = site.store.documents[CRL]
    site.store.documents[CRL] = newer = replace(
        held, unverified_body=b"newer", issued_at=site.clock.now()
    )
    assert [each.code for each in site.library.refresh([CRL], ANN)] == ["older"]
    assert site.store.documents[CRL] == newer


@pytest.mark.parametrize("name", ["", "acme/x", "amd/milan/secret", "../x"])
def test_names_of_no_vendor_are_refused(site: Site, name: str) -> None:
    """Before anybody is asked, and all or none."""
    with pytest.raises(MalformedRequestError):
        site.library.refresh([CRL, name], ANN)
    with pytest.raises(MalformedRequestError):
        site.library.try_fetch(name)
    assert site.service.asked == []


# --- In the background -------------------------------------------------------------------------


def test_what_is_missing_is_fetched_before_it_is_missed(site: Site) -> None:
    """And then nothing is asked for, until it is due."""
    assert site.refresher.run() == 2
    assert site.refresher.run() == 0
    assert len(site.service.asked) == 2
    site.clock.forward(days=1, seconds=1)
    assert site.refresher.run() == 1
    assert site.service.asked[2:] == [CRL]


def test_what_could_not_be_had_is_not_asked_for_again_at_once(site: Site) -> None:
    """A vendor that is down is left alone for minutes."""
    site.service.habits.status = 500
    for _ in range(3):
        assert site.refresher.run() == 0
    assert len(site.service.asked) == 2
    site.service.habits.status = 200
    site.clock.forward(minutes=6)
    assert site.refresher.run() == 2


def test_an_older_answer_in_the_background_changes_nothing(site: Site) -> None:
    """It is asked for again in an hour."""
    site.refresher.run()
    site.store.documents[CRL] = replace(
        site.store.documents[CRL], issued_at=site.clock.now(), ageing_at=site.clock.now()
    )
    assert site.refresher.run() == 0
    assert site.store.due(site.clock.now(), 9) == []


def test_a_site_without_vendors_asks_nobody(site: Site) -> None:
    """Nor does it fail."""
    sources = CollateralSources([CacheSource(site.store)], [AMDCatalogue()], site.store, site.clock)
    assert Refresher(sources, site.store, site.clock, NEEDED).run() == 0
    library = replace(site.library, sources=sources)
    assert [each.code for each in library.refresh([CRL], ANN)] == ["collateral-unavailable"]


# --- Bundles -----------------------------------------------------------------------------------


def test_a_bundle_carries_collateral_to_another_site(site: Site) -> None:
    """Once, and again without harm."""
    site.library.refresh(NEEDED, ANN)
    bundle = site.library.export()
    held, site.store.documents = dict(site.store.documents), {}
    imported = site.library.import_bundle(bundle, ANN)
    assert (imported.signer, imported.kept, imported.older) == ("home", 2, 0)
    assert {name: each.unverified_body for name, each in site.store.documents.items()} == {
        name: each.unverified_body for name, each in held.items()
    }
    assert site.audited[-1] == ("collateral:bundle:import", "home")
    assert site.library.import_bundle(bundle, ANN).kept == 2
    assert site.library.needed()[0].summary is not None


def test_some_documents_can_be_chosen(site: Site) -> None:
    """By their names, which have to be there."""
    site.library.refresh(NEEDED, ANN)
    assert len(site.library.export([CRL])) < len(site.library.export())
    with pytest.raises(MalformedBundleError):
        site.library.export([CRL, "amd/genoa/crl"])


def test_an_older_bundle_is_refused(site: Site) -> None:
    """Whoever replays one cannot bring back what was revoked since."""
    site.library.refresh(NEEDED, ANN)
    old = site.library.export()
    site.clock.forward(days=1)
    site.library.import_bundle(site.library.export(), ANN)
    before = dict(site.store.documents)
    with pytest.raises(CollateralRollbackError):
        site.library.import_bundle(old, ANN)
    assert site.store.documents == before


def test_older_documents_in_a_new_bundle_do_not_replace_newer_ones(site: Site) -> None:
    """By the vendor's date, whatever the signer says about when it was fetched."""
    site.library.refresh(NEEDED, ANN)
    bundle = site.library.export()
    held = site.store.documents[CRL]
    site.store.documents[CRL] = newer = replace(held, issued_at=site.clock.now())
    imported = site.library.import_bundle(bundle, ANN)
    assert (imported.kept, imported.older) == (1, 1)
    assert site.store.documents[CRL] == newer


def test_a_stranger_s_bundle_changes_nothing(site: Site) -> None:
    """Nobody told this site to believe them."""
    site.library.refresh(NEEDED, ANN)
    bundle = site.library.export()
    site.store.documents.clear()
    with pytest.raises(UntrustedSignerError):
        replace(site.library, signers={}).import_bundle(bundle, ANN)
    assert site.store.documents == {}


def made(site: Site, *documents: Collateral) -> str:
    """A bundle of a trusted signer with any documents."""
    return sign_bundle(documents, BundleSigner("home", KEY), site.clock.now())


@pytest.mark.parametrize(("name", "body"), [("acme/x", b"{}"), (CRL, b"<html>")])
def test_a_bundle_of_other_things_is_refused_whole(site: Site, name: str, body: bytes) -> None:
    """What no vendor has, and what is not of the vendor's form."""
    good = Collateral(CHAIN, DOCUMENTS[CHAIN][0], {}, site.clock.now(), "x")
    bad = Collateral(name, body, {}, site.clock.now(), "x")
    with pytest.raises(MalformedBundleError):
        site.library.import_bundle(made(site, good, bad), ANN)
    assert site.store.documents == {}


def test_a_signer_does_not_vouch_for_a_vendor(site: Site) -> None:
    """A chain under another root is refused, whoever carries it."""
    stranger = SimulatedAMD("Milan", number=1).documents()[CHAIN]
    forged = Collateral(CHAIN, stranger, {}, site.clock.now(), "x")
    with pytest.raises(UntrustedRootError):
        site.library.import_bundle(made(site, forged), ANN)
    assert site.store.documents == {}


def test_without_a_key_nothing_is_exported(site: Site) -> None:
    """It is said so."""
    with pytest.raises(UnsupportedError):
        replace(site.library, signer=None).export()
