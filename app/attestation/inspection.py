"""Evidence looked at without a challenge: verified as far as that goes, and nothing else.

Nothing is recorded, no token is made, no nonce is consumed, no collateral is kept. What evidence is
bound to can be compared only when the runtime data came along, and even then nobody knows that
they are fresh: an inspection is no attestation, and its type is not the one of claims that vouch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app.attestation.collateral.ports import Collateral, CollateralSource, State
from app.attestation.collateral.sources import CollateralSources
from app.attestation.composition import Bound, annotate, bind
from app.attestation.evidence import Context, UnverifiedEvidence, Verifier
from app.trust.appraiser import EvidenceItem
from app.trust.clock import Clock
from app.trust.errors import (
    CollateralUnavailableError,
    DomainError,
    MalformedRequestError,
    UnknownTEEError,
)
from app.trust.json_types import JSONObject, JSONValue


@dataclass(frozen=True, slots=True)
class UnkeptCollateral:
    """The configured places, asked without keeping what a vendor answers."""

    sources: CollateralSources
    clock: Clock

    def get(self, name: str) -> Collateral:
        """A fresh copy that is at hand, or the vendor's, or else the copy that there is.

        Raises:
            CollateralUnavailableError: no place has it.
        """
        found = self.sources.at_hand(name)
        if found is not None and found.state(self.clock.now()) is State.FRESH:
            return found
        try:
            return self.sources.fetch(name)
        except (CollateralUnavailableError, MalformedRequestError) as error:
            if found is not None:
                return found
            if isinstance(error, MalformedRequestError):
                raise CollateralUnavailableError(error.message) from error
            raise


class BindingState(StrEnum):
    """What is known about what the evidence is bound to."""

    NOT_CHECKED = "not checked"
    MET = "met"


@dataclass(frozen=True, slots=True)
class InspectedEnvironment:
    """One environment that genuine evidence is about.

    Attributes:
        tee_class: ``cpu``, ``gpu`` …
        annotated: claims as a policy would see them.
    """

    tee_class: str
    annotated: JSONObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class InspectedEvidence:
    """What verifying one piece of evidence found.

    Attributes:
        tee: the wire name that it was taken for.
        code: the reason code of the refusal; empty when it is genuine.
        why: of the refusal, in a sentence.
        binding: of the report data.
        init_data: of the init data.
        environments: none when it was refused.
        insecure: whether anyone can forge evidence of this TEE.
    """

    tee: str
    code: str
    why: str
    binding: BindingState
    init_data: BindingState
    environments: tuple[InspectedEnvironment, ...]
    insecure: bool

    @property
    def is_genuine(self) -> bool:
        """Whether every check was met that could be made."""
        return not self.code


@dataclass(frozen=True, slots=True)
class EvidenceInspector:
    """Verifies evidence as the service would, and forgets it.

    Attributes:
        verifiers: the enabled ones, by wire name.
        collateral: ``UnkeptCollateral``, so that looking leaves nothing behind.
        options: of verifiers, by wire name.
        clock: judges certificates.
    """

    verifiers: Mapping[str, Verifier]
    collateral: CollateralSource
    options: Mapping[str, Mapping[str, JSONValue]]
    clock: Clock

    def inspect(self, item: EvidenceItem) -> InspectedEvidence:
        """What a verifier finds out; a refusal is an answer.

        Raises:
            UnknownTEEError: no verifier for the TEE is enabled.
            MalformedRequestError, MalformedInitDataError: what came along does not parse.
        """
        verifier = self.verifiers.get(item.tee)
        if verifier is None:
            raise UnknownTEEError(f"no verifier for {item.tee[:32]!r} is enabled here")
        bound = bind(item, verbose=False)
        context = Context(self.clock.now(), self.collateral, self.options.get(item.tee, {}))
        evidence = UnverifiedEvidence(item.tee, item.unverified_evidence)
        try:
            claims = verifier.verify(evidence, bound.binding, context)
        except DomainError as error:
            return _refused(verifier, error)
        return InspectedEvidence(
            tee=item.tee,
            code="",
            why="",
            binding=_state(bound.binding.report_data),
            init_data=_state(bound.binding.init_data),
            environments=tuple(
                InspectedEnvironment(each.tee_class, annotate(item.tee, _quiet(bound), each.values))
                for each in claims
            ),
            insecure=verifier.insecure,
        )


def _refused(verifier: Verifier, error: DomainError) -> InspectedEvidence:
    return InspectedEvidence(
        tee=verifier.tee,
        code=error.code,
        why=error.message,
        binding=BindingState.NOT_CHECKED,
        init_data=BindingState.NOT_CHECKED,
        environments=(),
        insecure=verifier.insecure,
    )


def _state(expected: bytes | None) -> BindingState:
    return BindingState.NOT_CHECKED if expected is None else BindingState.MET


def _quiet(bound: Bound) -> Bound:
    """Without the nonce and the key that were pasted beside the evidence."""
    return Bound(bound.binding, None, bound.init_claims)
