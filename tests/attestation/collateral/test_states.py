"""What collateral that is not fresh means for evidence is declared, and policies see it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import NOON
from simulated.collateral import MemoryCollateral

from app.attestation.collateral.ports import Collateral, CollateralKeeper, State, state_at
from app.attestation.collateral.states import Behaviour, CollateralRules, ConsultedCollateral
from app.trust.errors import CollateralUnavailableError, DomainError, StaleCollateralError

DAY = timedelta(days=1)
REFUSE, CLAIM = Behaviour.REFUSE, Behaviour.CLAIM


class Dated:
    """The port ``CollateralSource``, whose documents are named by their state."""

    def get(self, name: str) -> Collateral:
        """A document in the state of its name."""
        ageing, over = {"fresh": (DAY, DAY), "ageing": (-DAY, DAY), "stale": (-DAY, -DAY)}[name]
        return Collateral(name, b"", {}, NOON, "x", None, NOON + over, NOON + ageing)


def consulted(rules: CollateralRules | None = None) -> ConsultedCollateral:
    """A verification's view."""
    return ConsultedCollateral(Dated(), rules or CollateralRules(), NOON)


def refusal(view: ConsultedCollateral, name: str) -> type[DomainError] | None:
    """How looking at a document is refused."""
    try:
        view.get(name)
    except DomainError as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    ("rules", "name", "refused"),
    [
        (CollateralRules(), "fresh", None),
        (CollateralRules(), "ageing", None),
        (CollateralRules(), "stale", StaleCollateralError),
        (CollateralRules(ageing=REFUSE), "ageing", CollateralUnavailableError),
        (CollateralRules(stale=CLAIM), "stale", None),
    ],
)
def test_each_state_has_its_behaviour(
    rules: CollateralRules, name: str, refused: type[DomainError] | None
) -> None:
    """By default what is stale is refused, and what is ageing is told."""
    assert refusal(consulted(rules), name) is refused


def test_the_worst_state_becomes_the_claim() -> None:
    """In whatever order documents were looked at; nothing when none was."""
    view = consulted(CollateralRules(stale=CLAIM))
    assert view.claims() == {}
    for name, worst in (("fresh", "fresh"), ("stale", "stale"), ("ageing", "stale")):
        view.get(name)
        assert view.claims() == {"collateral_state": worst}


def without(rules: CollateralRules) -> ConsultedCollateral:
    """A view of a verification that did without a list that nobody has."""
    view = ConsultedCollateral(MemoryCollateral({}), rules, NOON)
    with pytest.raises(CollateralUnavailableError):
        view.get("amd/milan/crl")
    return view


def test_doing_without_a_document_is_refused_by_default() -> None:
    """Otherwise whoever cuts the way to a vendor could have a revocation overlooked."""
    with pytest.raises(CollateralUnavailableError, match="amd/milan/crl"):
        without(CollateralRules()).check()


def test_an_operator_may_leave_a_missing_document_to_policy() -> None:
    """Which sees that one is missing."""
    view = without(CollateralRules(missing=CLAIM))
    view.check()
    assert view.claims() == {"collateral_state": "missing"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, CollateralRules()),
        ({"stale_collateral": "claim"}, CollateralRules(stale=CLAIM)),
        ({"revocation": "if-available"}, CollateralRules(missing=CLAIM)),
        ({"revocation": "require"}, CollateralRules()),
    ],
)
def test_a_verifier_s_option_goes_before_the_general_rule(
    options: dict[str, object], expected: CollateralRules
) -> None:
    """It was chosen for this TEE."""
    assert CollateralRules().for_options(options) == expected  # type: ignore[arg-type]
    lenient = CollateralRules(stale=CLAIM, missing=CLAIM)
    strict = {"stale_collateral": "refuse", "revocation": "require"}
    assert lenient.for_options(strict) == CollateralRules()


def test_what_verified_is_kept_by_the_source_behind() -> None:
    """A verifier does not see that somebody looks over its shoulder."""
    source = MemoryCollateral({})
    view = ConsultedCollateral(source, CollateralRules(), NOON)
    assert isinstance(view, CollateralKeeper)
    view.keep(Collateral("a/b", b"", {}, NOON, "x"))
    assert [each.name for each in source.kept] == ["a/b"]
    consulted().keep(source.kept[0])


@pytest.mark.parametrize(
    ("ageing", "over", "state"),
    [
        (None, None, State.FRESH),
        (DAY, DAY, State.FRESH),
        (timedelta(0), DAY, State.AGEING),
        (-DAY, None, State.AGEING),
        (DAY, timedelta(0), State.STALE),
    ],
)
def test_a_state_begins_with_its_moment(
    ageing: timedelta | None, over: timedelta | None, state: State
) -> None:
    """A document that is over at noon does not serve at noon."""
    moments = [None if each is None else NOON + each for each in (ageing, over)]
    assert state_at(NOON, *moments) is state
