"""Custody of secrets: operators put them in and take them away; no one here reads them back.

What comes in is sealed at once, bound to its path and version, so that neither the database nor a
backup holds a secret, and a sealed value moved to another place does not open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from app.broker.secrets import (
    ResourceID,
    SealedSecret,
    SecretStore,
    SecretVersion,
    associated_data,
)
from app.trust.audit import Actor, AuditEntry, AuditLog
from app.trust.clock import Clock
from app.trust.errors import ResourceNotFoundError, TooLargeError
from app.trust.sealing import Sealer
from app.trust.transactions import Transactions

# How many secrets are rewrapped in one transaction: few enough that guests do not wait.
_REWRAP_BATCH = 200


@dataclass(frozen=True, slots=True)
class Custody:
    """Writes, lists, deletes and rewraps secrets.

    Attributes:
        max_bytes: larger secrets are refused.
    """

    secrets: SecretStore
    sealer: Sealer
    audit: AuditLog
    transactions: Transactions
    clock: Clock
    max_bytes: int

    def write(self, resource_id: ResourceID, plaintext: bytes, actor: Actor) -> SecretVersion:
        """Store a new version and release it from now on.

        Raises:
            TooLargeError: it is longer than ``max_bytes``.
            ConflictError: another write of the same secret was faster.
            StoreUnavailableError: it could not be written down; the old version stays.
        """
        if len(plaintext) > self.max_bytes:
            raise TooLargeError(f"a secret has at most {self.max_bytes} bytes")
        now = self.clock.now()
        with self.transactions():
            before = self.secrets.find(resource_id)
            number = self.secrets.next_version(resource_id)
            sealed = self.sealer.seal(plaintext, associated_data(resource_id, number))
            version = SecretVersion(
                resource_id=resource_id,
                version=number,
                size_bytes=len(plaintext),
                created_at=now,
                created_by=actor.name,
                active=True,
            )
            self.secrets.add(version, sealed)
            self._write_down("secret:version:write", resource_id, actor, before, sealed)
        return version

    def delete(self, resource_id: ResourceID, actor: Actor) -> None:
        """Take a secret away from guests.

        Raises:
            ResourceNotFoundError: there is none.
            StoreUnavailableError: it could not be written down; the secret stays.
        """
        with self.transactions():
            before = self.secrets.find(resource_id)
            if not self.secrets.delete(resource_id, self.clock.now()):
                raise ResourceNotFoundError("there is no such secret")
            self._write_down("secret:secret:delete", resource_id, actor, before, None)

    def versions(self, resource_id: ResourceID) -> list[SecretVersion]:
        """Metadata of every version, newest first; empty when the secret never existed."""
        return self.secrets.versions(resource_id)

    def page(
        self, *, after: ResourceID | None, limit: int, within: tuple[str, ...] = ()
    ) -> list[SecretVersion]:
        """Metadata of the active version of each secret, by id; see ``SecretStore.page``."""
        return self.secrets.page(after=after, limit=limit, within=within)

    def repositories(self, limit: int) -> list[str]:
        """The first repositories that have a secret, in order."""
        return self.secrets.repositories(limit)

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
