"""How the parts of this server are, as far as this process can tell without asking outside."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """What stands behind the words on the overview.

    Attributes:
        engine: of the database: ``SQLite`` or ``PostgreSQL``.
        database_ms: how long the statement took that every request needs.
        serves_attestation, serves_broker: whether this process has the role.
        signing_key: id of the key that signs tokens; ``None`` when there is none.
        tees: whose evidence is accepted.
        has_policy: whether a resource policy is set; without one nothing is released.
        issuers: whose tokens the KBS takes: of the settings and added ones, as far as they count.
        collateral_documents: how many the shared cache has.
        collateral_sources: where collateral is looked for.
    """

    engine: str
    database_ms: float
    serves_attestation: bool
    serves_broker: bool
    signing_key: str | None
    tees: tuple[str, ...]
    has_policy: bool
    issuers: tuple[str, ...]
    collateral_documents: int
    collateral_sources: tuple[str, ...]

    @property
    def attestation(self) -> str:
        """The state of the Attestation Service."""
        if not self.serves_attestation:
            return "disabled"
        return "works" if self.signing_key and self.tees else "failed"

    @property
    def broker(self) -> str:
        """The state of the Key Broker Service."""
        if not self.serves_broker:
            return "disabled"
        return "works" if self.has_policy and self.issuers else "failed"
