"""Places are asked in their order, and what vendors serve is kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from fakes import NOON, FakeClock
from simulated.collateral import MemoryCollateralStore, MemoryLeases

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.ports import Collateral, CollateralKeeper
from app.attestation.collateral.sources import (
    CacheSource,
    CollateralPlan,
    CollateralSources,
    Source,
    open_collateral,
)
from app.attestation.collateral.vendor import SharedCollateral
from app.trust.errors import CollateralUnavailableError, ConfigError, UnknownPlatformError
from app.trust.http_client import HTTPReply, OutsideError

CRL = "amd/milan/crl"
CHAIN = "amd/milan/cert_chain"
VCEK = f"amd/milan/vcek/{'0f' * 64}/bl03_tee00_snp14_ucode209"


@dataclass
class Place:
    """A place to look.

    Attributes:
        documents: what it has; an error is raised.
        asked: how often it was asked.
    """

    name: str
    documents: dict[str, Collateral | CollateralUnavailableError] = field(default_factory=dict)
    asked: int = 0

    def find(self, name: str) -> Collateral | None:
        """The port ``Source``."""
        self.asked += 1
        found = self.documents.get(name)
        if isinstance(found, CollateralUnavailableError):
            raise found
        return found


@dataclass
class Nobody:
    """The port ``HTTPClient``: counts, and does not answer."""

    asked: list[str] = field(default_factory=list)

    def get(self, url: str) -> HTTPReply:
        """No answer."""
        self.asked.append(url)
        raise OutsideError("no answer")

    def post(self, url: str, body: bytes, media_type: str) -> HTTPReply:
        """Nothing is ever posted."""
        raise AssertionError(url, body, media_type)

    def post_json(self, url: str, body: bytes) -> HTTPReply:
        """Nothing is ever posted."""
        raise AssertionError(url)


def document(name: str, source: str, age: timedelta = timedelta(0)) -> Collateral:
    """A document from a place."""
    return Collateral(name, source.encode(), {}, NOON - age, source)


@pytest.fixture
def clock() -> FakeClock:
    """Turned by hand."""
    return FakeClock()


@pytest.fixture
def store() -> MemoryCollateralStore:
    """The shared cache."""
    return MemoryCollateralStore()


@pytest.fixture
def vendor() -> Place:
    """A service that has everything."""
    names = (CRL, CHAIN, VCEK)
    return Place("vendor", {name: document(name, "https://vendor") for name in names})


def sources(
    clock: FakeClock, store: MemoryCollateralStore | None, *places: Source
) -> CollateralSources:
    """The places, with AMD's rules for keeping."""
    return CollateralSources(places, [AMDCatalogue()], store, clock)


def test_the_first_place_that_has_it_answers(clock: FakeClock, vendor: Place) -> None:
    """And the others are not asked."""
    offline = Place("offline:/x", {CRL: document(CRL, "offline:/x")})
    found = sources(clock, None, Place("cache"), offline, vendor).get(CRL)
    assert found.source == "offline:/x"
    assert vendor.asked == 0


def test_a_place_that_cannot_be_asked_is_passed_over(clock: FakeClock, vendor: Place) -> None:
    """The next one may have it."""
    broken = Place("offline:/x", {CRL: CollateralUnavailableError("unreadable")})
    assert sources(clock, None, broken, vendor).get(CRL).source == "https://vendor"


def test_nobody_having_it_names_the_kinds_of_places_and_no_folder(clock: FakeClock) -> None:
    """Guests read it."""
    places = sources(clock, None, Place("cache"), Place("offline:/secret/path"), Place("vendor"))
    with pytest.raises(CollateralUnavailableError) as refusal:
        places.get(CRL)
    assert refusal.value.message == f"no source has {CRL} (asked: cache, offline, vendor)"


def test_a_chip_that_its_vendor_does_not_know_is_refused(clock: FakeClock) -> None:
    """Trying again would not help, so it is no outage; and it is not asked about again at once."""
    vendor = Place("vendor")
    places = sources(clock, None, Place("cache"), vendor)
    for _ in range(2):
        with pytest.raises(UnknownPlatformError):
            places.get(VCEK)
    assert vendor.asked == 1


def test_a_chip_is_not_unknown_while_a_place_cannot_be_asked(clock: FakeClock) -> None:
    """The place that is out of reach may have it; without a vendor, nobody can say."""
    down = Place("offline:/x", {VCEK: CollateralUnavailableError("unreadable")})
    for places in ((down, Place("vendor")), (Place("cache"),)):
        with pytest.raises(CollateralUnavailableError):
            sources(clock, None, *places).get(VCEK)


def test_a_list_that_its_vendor_lacks_is_an_outage(clock: FakeClock) -> None:
    """No evidence is to blame for that."""
    with pytest.raises(CollateralUnavailableError):
        sources(clock, None, Place("vendor")).get(CRL)


def test_no_places_have_nothing(clock: FakeClock) -> None:
    """It is said so."""
    with pytest.raises(CollateralUnavailableError, match="none is configured"):
        sources(clock, None).get(CRL)


@pytest.mark.parametrize("name", ["", "../x", "amd/../x", "amd/milan/%2e"])
def test_what_is_no_name_is_asked_of_nobody(clock: FakeClock, vendor: Place, name: str) -> None:
    """No place has to check it again."""
    with pytest.raises(CollateralUnavailableError):
        sources(clock, None, vendor).get(name)
    assert vendor.asked == 0


def test_it_says_when_to_try_again(clock: FakeClock) -> None:
    """As soon as any place may be better."""
    down = [
        Place(name, {CRL: CollateralUnavailableError("down", retry_after=seconds)})
        for name, seconds in (("offline:/x", 30), ("vendor", 7))
    ]
    with pytest.raises(CollateralUnavailableError) as refusal:
        sources(clock, None, *down).get(CRL)
    assert refusal.value.retry_after == 7


# --- Keeping ------------------------------------------------------------------------------------


def test_what_a_vendor_serves_is_kept(
    clock: FakeClock, store: MemoryCollateralStore, vendor: Place
) -> None:
    """So that the next process does not ask again."""
    sources(clock, store, CacheSource(store), vendor).get(CRL)
    assert set(store.documents) == {CRL}
    assert sources(clock, store, CacheSource(store)).get(CRL).source == "cache"


def test_what_anyone_can_name_is_kept_only_when_told(
    clock: FakeClock, store: MemoryCollateralStore, vendor: Place
) -> None:
    """A flood of invented chips cannot fill the store."""
    places = sources(clock, store, CacheSource(store), vendor)
    found = places.get(VCEK)
    assert not store.documents
    assert isinstance(places, CollateralKeeper)
    places.keep(found)
    assert set(store.documents) == {VCEK}


def test_what_is_cached_or_in_a_folder_is_not_kept_again(
    clock: FakeClock, store: MemoryCollateralStore
) -> None:
    """It is there already."""
    places = sources(clock, store)
    places.keep(document(VCEK, "cache"))
    places.keep(document(VCEK, "offline:/x"))
    assert not store.documents


def test_nothing_is_kept_where_the_cache_is_not_configured(clock: FakeClock, vendor: Place) -> None:
    """The operator chose so."""
    places = sources(clock, None, vendor)
    places.keep(places.get(CRL))


def test_a_store_that_is_down_does_not_cost_the_document(
    clock: FakeClock, store: MemoryCollateralStore, vendor: Place
) -> None:
    """It serves; only it is not kept."""
    store.down = True
    assert sources(clock, store, vendor).get(CRL).source == "https://vendor"


# --- Age ----------------------------------------------------------------------------------------


def test_an_old_copy_gives_way_to_a_newer_one(clock: FakeClock, vendor: Place) -> None:
    """A revocation list of last week."""
    old = Place("cache", {CRL: document(CRL, "cache", timedelta(days=7))})
    assert sources(clock, None, old, vendor).get(CRL).source == "https://vendor"


def test_an_old_copy_serves_when_nobody_has_a_newer_one(clock: FakeClock) -> None:
    """Its own dates tell the verifier; the oldest place goes first."""
    old = Place("cache", {CRL: document(CRL, "cache", timedelta(days=7))})
    older = Place("offline:/x", {CRL: document(CRL, "offline:/x", timedelta(days=9))})
    down = Place("vendor", {CRL: CollateralUnavailableError("down")})
    assert sources(clock, None, old, older, down).get(CRL).source == "cache"


def test_what_never_changes_never_grows_old(clock: FakeClock, vendor: Place) -> None:
    """A chip's certificate for one TCB."""
    old = Place("cache", {VCEK: document(VCEK, "cache", timedelta(days=900))})
    assert sources(clock, None, old, vendor).get(VCEK).source == "cache"


def test_names_of_no_catalogue_never_grow_old(clock: FakeClock) -> None:
    """Nothing is known about them."""
    old = Place("bundle", {"acme/x": document("acme/x", "bundle", timedelta(days=900))})
    assert sources(clock, None, old).get("acme/x").source == "bundle"


# --- Remembering --------------------------------------------------------------------------------


def test_a_document_is_remembered_for_a_minute(clock: FakeClock, vendor: Place) -> None:
    """Attestations do not read the store for it."""
    places = sources(clock, None, vendor)
    for _ in range(5):
        places.get(CRL)
    assert vendor.asked == 1
    clock.forward(seconds=61)
    places.get(CRL)
    assert vendor.asked == 2


def test_an_absence_is_remembered_until_it_makes_sense_to_ask_again(clock: FakeClock) -> None:
    """Each who asks gets an error of its own."""
    down = Place("vendor", {CRL: CollateralUnavailableError("down", retry_after=7)})
    places = sources(clock, None, down)
    errors = []
    for _ in range(3):
        with pytest.raises(CollateralUnavailableError) as refusal:
            places.get(CRL)
        errors.append(refusal.value)
    assert len({id(error) for error in errors}) == 3
    assert down.asked == 1
    down.documents[CRL] = document(CRL, "https://vendor")
    clock.forward(seconds=8)
    assert places.get(CRL).source == "https://vendor"


def test_only_so_many_are_remembered(clock: FakeClock, vendor: Place) -> None:
    """Invented names do not fill the memory; the oldest go first."""
    places = sources(clock, None, vendor)
    places.get(CRL)
    for number in range(256):
        with pytest.raises(CollateralUnavailableError):
            places.get(f"amd/invented/{number}")
    before = vendor.asked
    places.get(CRL)
    assert vendor.asked == before + 1


# --- Opening ------------------------------------------------------------------------------------


def shared(store: MemoryCollateralStore) -> SharedCollateral:
    """What replicas share, in memory."""
    return SharedCollateral(store, MemoryLeases())


def plan(*places: str) -> CollateralPlan:
    """These places, and AMD."""
    return CollateralPlan(sources=places, catalogues=(AMDCatalogue(),))


def test_all_faults_of_a_plan_are_listed(clock: FakeClock, store: MemoryCollateralStore) -> None:
    """The operator repairs once."""
    with pytest.raises(ConfigError) as refusal:
        open_collateral(
            plan("cache", "cache", "offline:/nowhere", "kds"), shared(store), Nobody(), clock
        )
    assert len(refusal.value.faults) == 3


def test_a_plan_is_opened_in_its_order(
    tmp_path: Path, clock: FakeClock, store: MemoryCollateralStore
) -> None:
    """Bundles go before the vendors' services."""
    folder = f"offline:{tmp_path}"
    wanted = replace(plan("cache", folder, "vendor"), bundles=(Place("bundle"),))
    opened = open_collateral(wanted, shared(store), Nobody(), clock)
    assert opened.names == ("cache", folder, "bundle", "vendor")


def test_a_bundle_serves_without_a_network(clock: FakeClock, store: MemoryCollateralStore) -> None:
    """Where ``vendor`` is not configured, it is the last place."""
    bundle = Place("bundle", {"acme/x": document("acme/x", "bundle")})
    wanted = replace(plan("cache"), bundles=(bundle,))
    assert open_collateral(wanted, shared(store), Nobody(), clock).get("acme/x").source == "bundle"


def test_a_site_without_vendor_sends_nothing(
    tmp_path: Path, clock: FakeClock, store: MemoryCollateralStore
) -> None:
    """And with it, it is asked last."""
    nobody = Nobody()
    for places, asked in (((f"offline:{tmp_path}",), 0), (("cache", "vendor"), 1)):
        with pytest.raises(CollateralUnavailableError):
            open_collateral(plan(*places), shared(store), nobody, clock).get(CRL)
        assert len(nobody.asked) == asked
