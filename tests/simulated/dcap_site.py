"""A site for DCAP tests: a simulated machine, the vectors' collateral, short ways to verify."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from paths import VECTORS

from app.attestation.collateral.intel_bundle import IntelBundle
from app.attestation.collateral.ports import Collateral, CollateralSource
from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.sgx import SGXVerifier
from app.attestation.verifiers.tdx import TDXVerifier
from app.lab.intel import NOON, Publication
from app.lab.tdx import SimulatedTDX
from app.trust.errors import CollateralUnavailableError, DomainError

REPORT_DATA = b"simulated report data"
# Inside of the dates of the genuine TDX collateral, and after those of all of it.
GENUINE_AT = datetime(2025, 11, 10, tzinfo=UTC)
LATER = datetime(2026, 11, 24, tzinfo=UTC)
CLAIM = {"stale_collateral": "claim"}


@cache
def machine() -> SimulatedTDX:
    """The machine; it is not changed."""
    return SimulatedTDX()


@cache
def td_verifier() -> TDXVerifier:
    """The verifier that pins the simulated Intel, with its caches warm after the first use."""
    return TDXVerifier(machine().intel.roots)


@cache
def enclave_verifier() -> SGXVerifier:
    """The same for SGX."""
    return SGXVerifier(machine().intel.roots)


@dataclass(frozen=True)
class BundleSource:
    """A bundle as the port ``CollateralSource``, with documents renamed or replaced."""

    bundle: IntelBundle
    changes: Mapping[str, Collateral | None]

    def get(self, name: str) -> Collateral:
        """The document of this name, or what replaces it."""
        found = self.changes[name] if name in self.changes else self.bundle.find(name)
        if found is None:
            raise CollateralUnavailableError(f"no source has {name}")
        return found


@cache
def genuine_source() -> BundleSource:
    """Intel's genuine collateral of the vectors."""
    return BundleSource(IntelBundle(VECTORS / "dcap" / "offline-bundle.json"), {})


def verify_td(
    quote: bytes,
    *,
    source: CollateralSource | None = None,
    binding: Binding | None = None,
    now: datetime = NOON,
    options: Mapping[str, Any] | None = None,
    verifier: TDXVerifier | None = None,
    log: bytes | None = None,
) -> dict[str, Any]:
    """The claims of a TD quote."""
    encoded = None if log is None else base64.b64encode(log).decode()
    body = {"quote": base64.b64encode(quote).decode(), "cc_eventlog": encoded}
    context = Context(now, source or machine().publication, options or {})
    (claims,) = (verifier or td_verifier()).verify(
        UnverifiedEvidence("tdx", body), binding or Binding(None), context
    )
    assert claims.tee_class == "cpu"
    return claims.values


def verify_enclave(
    quote: bytes,
    *,
    source: CollateralSource | None = None,
    binding: Binding | None = None,
    now: datetime = NOON,
    options: Mapping[str, Any] | None = None,
    verifier: SGXVerifier | None = None,
) -> dict[str, Any]:
    """The claims of an SGX quote."""
    body = {"quote": base64.b64encode(quote).decode()}
    context = Context(now, source or machine().publication, options or {})
    (claims,) = (verifier or enclave_verifier()).verify(
        UnverifiedEvidence("sgx", body), binding or Binding(None), context
    )
    assert claims.tee_class == "cpu"
    return claims.values


def published(**changes: Any) -> Publication:
    """The machine's collateral, with changes (see ``SimulatedIntel.publish``)."""
    return machine().intel.publish(machine().platform, **changes)


def refusal(verify: Callable[[], object]) -> str:
    """The reason code of a refusal; ``accepted`` when there is none."""
    try:
        verify()
    except DomainError as error:
        return error.code
    return "accepted"


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    """The data with one bit of one byte inverted."""
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
