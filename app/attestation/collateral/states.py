"""What becomes of evidence when collateral is not fresh: declared by settings, seen by policies.

A verification sees collateral through ``ConsultedCollateral``, which notes the state of everything
that was looked at. The worst of it becomes the claim ``collateral_state``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from app.attestation.collateral.ports import (
    Collateral,
    CollateralKeeper,
    CollateralSource,
    State,
)
from app.trust.errors import CollateralUnavailableError, StaleCollateralError
from app.trust.json_types import JSONValue

STATE_CLAIM = "collateral_state"

# Options of verifiers by which an operator chose for one TEE, and the value that lets policy judge.
_STALE_OPTION = ("stale_collateral", "claim")
_MISSING_OPTION = ("revocation", "if-available")


class Behaviour(Enum):
    """What a state means for evidence that depends on the document."""

    REFUSE = "refuse"
    CLAIM = "claim"


@dataclass(frozen=True, slots=True)
class CollateralRules:
    """What each state but ``fresh`` means.

    Attributes:
        ageing: a newer document should be there and is not; its vendor still stands by this one.
        stale: its vendor no longer stands by it.
        missing: no source has a document that the verifier can do without, such as a revocation
            list. Evidence that needs a missing document is refused in any case.
    """

    ageing: Behaviour = Behaviour.CLAIM
    stale: Behaviour = Behaviour.REFUSE
    missing: Behaviour = Behaviour.REFUSE

    def for_options(self, options: Mapping[str, JSONValue]) -> CollateralRules:
        """The rules for a TEE: what its verifier's options say goes before the general rule."""
        return CollateralRules(
            self.ageing,
            _chosen(options, _STALE_OPTION, self.stale),
            _chosen(options, _MISSING_OPTION, self.missing),
        )


def _chosen(
    options: Mapping[str, JSONValue], option: tuple[str, str], otherwise: Behaviour
) -> Behaviour:
    name, lenient = option
    if name not in options:
        return otherwise
    return Behaviour.CLAIM if options[name] == lenient else Behaviour.REFUSE


@dataclass
class ConsultedCollateral:
    """Collateral as one verification sees it; fits every port of ``ports``' sources.

    Attributes:
        source: where documents come from.
        rules: what states mean.
        now: the time of the verification, UTC.
        worst: the worst state of what was looked at; ``None`` when nothing was.
    """

    source: CollateralSource
    rules: CollateralRules
    now: datetime
    worst: State | None = None
    _missing: CollateralUnavailableError | None = field(default=None, repr=False)

    def get(self, name: str) -> Collateral:
        """The document, when its state does not refuse it.

        Raises:
            CollateralUnavailableError: no source has it, or it is ageing and settings refuse that.
            StaleCollateralError: it is stale and settings refuse that.
            UnknownPlatformError: see ``CollateralSource``.
        """
        try:
            found = self.source.get(name)
        except CollateralUnavailableError as error:
            self._note(State.MISSING)
            self._missing = error
            raise
        state = found.state(self.now)
        self._note(state)
        if state is State.STALE and self.rules.stale is Behaviour.REFUSE:
            raise StaleCollateralError(f"{name} is past its vendor's date, and none is newer")
        if state is State.AGEING and self.rules.ageing is Behaviour.REFUSE:
            raise CollateralUnavailableError(f"{name} is ageing, and no source has a newer one")
        return found

    def found_unusable(self, error: CollateralUnavailableError) -> None:
        """See ``CollateralWitness``."""
        self._note(State.MISSING)
        self._missing = error

    def keep(self, collateral: Collateral) -> None:
        """See ``CollateralKeeper``."""
        if isinstance(self.source, CollateralKeeper):
            self.source.keep(collateral)

    def check(self) -> None:
        """What the verifier did without is not refused by settings.

        Raises:
            CollateralUnavailableError: a document is missing.
        """
        if self._missing is not None and self.rules.missing is Behaviour.REFUSE:
            raise CollateralUnavailableError(
                self._missing.message, retry_after=self._missing.retry_after
            )

    def claims(self) -> dict[str, JSONValue]:
        """The claim that policies see; none when nothing was looked at."""
        return {} if self.worst is None else {STATE_CLAIM: self.worst.value}

    def _note(self, state: State) -> None:
        if self.worst is None or state.rank > self.worst.rank:
            self.worst = state
