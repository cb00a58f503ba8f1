"""Which issuers are trusted now: those of the settings, and those that operators added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from app.broker.issuers import Issuer, Issuers
from app.broker.stored_issuers import (
    Clients,
    IssuerStore,
    StoredIssuer,
    check_stored,
    open_stored,
)
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import ConflictError, IssuerNotFoundError, IssuerUnusableError
from app.trust.revisions import RevisionCache, Revisions
from app.trust.transactions import Transactions

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer, and how it came to be trusted.

    Attributes:
        issuer: with its keys.
        stored: as it rests, when the console added it.
        overruled: whether the settings name its ``iss`` or its name too, so that it does not count.
    """

    issuer: Issuer
    stored: StoredIssuer | None = None
    overruled: bool = False

    @property
    def is_believed(self) -> bool:
        """Whether its tokens are believed now."""
        return not self.overruled and (self.stored is None or self.stored.enabled)


class TrustedIssuers:
    """The issuers of the settings and of the database, as one list for each revision."""

    def __init__(
        self,
        *,
        configured: Sequence[Issuer],
        store: IssuerStore,
        clients: Clients,
        transactions: Transactions,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        """Take the collaborators.

        Args:
            configured: the issuers of the settings, the built-in service among them.
            store: where added ones live.
            clients: for their addresses.
            transactions: opens the transactions of changes.
            audit: where changes are written down.
            clock: tells the time.

        Raises:
            ConfigError: the configured ones contradict each other.
        """
        Issuers(configured)
        self._configured = tuple(configured)
        self._store = store
        self._clients = clients
        self._transactions = transactions
        self._audit = audit
        self._clock = clock
        # Opened issuers by what they rest on: a change of one leaves the others' fetched keys.
        self._opened: dict[str, Issuer] = {}
        self._current = RevisionCache(self._load)

    def at(self, revisions: Revisions) -> Issuers:
        """The issuers whose tokens are believed, as of these revisions."""
        return self._current.get(revisions.issuers)

    def all(self) -> list[TrustedIssuer]:
        """Every issuer, those of the settings first; disabled and overruled ones too."""
        names = {each.name for each in self._configured}
        isses = {each.iss for each in self._configured}
        found = [TrustedIssuer(each) for each in self._configured]
        kept = self._store.all()
        opened = {stored.name: self._open(stored) for stored in kept}
        for stored in kept:
            issuer = opened[stored.name]
            overruled = stored.name in names or stored.iss in isses
            if issuer is not None:
                found.append(TrustedIssuer(issuer, stored, overruled))
        return found

    def get(self, name: str) -> TrustedIssuer:
        """The issuer of this name.

        Raises:
            IssuerNotFoundError: there is none.
        """
        for each in self.all():
            if each.issuer.name == name:
                return each
        raise IssuerNotFoundError("there is no issuer of this name")

    def add(self, issuer: StoredIssuer, actor: Actor) -> StoredIssuer:
        """Trust an issuer from the next request on, at every worker.

        Raises:
            MalformedRequestError, IssuerUnusableError: it could never vouch.
            ConflictError: its name or its ``iss`` is taken, in the settings or in the database.
        """
        check_stored(issuer, self._clients)
        for each in self._configured:
            if each.name == issuer.name or each.iss == issuer.iss:
                raise ConflictError(f"the settings name {each.name} already")
        with self._transactions():
            self._store.add(issuer)
            self._audit.append(self._entry("issuer:added:add", issuer.name, actor, None, issuer))
        return issuer

    def set_enabled(self, name: str, *, enabled: bool, actor: Actor) -> None:
        """Believe the tokens of an added issuer, or no longer.

        Raises:
            IssuerNotFoundError: there is none of this name.
            ConflictError: the settings name it; they are changed where they stand.
        """
        before = self._stored(name)
        if before.enabled == enabled:
            return
        after = replace(before, enabled=enabled)
        with self._transactions():
            self._store.set_enabled(name, enabled=enabled)
            action = "issuer:added:enable" if enabled else "issuer:added:disable"
            self._audit.append(self._entry(action, name, actor, before, after))

    def remove(self, name: str, actor: Actor) -> None:
        """Forget an added issuer.

        Raises:
            IssuerNotFoundError, ConflictError: as ``set_enabled``.
        """
        before = self._stored(name)
        with self._transactions():
            self._store.remove(name)
            self._audit.append(self._entry("issuer:added:remove", name, actor, before, None))

    def _stored(self, name: str) -> StoredIssuer:
        found = self.get(name)
        if found.stored is None:
            raise ConflictError("this issuer is one of the settings; it is changed where it stands")
        return found.stored

    def _entry(
        self,
        action: str,
        name: str,
        actor: Actor,
        before: StoredIssuer | None,
        after: StoredIssuer | None,
    ) -> AuditEntry:
        return AuditEntry(
            at=self._clock.now(),
            actor=actor,
            action=action,
            subject=name,
            before=before.digest if before else None,
            after=after.digest if after else None,
        )

    def _load(self) -> Issuers:
        return Issuers(each.issuer for each in self.all() if each.is_believed)

    def _open(self, stored: StoredIssuer) -> Issuer | None:
        """The issuer with its keys; what was opened before stays, and so do the keys it fetched."""
        digest = replace(stored, enabled=True).digest + stored.name
        opened = self._opened.get(digest)
        if opened is None:
            try:
                opened = open_stored(stored, self._clients)
            except IssuerUnusableError as error:
                # Written down by another version, or changed by hand: it vouches for nobody.
                _log.error("a trusted issuer cannot be used", issuer=stored.name, why=error.message)
                return None
            self._opened[digest] = opened
        return opened
