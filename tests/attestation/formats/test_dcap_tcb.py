"""TCB levels: which one a platform reaches, and how ratings become one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.attestation.formats.dcap_tcb import (
    COMPONENTS,
    EnclaveLevel,
    PlatformLevel,
    PlatformTCB,
    Rating,
    TCBStatus,
    merge,
    rate_enclave,
    rate_platform,
    relaunch_status,
)
from app.trust.errors import TCBUnsupportedError

OLD, NEW = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
UP = Rating(TCBStatus.UP_TO_DATE, NEW)
OUT = Rating(TCBStatus.OUT_OF_DATE, OLD, ("A", "B"))
# As it is told where the level above it came a year later.
OUT_SINCE = replace(OUT, outdated_at=NEW)
REVOKED = Rating(TCBStatus.REVOKED, OLD)
ZEROS = (0,) * COMPONENTS
TWOS = (2,) * COMPONENTS

LEVELS = [
    PlatformLevel(TWOS, 10, TWOS, UP),
    PlatformLevel(ZEROS, 5, ZEROS, OUT),
]


def changed(components: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    """Components with another value in one place."""
    return (*components[:index], value, *components[index + 1 :])


@pytest.mark.parametrize("index", range(COMPONENTS))
def test_each_component_counts(index: int) -> None:
    """One security version below a level, of the platform or the TD, and the level is missed."""
    low = changed(TWOS, index, 1)
    # A module version of 1 and more takes its own two bytes out of the comparison.
    td_zero = bytes(changed(TWOS, 1, 0))
    levels = [PlatformLevel(TWOS, 10, changed(TWOS, 1, 0), UP), LEVELS[1]]
    assert rate_platform(levels, PlatformTCB(low, 10), None) == OUT_SINCE
    assert rate_platform(levels, PlatformTCB(TWOS, 10), td_zero) is UP
    if index != 1:
        td_low = bytes(changed(tuple(td_zero), index, 1))
        assert rate_platform(levels, PlatformTCB(TWOS, 10), td_low) == OUT_SINCE


def test_module_bytes_are_left_out_when_a_module_is_named() -> None:
    """From module version 1 on, the module's own identity judges the first two bytes."""
    assert rate_platform(LEVELS, PlatformTCB(TWOS, 10), bytes((0, 1, *TWOS[2:]))) is UP
    assert rate_platform(LEVELS, PlatformTCB(TWOS, 10), bytes((2, 0, *TWOS[2:]))) == OUT_SINCE


def test_the_pce_counts() -> None:
    """Its version is one more component."""
    assert rate_platform(LEVELS, PlatformTCB(TWOS, 9), None) == OUT_SINCE
    with pytest.raises(TCBUnsupportedError):
        rate_platform(LEVELS, PlatformTCB(TWOS, 4), None)


def test_no_level_is_no_rating() -> None:
    """A platform that Intel says nothing about is not supported."""
    with pytest.raises(TCBUnsupportedError):
        rate_platform([], PlatformTCB(TWOS, 10), None)
    with pytest.raises(TCBUnsupportedError):
        rate_platform([PlatformLevel(TWOS, 1, None, UP)], PlatformTCB(TWOS, 10), bytes(16))
    with pytest.raises(TCBUnsupportedError, match="the module"):
        rate_enclave([], 7, "the module")


def test_the_first_level_in_intels_order_rates_an_enclave() -> None:
    """Levels come from the newest to the oldest."""
    levels = [EnclaveLevel(5, UP), EnclaveLevel(2, OUT)]
    assert rate_enclave(levels, 9, "it") is UP
    assert rate_enclave(levels, 4, "it") == OUT_SINCE
    with pytest.raises(TCBUnsupportedError):
        rate_enclave(levels, 1, "it")


OUTDATED = {
    TCBStatus.UP_TO_DATE: TCBStatus.OUT_OF_DATE,
    TCBStatus.SW_HARDENING_NEEDED: TCBStatus.OUT_OF_DATE,
    TCBStatus.CONFIGURATION_NEEDED: TCBStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
    TCBStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: TCBStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
    TCBStatus.OUT_OF_DATE: TCBStatus.OUT_OF_DATE,
    TCBStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: TCBStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
}


@pytest.mark.parametrize(("platform", "status"), OUTDATED.items())
def test_an_outdated_part_outdates_the_platform(platform: TCBStatus, status: TCBStatus) -> None:
    """What else the platform needs is not forgotten."""
    rating = Rating(platform, NEW, ("P",))
    assert merge(rating, UP, None) == rating
    for merged in (merge(rating, OUT, None), merge(rating, UP, OUT), merge(rating, OUT, OUT)):
        assert (merged.status, merged.date) == (status, OLD)
        assert merged.advisories == ("P", "A", "B")


def test_a_revoked_part_revokes_the_platform() -> None:
    """Whichever part it is."""
    for parts in ((REVOKED, UP, UP), (UP, REVOKED, None), (UP, UP, REVOKED)):
        with pytest.raises(TCBUnsupportedError, match="revoked"):
            merge(*parts)


GOOD = [TCBStatus.UP_TO_DATE, TCBStatus.SW_HARDENING_NEEDED]
CONFIGURE = [TCBStatus.CONFIGURATION_NEEDED, TCBStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED]
BAD = [TCBStatus.OUT_OF_DATE, TCBStatus.OUT_OF_DATE_CONFIGURATION_NEEDED]


def test_a_relaunch_is_advised_where_it_helps() -> None:
    """An outdated launch under a TCB that is fresh by now, and nothing else."""
    advised = TCBStatus.TD_RELAUNCH_ADVISED
    configure = TCBStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
    out, out_configure = BAD
    assert {relaunch_status(out, current) for current in GOOD} == {advised}
    assert {relaunch_status(out, current) for current in CONFIGURE} == {configure}
    assert {relaunch_status(out_configure, each) for each in GOOD + CONFIGURE} == {configure}
    for launch in GOOD + CONFIGURE:
        assert {relaunch_status(launch, each) for each in GOOD + CONFIGURE + BAD} == {launch}
    for launch in BAD:
        assert {relaunch_status(launch, each) for each in BAD} == {launch}
