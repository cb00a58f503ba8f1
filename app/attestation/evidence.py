"""What a verifier takes and what it gives: unverified evidence in, claims out.

The types carry trust. Nothing becomes ``Claims`` but through a verifier, and nothing below the
verifiers takes anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from app.attestation.collateral.ports import CollateralSource
from app.trust.json_types import JSONObject, JSONValue


@dataclass(frozen=True, slots=True)
class UnverifiedEvidence:
    """Evidence as it came from outside.

    Attributes:
        tee: the wire name that the guest gave it.
        body: JSON of the shape that the TEE's page in docs/reference/verifiers describes.
    """

    tee: str
    body: JSONValue


@dataclass(frozen=True, slots=True)
class Binding:
    """What the evidence must be bound to.

    Attributes:
        report_data: the expected report data, before padding to the length of the TEE's field;
            ``None`` when the caller gave none, and then nothing is compared.
        init_data: the digest of the init data, before padding; ``None`` when none was given.
    """

    report_data: bytes | None
    init_data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verifier vouches for, of one attesting environment.

    Attributes:
        tee_class: ``cpu``, ``gpu``, ``switch``, ``ppcie``, ``dcu`` or ``nvidia-dpu``.
        values: claims by name. ``report_data`` and ``init_data`` are the fields of the evidence.
    """

    tee_class: str
    values: JSONObject


@dataclass(frozen=True, slots=True)
class Context:
    """What a verifier may ask besides the evidence.

    Attributes:
        now: the time against which certificates and collateral are judged, UTC.
        collateral: certificates, TCB info and revocation lists by name.
        options: the verifier's own settings (``verifiers.options.<name>``).
        challenge: the nonce as it was issued, for TEEs whose evidence answers a challenge of its
            own; ``None`` when the caller tells none.
    """

    now: datetime
    collateral: CollateralSource
    options: Mapping[str, JSONValue] = field(default_factory=lambda: MappingProxyType({}))
    challenge: str | None = field(default=None, repr=False)


class Verifier(Protocol):
    """One kind of TEE.

    Attributes:
        tee: its wire name.
        insecure: whether anyone can forge its evidence; such a verifier needs an ``insecure_``
            setting.
    """

    tee: str
    insecure: bool

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check of the TEE's specification, in its order.

        Returns:
            At least one set of claims; the primary environment first.

        Raises:
            MalformedEvidenceError: the evidence does not parse.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: what the check needs could not be had.
        """
        ...


@runtime_checkable
class Challenger(Protocol):
    """A verifier whose TEE brings a challenge of its own (IBM Secure Execution)."""

    def challenge(self, parameters: JSONValue, context: Context) -> str:
        """The challenge document, in the place of a nonce."""
        ...


@runtime_checkable
class RootedVerifier(Protocol):
    """A verifier with pinned vendor roots, which a site may add to (``insecure_extra_roots``)."""

    def with_extra_roots(self, unverified_roots: bytes) -> Verifier:
        """A verifier that accepts the certificates in a PEM file as roots too.

        Raises:
            ConfigError: the file does not hold roots of this TEE.
        """
        ...


@runtime_checkable
class OptionedVerifier(Protocol):
    """A verifier with options, which can be judged before anything is served."""

    def check_options(self, options: Mapping[str, JSONValue]) -> None:
        """Refuse what ``verify`` would not understand.

        Raises:
            ConfigError: it lists every fault.
        """
        ...
