"""TCB levels: how a platform is rated, and how ratings of its parts become one.

Source: Intel, "DCAP Quote Verification Library", the TCB level check; Intel PCS API version 4, TCB
info and enclave identity. Pure: versions and levels in, a rating out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.trust.errors import TCBUnsupportedError

COMPONENTS = 16


class TCBStatus(StrEnum):
    """What Intel says about a TCB, as the claim ``tcb_status`` spells it."""

    UP_TO_DATE = "UpToDate"
    SW_HARDENING_NEEDED = "SWHardeningNeeded"
    CONFIGURATION_NEEDED = "ConfigurationNeeded"
    CONFIGURATION_AND_SW_HARDENING_NEEDED = "ConfigurationAndSWHardeningNeeded"
    OUT_OF_DATE = "OutOfDate"
    OUT_OF_DATE_CONFIGURATION_NEEDED = "OutOfDateConfigurationNeeded"
    TD_RELAUNCH_ADVISED = "TDRelaunchAdvised"
    TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED = "TDRelaunchAdvisedConfigurationNeeded"
    REVOKED = "Revoked"


# Statuses that Intel gives to levels; the two that advise a relaunch are only ever derived.
PLATFORM_STATUSES = frozenset(TCBStatus) - {
    TCBStatus.TD_RELAUNCH_ADVISED,
    TCBStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
}
MODULE_STATUSES = frozenset({TCBStatus.UP_TO_DATE, TCBStatus.OUT_OF_DATE, TCBStatus.REVOKED})

# What an outdated enclave or module makes of its platform's status; others stay.
_OUTDATED = {
    TCBStatus.UP_TO_DATE: TCBStatus.OUT_OF_DATE,
    TCBStatus.SW_HARDENING_NEEDED: TCBStatus.OUT_OF_DATE,
    TCBStatus.CONFIGURATION_NEEDED: TCBStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
    TCBStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: TCBStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
}
_OUT_OF_DATE = frozenset(
    {TCBStatus.OUT_OF_DATE, TCBStatus.OUT_OF_DATE_CONFIGURATION_NEEDED},
)
_CONFIGURATION_NEEDED = frozenset(
    {
        TCBStatus.CONFIGURATION_NEEDED,
        TCBStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
        TCBStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
    }
)


@dataclass(frozen=True, slots=True)
class Rating:
    """What a level says of whoever reaches it.

    Attributes:
        date: the day of the security state that the level stands for, UTC.
        advisories: Intel's advisory ids.
        outdated_at: of what is out of date, the day of the TCB recovery that made it so, UTC;
            ``None`` for everything else, and where Intel does not say it.
    """

    status: TCBStatus
    date: datetime
    advisories: tuple[str, ...] = ()
    outdated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlatformLevel:
    """One level of a TCB info.

    Attributes:
        sgx_components: 16 security versions that the PCK's must reach.
        pce_svn: that the PCK's must reach.
        tdx_components: 16 security versions that the TD report's must reach; ``None`` in SGX.
    """

    sgx_components: tuple[int, ...]
    pce_svn: int
    tdx_components: tuple[int, ...] | None
    rating: Rating


@dataclass(frozen=True, slots=True)
class EnclaveLevel:
    """One level of a quoting enclave, or of a TDX module: reached with this security version."""

    isv_svn: int
    rating: Rating


@dataclass(frozen=True, slots=True)
class PlatformTCB:
    """The security versions in a PCK certificate."""

    components: tuple[int, ...]
    pce_svn: int


def rate_platform(
    levels: Sequence[PlatformLevel], platform: PlatformTCB, td_svn: bytes | None
) -> Rating:
    """The rating of the first level, in Intel's order, that the platform reaches.

    ``td_svn`` are the 16 TDX security versions of the quote; ``None`` for SGX.

    Raises:
        TCBUnsupportedError: it reaches none.
    """
    for index, level in enumerate(levels):
        if _reaches(platform, level) and (td_svn is None or _td_reaches(td_svn, level)):
            return _dated(level.rating, [each.rating for each in levels[:index]])
    raise TCBUnsupportedError("the platform reaches no TCB level that Intel supports")


def rate_enclave(levels: Sequence[EnclaveLevel], isv_svn: int, name: str) -> Rating:
    """The rating of the first level that the security version reaches.

    Raises:
        TCBUnsupportedError: it reaches none.
    """
    for index, level in enumerate(levels):
        if isv_svn >= level.isv_svn:
            return _dated(level.rating, [each.rating for each in levels[:index]])
    raise TCBUnsupportedError(f"{name} reaches no TCB level that Intel supports")


def merge(platform: Rating, enclave: Rating, module: Rating | None) -> Rating:
    """One rating of the platform, its quoting enclave, and its TDX module.

    Raises:
        TCBUnsupportedError: one of them is revoked.
    """
    parts = [platform, enclave] + ([module] if module is not None else [])
    if any(part.status is TCBStatus.REVOKED for part in parts):
        raise TCBUnsupportedError("Intel has revoked the TCB level of the platform")
    status = platform.status
    if any(part.status in _OUT_OF_DATE for part in parts[1:]):
        status = _OUTDATED.get(status, status)
    advisories = dict.fromkeys(each for part in parts for each in part.advisories)
    date = min(part.date for part in parts)
    return Rating(status, date, tuple(advisories), _outdated_at(parts))


def relaunch_status(launch: TCBStatus, current: TCBStatus) -> TCBStatus:
    """The status of a TD that was launched under one TCB and runs under another.

    A module that was updated beneath a running TD (TDX 1.5) leaves the TD's launch outdated; to
    launch it again is all that is needed.
    """
    if launch not in _OUT_OF_DATE or current in _OUT_OF_DATE:
        return launch
    if launch in _CONFIGURATION_NEEDED or current in _CONFIGURATION_NEEDED:
        return TCBStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
    return TCBStatus.TD_RELAUNCH_ADVISED


def _dated(rating: Rating, better: Sequence[Rating]) -> Rating:
    """The rating with the day from which it was too little: that of the next better level.

    Levels stand in Intel's order, the best first, and each has the day of the recovery that it came
    with; the first recovery after the rating's own is the one that it lacks.
    """
    if rating.status not in _OUT_OF_DATE:
        return rating
    later = [each.date for each in better if each.date > rating.date]
    return replace(rating, outdated_at=min(later, default=None))


def _outdated_at(parts: Sequence[Rating]) -> datetime | None:
    """The first of the days; ``None`` when nothing is out of date, or one part's day is unknown."""
    days = [part.outdated_at for part in parts if part.status in _OUT_OF_DATE]
    return None if None in days else min((day for day in days if day is not None), default=None)


def _reaches(platform: PlatformTCB, level: PlatformLevel) -> bool:
    return platform.pce_svn >= level.pce_svn and all(
        mine >= needed
        for mine, needed in zip(platform.components, level.sgx_components, strict=True)
    )


def _td_reaches(td_svn: bytes, level: PlatformLevel) -> bool:
    if level.tdx_components is None:
        return False
    # From module version 1 on, the two first bytes name the module and its own version, which the
    # module's identity rates.
    first = 2 if td_svn[1] > 0 else 0
    return all(
        mine >= needed
        for mine, needed in zip(td_svn[first:], level.tdx_components[first:], strict=True)
    )
