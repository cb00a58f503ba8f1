"""Custody of secrets: operators put them in, take them away, bring them back, and may read them.

What comes in is sealed at once, bound to its path and version, so that neither the database nor a
backup holds a secret, and a sealed value moved to another place does not open. What is deleted can
be brought back for a while; then its sealed versions are erased. What is read here, and not by a
guest, is written down first, with the reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from app.broker.secrets import (
    EVERY_PATH,
    VERSION_PAGE,
    DeletedSecret,
    PathPrefix,
    ResourceID,
    SealedSecret,
    SecretStore,
    SecretVersion,
    associated_data,
)
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import (
    ConflictError,
    MalformedRequestError,
    ResourceNotFoundError,
    RevealDisabledError,
    TooLargeError,
)
from app.trust.sealing import Sealer
from app.trust.transactions import Transactions

# How many secrets are rewrapped in one transaction: few enough that guests do not wait.
_REWRAP_BATCH = 200
_DUE_BATCH = 200
_LEAST_REASON, _LONGEST_REASON = 8, 500
_HOUSEKEEPING = Actor("housekeeping", "system")


@dataclass(frozen=True, slots=True)
class Custody:
    """Writes, lists, deletes, brings back, destroys and rewraps secrets.

    Attributes:
        max_bytes: larger secrets are refused.
        recovery: how long a deleted secret can be brought back.
        may_reveal: whether values are read by anybody but guests.
    """

    secrets: SecretStore
    sealer: Sealer
    audit: AuditLog
    transactions: Transactions
    clock: Clock
    max_bytes: int
    recovery: timedelta
    may_reveal: bool

    def write(
        self,
        resource_id: ResourceID,
        plaintext: bytes,
        actor: Actor,
        *,
        based_on: int | None = None,
    ) -> SecretVersion:
        """Store a new version and release it from now on.

        Args:
            resource_id: where it goes.
            plaintext: the secret.
            actor: who writes it.
            based_on: the number of the newest version that the writer knows, 0 when there is none;
                ``None`` replaces whatever there is.

        Raises:
            TooLargeError: it is longer than ``max_bytes``.
            ConflictError: there is a newer version than it is based on, or another write of the
                same secret was faster.
            StoreUnavailableError: it could not be written down; the old version stays.
        """
        if len(plaintext) > self.max_bytes:
            raise TooLargeError(f"a secret has at most {self.max_bytes} bytes")
        with self.transactions():
            number = self._begin(resource_id, based_on)
            version = self._described(resource_id, number, plaintext, actor)
            return self._append(version, plaintext, actor, "secret:version:write")

    def restore(
        self, resource_id: ResourceID, version: int, actor: Actor, *, based_on: int | None = None
    ) -> SecretVersion:
        """Make what an old version holds the newest version; brings a deleted secret back.

        Args:
            resource_id: of the secret.
            version: the number of the old version.
            actor: who restores it.
            based_on: as for ``write``.

        Raises:
            ResourceNotFoundError: there is no such version, or it was destroyed.
            ConflictError: it is the version that is released, or as ``write``.
            SealingError: it does not open.
            StoreUnavailableError: as ``write``.
        """
        with self.transactions():
            number = self._begin(resource_id, based_on)
            old = self._version(resource_id, version)
            active = self.secrets.find(resource_id)
            if active is not None and active.version == version:
                raise ConflictError("this version is the one that guests get already")
            plaintext = self._open(old)
            new = self._described(resource_id, number, plaintext, actor, restored_from=version)
            return self._append(new, plaintext, actor, "secret:version:restore")

    def delete(self, resource_id: ResourceID, actor: Actor) -> DeletedSecret:
        """Take a secret away from guests; for ``recovery`` it can be brought back.

        Raises:
            ResourceNotFoundError: there is none.
            StoreUnavailableError: it could not be written down; the secret stays.
        """
        now = self.clock.now()
        with self.transactions():
            before = self.secrets.find(resource_id)
            if before is None or not self.secrets.delete(resource_id, now, actor.name):
                raise ResourceNotFoundError("there is no such secret")
            self._write_down("secret:secret:delete", resource_id, actor, before, None)
        return DeletedSecret(resource_id, before.version, now, actor.name)

    def destroy(self, resource_id: ResourceID, actor: Actor) -> None:
        """Erase every version of a deleted secret at once; nothing brings them back.

        Raises:
            ResourceNotFoundError: there is no such secret.
            ConflictError: it is not deleted.
            StoreUnavailableError: it could not be written down; nothing is erased.
        """
        with self.transactions():
            deleted = self.secrets.find_deleted(resource_id)
            if deleted is None and self.secrets.find(resource_id) is not None:
                raise ConflictError("only a deleted secret can be destroyed")
            if deleted is None or not self._destroy(deleted, actor):
                raise ResourceNotFoundError("there is no such secret")

    def reveal(self, resource_id: ResourceID, version: int, reason: str, actor: Actor) -> bytes:
        """The value of a version, once it is written down who reads it and why.

        Args:
            resource_id: of the secret.
            version: its number.
            reason: in the reader's words, for whoever reads the audit log.
            actor: who reads it.

        Raises:
            RevealDisabledError: the settings let nobody.
            MalformedRequestError: the reason is shorter than 8 or longer than 500 characters, or
                holds control characters.
            ResourceNotFoundError: there is no such version, or it was destroyed.
            SealingError: it does not open.
            StoreUnavailableError: it could not be written down.
        """
        if not self.may_reveal:
            raise RevealDisabledError("the settings of this server let nobody read a secret")
        note = _checked_reason(reason)
        with self.transactions():
            deleted = self.secrets.find_deleted(resource_id)
            if deleted is not None and self._is_over(deleted):
                raise ResourceNotFoundError("there is no such version of this secret")
            plaintext = self._open(self._version(resource_id, version))
            self.audit.append(
                AuditEntry(
                    at=self.clock.now(),
                    actor=actor,
                    action="secret:version:reveal",
                    subject=f"{resource_id} version {version}",
                    note=note,
                )
            )
        return plaintext

    def destroy_due(self) -> int:
        """Erase what was deleted longer than ``recovery`` ago; how many secrets that were.

        Raises:
            StoreUnavailableError: the database is out of reach; what was erased stays so.
        """
        until = self.clock.now() - self.recovery
        count = 0
        after: ResourceID | None = None
        while due := self.secrets.deleted(after=after, limit=_DUE_BATCH, until=until):
            for deleted in due:
                with self.transactions():
                    count += self._destroy(deleted, _HOUSEKEEPING)
            after = due[-1].resource_id
        return count

    def versions(
        self, resource_id: ResourceID, *, below: int | None = None, limit: int = VERSION_PAGE
    ) -> list[SecretVersion]:
        """Metadata of versions, newest first; see ``SecretStore.versions``."""
        return self.secrets.versions(resource_id, below=below, limit=limit)

    def page(
        self, *, after: ResourceID | None, limit: int, within: PathPrefix = EVERY_PATH
    ) -> list[SecretVersion]:
        """Metadata of the active version of each secret, by id; see ``SecretStore.page``."""
        return self.secrets.page(after=after, limit=limit, within=within)

    def folders(self, within: tuple[str, ...], *, after: str | None, limit: int) -> list[str]:
        """Repositories, or types of one, in order; see ``SecretStore.folders``."""
        return self.secrets.folders(within, after=after, limit=limit)

    def find_deleted(self, resource_id: ResourceID) -> DeletedSecret | None:
        """The secret when it was deleted and can still be brought back or destroyed."""
        return self.secrets.find_deleted(resource_id)

    def deleted(self, *, after: ResourceID | None, limit: int) -> list[DeletedSecret]:
        """Deleted secrets that are not destroyed yet, by id; see ``SecretStore.deleted``."""
        return self.secrets.deleted(after=after, limit=limit)

    def recoverable_until(self, deleted: DeletedSecret) -> datetime:
        """From when on a deleted secret cannot be brought back."""
        return deleted.deleted_at + self.recovery

    def rewrap(self, actor: Actor) -> int:
        """Wrap every data key under the current key-encryption key; how many were rewrapped.

        Secrets stay readable throughout, and what is wrapped already is left alone, so the command
        can be stopped and given again.

        Raises:
            SealingError: a secret was sealed under a key that is not configured.
            StoreUnavailableError: the database is out of reach; finished batches stay.
        """
        count = 0
        outdated = self._outdated()
        while batch := list(islice(outdated, _REWRAP_BATCH)):
            with self.transactions():
                for secret in batch:
                    self.secrets.replace_sealed(secret)
            count += len(batch)
        with self.transactions():
            after = self.sealer.current_key_id
            self.audit.append(
                AuditEntry(self.clock.now(), actor, "secret:all:rewrap", after, after=after)
            )
        return count

    def _outdated(self) -> Iterator[SealedSecret]:
        for secret in self.secrets.sealed_versions():
            sealed = self.sealer.rewrap(secret.sealed)
            if sealed is not secret.sealed:
                yield SealedSecret(secret.resource_id, secret.version, sealed)

    def _begin(self, resource_id: ResourceID, based_on: int | None) -> int:
        """The number of the next version, once nobody was faster; other writers wait from here."""
        number = self.secrets.next_version(resource_id)
        deleted = self.secrets.find_deleted(resource_id)
        if deleted is not None and self._is_over(deleted):
            # Its time is over, whether or not it was erased yet.
            self._destroy(deleted, _HOUSEKEEPING)
        newest = next((v.version for v in self.secrets.versions(resource_id, limit=1)), 0)
        if based_on is not None and based_on != newest:
            raise ConflictError(
                f"the newest version is {newest}, and this is based on version {based_on}"
                if newest
                else "this is based on a version, and the secret was destroyed"
            )
        return number

    def _is_over(self, deleted: DeletedSecret) -> bool:
        return self.recoverable_until(deleted) <= self.clock.now()

    def _version(self, resource_id: ResourceID, version: int) -> SealedSecret:
        found = self.secrets.find_version(resource_id, version)
        if found is None:
            raise ResourceNotFoundError("there is no such version of this secret")
        return found

    def _open(self, secret: SealedSecret) -> bytes:
        return self.sealer.open(secret.sealed, associated_data(secret.resource_id, secret.version))

    def _described(
        self,
        resource_id: ResourceID,
        number: int,
        plaintext: bytes,
        actor: Actor,
        *,
        restored_from: int | None = None,
    ) -> SecretVersion:
        return SecretVersion(
            resource_id=resource_id,
            version=number,
            size_bytes=len(plaintext),
            created_at=self.clock.now(),
            created_by=actor.name,
            active=True,
            restored_from=restored_from,
        )

    def _append(
        self, version: SecretVersion, plaintext: bytes, actor: Actor, action: str
    ) -> SecretVersion:
        resource_id = version.resource_id
        before = self.secrets.find(resource_id)
        sealed = self.sealer.seal(plaintext, associated_data(resource_id, version.version))
        self.secrets.add(version, sealed)
        self._write_down(action, resource_id, actor, before, sealed)
        return version

    def _destroy(self, deleted: DeletedSecret, actor: Actor) -> bool:
        if not self.secrets.destroy(deleted):
            return False
        self._write_down("secret:secret:destroy", deleted.resource_id, actor, None, None)
        return True

    def _write_down(
        self,
        action: str,
        resource_id: ResourceID,
        actor: Actor,
        before: SealedSecret | None,
        after: bytes | None,
    ) -> None:
        """Audit a change. Digests are of sealed bytes: those of short secrets could be guessed."""
        entry = AuditEntry(
            at=self.clock.now(),
            actor=actor,
            action=action,
            subject=str(resource_id),
            before=hashlib.sha256(before.sealed).hexdigest() if before else None,
            after=hashlib.sha256(after).hexdigest() if after is not None else None,
        )
        self.audit.append(entry)


def _checked_reason(text: str) -> str:
    """A reason that a reader of the audit log can use, on one line."""
    reason = " ".join(text.split())
    if not _LEAST_REASON <= len(reason) <= _LONGEST_REASON or not reason.isprintable():
        raise MalformedRequestError(
            f"a reason has {_LEAST_REASON} to {_LONGEST_REASON} printable characters"
        )
    return reason
