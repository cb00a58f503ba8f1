"""Collateral, put together: what verifiers ask, what operators use, what runs in the background."""

from __future__ import annotations

from app.attestation.collateral.library import CollateralLibrary
from app.attestation.collateral.refresher import Refresher
from app.attestation.collateral.sources import CollateralSources
from app.attestation.collateral.states import Behaviour, CollateralRules
from app.named.collateral import (
    bundle_signer,
    bundle_signers,
    collateral_judge,
    open_sources,
    standing_collateral,
)
from app.settings import CollateralSettings
from app.store.collateral import SQLBundleImports, SQLCollateralStore
from app.wiring.foundations import Foundations


def collateral_sources(base: Foundations) -> CollateralSources:
    """Where vendors' documents are found."""
    return open_sources(base.settings, base.database, base.clock)


def collateral_library(base: Foundations, sources: CollateralSources) -> CollateralLibrary:
    """What operators do with collateral."""
    settings = base.settings.collateral
    return CollateralLibrary(
        sources=sources,
        store=SQLCollateralStore(base.database),
        imports=SQLBundleImports(base.database),
        judge=collateral_judge(base.settings.attestation),
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
        standing=standing_collateral(base.settings),
        signer=bundle_signer(settings),
        signers=bundle_signers(settings),
    )


def refresher(base: Foundations, sources: CollateralSources) -> Refresher:
    """Fetches documents before they are missed."""
    store = SQLCollateralStore(base.database)
    return Refresher(sources, store, base.clock, standing_collateral(base.settings))


def collateral_rules(settings: CollateralSettings) -> CollateralRules:
    """What each state of collateral means here."""
    return CollateralRules(
        ageing=Behaviour(settings.ageing),
        stale=Behaviour(settings.stale),
        missing=Behaviour(settings.missing),
    )
