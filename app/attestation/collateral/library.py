"""What operators do with collateral: look at it, have it fetched, carry it from site to site."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from joserfc.jwk import Key

from app.attestation.collateral.bundle import Bundle, BundleSigner, open_bundle, sign_bundle
from app.attestation.collateral.ports import (
    BundleImports,
    Collateral,
    CollateralStore,
    CollateralSummary,
    State,
)
from app.attestation.collateral.sources import CollateralSources
from app.attestation.collateral.vendor import CollateralJudge
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import (
    CollateralRollbackError,
    DomainError,
    MalformedBundleError,
    UnsupportedError,
)
from app.trust.transactions import Transactions

_EXPORT_PAGE = 200


@dataclass(frozen=True, slots=True)
class Listed:
    """A document as a table shows it.

    Attributes:
        summary: ``None`` for what is missing.
    """

    name: str
    state: State
    summary: CollateralSummary | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of asking a vendor.

    Attributes:
        code: ``fetched``, ``unchanged``, ``older`` when the vendor's is older than ours, or the
            reason code of a refusal.
        message: a sentence for people.
        expires_at: of what the vendor has, where it says so.
        digest: SHA-256 of what the vendor has, hex.
    """

    name: str
    code: str
    message: str
    expires_at: datetime | None = None
    digest: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the vendor answered with the document."""
        return self.code in {"fetched", "unchanged", "older"}


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a bundle: how many documents were kept, and how many older than ours."""

    signer: str
    created_at: datetime
    kept: int
    older: int


@dataclass(frozen=True, slots=True)
class CollateralLibrary:
    """The use cases.

    Attributes:
        standing: names of documents that every verification of an enabled TEE may need.
        signer: signs what is exported; ``None`` exports nothing.
        signers: whose bundles are accepted, by name.
    """

    sources: CollateralSources
    store: CollateralStore
    imports: BundleImports
    judge: CollateralJudge
    audit: AuditLog
    transactions: Transactions
    clock: Clock
    standing: tuple[str, ...] = ()
    signer: BundleSigner | None = field(default=None, repr=False)
    signers: Mapping[str, Key] = field(default_factory=dict, repr=False)

    def page(self, *, after: str | None = None, limit: int = 50) -> list[Listed]:
        """Kept documents by name, beginning behind a name."""
        now = self.clock.now()
        found = self.store.page(after=after, limit=limit)
        return [Listed(each.name, each.state(now), each) for each in found]

    def needed(self) -> list[Listed]:
        """How the documents stand that every verification may need; missing ones too."""
        now = self.clock.now()
        kept = {each.name: each for each in self.store.held(self.standing)}
        listed = []
        for name in self.standing:
            summary = kept.get(name) or self._offline(name)
            state = State.MISSING if summary is None else summary.state(now)
            listed.append(Listed(name, state, summary))
        return listed

    def counts(self) -> dict[State, int]:
        """How many kept documents are in each state, and how many needed ones are missing."""
        missing = sum(each.state is State.MISSING for each in self.needed())
        return self.store.counts(self.clock.now()) | {State.MISSING: missing}

    def expires_next(self, limit: int = 5) -> list[Listed]:
        """What vendors no longer stand by soonest, what is over already before all else."""
        now = self.clock.now()
        found = self.store.expiring(limit=limit)
        return [Listed(each.name, each.state(now), each) for each in found]

    def refresh(self, names: Iterable[str], actor: Actor) -> list[Fetched]:
        """Ask vendors for documents now, and keep what they have; without names, for all due.

        Raises:
            MalformedRequestError: no vendor has a document of one of the names.
        """
        wanted = tuple(names) or self._all_due()
        for name in wanted:
            self.sources.check_name(name)
        outcomes = [self._fetch_and_keep(name) for name in wanted]
        now = self.clock.now()
        with self.transactions():
            for each in outcomes:
                entry = AuditEntry(
                    now, actor, "collateral:document:refresh", each.name, None, each.digest
                )
                self.audit.append(entry)
        return outcomes

    def try_fetch(self, name: str) -> Fetched:
        """Ask a vendor for a document, to see whether it answers; nothing is kept.

        Raises:
            MalformedRequestError: no vendor has a document of the name.
        """
        self.sources.check_name(name)
        try:
            found = self.sources.fetch(name)
        except DomainError as error:
            return Fetched(name, error.code, error.message)
        return self._compared(found)

    def export(self, names: Iterable[str] = ()) -> str:
        """A signed bundle of what is kept; of everything without names.

        Raises:
            UnsupportedError: settings name no key that signs bundles.
            MalformedBundleError: a name is not of a kept document.
        """
        if self.signer is None:
            raise UnsupportedError("settings name no key that signs bundles")
        wanted = tuple(names) or tuple(self._all_names())
        documents = []
        for name in wanted:
            found = self.store.find(name)
            if found is None:
                raise MalformedBundleError(f"{name[:160]!r} is not kept here")
            documents.append(found)
        return sign_bundle(documents, self.signer, self.clock.now())

    def import_bundle(self, text: str, actor: Actor) -> Imported:
        """Keep the documents of a bundle that are newer than ours.

        Raises:
            MalformedBundleError: it is no bundle, or a name in it is no vendor's.
            UntrustedSignerError, SignatureError: nobody who is trusted signed it.
            CollateralRollbackError: a newer bundle of the same signer was imported before.
            DomainError: a document in it is not what it is called.
        """
        bundle = open_bundle(text, self.signers, self.clock.now())
        newest = self.imports.newest(bundle.signer)
        if newest is not None and bundle.created_at < newest:
            raise CollateralRollbackError("a newer bundle of this signer was imported before")
        self._check_documents(bundle)
        kept = sum(self.store.put(self.sources.dated(each)) for each in bundle.documents)
        for each in bundle.documents:
            self.sources.forget(each.name)
        with self.transactions():
            self.imports.note(bundle.signer, bundle.created_at)
            digest = hashlib.sha256(text.encode()).hexdigest()
            now = self.clock.now()
            self.audit.append(
                AuditEntry(now, actor, "collateral:bundle:import", bundle.signer, None, digest)
            )
        return Imported(bundle.signer, bundle.created_at, kept, len(bundle.documents) - kept)

    def _check_documents(self, bundle: Bundle) -> None:
        for each in bundle.documents:
            document = self.sources.document(each.name)
            if document is None or not document.form.fits(each.unverified_body):
                raise MalformedBundleError(f"{each.name} is no vendor's document")
            self.judge(each)

    def _offline(self, name: str) -> CollateralSummary | None:
        found = self.sources.at_hand(name)
        if found is None:
            return None
        return CollateralSummary(
            found.name,
            found.source,
            len(found.unverified_body),
            found.fetched_at,
            found.issued_at,
            found.expires_at,
            found.ageing_at,
        )

    def _all_due(self) -> tuple[str, ...]:
        missing = [each.name for each in self.needed() if each.state is State.MISSING]
        return (*missing, *self.store.due(self.clock.now(), _EXPORT_PAGE))

    def _all_names(self) -> Iterable[str]:
        after: str | None = None
        while page := self.store.page(after=after, limit=_EXPORT_PAGE):
            yield from (each.name for each in page)
            after = page[-1].name

    def _fetch_and_keep(self, name: str) -> Fetched:
        try:
            found = self.sources.fetch(name)
        except DomainError as error:
            return Fetched(name, error.code, error.message)
        outcome = self._compared(found)
        self.store.put(found)
        self.sources.forget(name)
        return outcome

    def _compared(self, found: Collateral) -> Fetched:
        code, message = self._difference(found)
        digest = hashlib.sha256(found.unverified_body).hexdigest()
        return Fetched(found.name, code, message, found.expires_at, digest)

    def _difference(self, found: Collateral) -> tuple[str, str]:
        held = self.store.find(found.name)
        if held is None:
            return "fetched", "The vendor has it; there was none here."
        if held.unverified_body == found.unverified_body:
            return "unchanged", "The vendor has the same document."
        dates = (found.issued_at, held.issued_at)
        if dates[0] is not None and dates[1] is not None and dates[0] < dates[1]:
            return "older", "The vendor's document is older than the one that is kept."
        return "fetched", "The vendor has a newer document."
