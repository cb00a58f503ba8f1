"""How long a TCB that is out of date is borne, for TDX, SGX and Azure's machines on TDX."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from simulated.dcap_site import REPORT_DATA, machine, published, verify_enclave, verify_td

from app.attestation.claim_dictionary import undescribed
from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.formats.dcap_appraisal import DCAPOptions
from app.attestation.verifiers.az_tdx_vtpm import AzureTDXVerifier
from app.lab.intel import NOON, SGX_COMPONENTS, TDX_COMPONENTS, tcb_level
from app.lab.tdx import SimulatedQE, SimulatedTD
from app.lab.vtpm import QuotePlan, azure_tdx
from app.trust.errors import ConfigError

RECOVERY = datetime(2026, 2, 10, tzinfo=UTC)
FIRST, BEFORE, LATER = "2023-01-01T00:00:00Z", "2025-08-13T00:00:00Z", "2026-02-20T00:00:00Z"
RECOVERED = RECOVERY.strftime("%Y-%m-%dT%H:%M:%SZ")
OLD = (0,) * 16
DAYS = {"tcb_grace_days": 30}
UNTIL = "2026-03-12T00:00:00Z"
OUTDATED_TD = SimulatedTD(tcb_svn=bytes(16))


def levels(*dated: tuple[str, str], tee: str = "tdx") -> dict[str, Any]:
    """A TCB info: the best level is too high for the machine, the others are lower and lower."""
    found = []
    for index, (status, date) in enumerate(dated):
        svn = 255 if index == 0 else 0
        tdx = (svn, *OLD[1:]) if tee == "tdx" else None
        sgx = OLD if tee == "tdx" else (svn, *OLD[1:])
        found.append(tcb_level(sgx, tdx, status, pce_svn=0, date=date))
    return {"tcbLevels": found}


ONE_RECOVERY = levels(("UpToDate", RECOVERED), ("OutOfDate", BEFORE))


def td_claims(options: dict[str, Any], info: dict[str, Any] = ONE_RECOVERY, **how: Any) -> Any:
    """The claims of a TD on a platform that is out of date."""
    quote = machine().quote(REPORT_DATA, how.pop("td", OUTDATED_TD), qe=how.pop("qe", None))
    source = published(tcb_info=info, **how.pop("published", {}))
    return verify_td(quote, source=source, options=options, **how)


def sgx_claims(options: dict[str, Any]) -> Any:
    """The same of an enclave."""
    info = levels(("UpToDate", RECOVERED), ("OutOfDate", BEFORE), tee="sgx")
    # Documents of both TEEs are published, so both need levels of their own form.
    source = machine().publication
    signed = machine().intel.signed(
        "tcbInfo", machine().intel.tcb_info("sgx", machine().platform, **info)
    )
    return verify_enclave(
        machine().sgx_quote(REPORT_DATA),
        source=source.replaced(f"intel/sgx/tcb/{machine().platform.fmspc.hex()}", signed),
        options=options,
    )


def azure_claims(options: dict[str, Any]) -> Any:
    """The same of a virtual machine."""
    evidence = azure_tdx(machine(), QuotePlan(REPORT_DATA), td=OUTDATED_TD)
    verifier = AzureTDXVerifier(machine().intel.roots)
    context = Context(NOON, published(tcb_info=ONE_RECOVERY), options)
    found = UnverifiedEvidence("az-tdx-vtpm", evidence)
    (claims,) = verifier.verify(found, Binding(REPORT_DATA), context)
    return claims.values


def grace(claims: Any) -> tuple[Any, Any]:
    """Since when, and until when."""
    assert claims["tcb_status"] == "OutOfDate"
    return claims.get("tcb_recovery_date"), claims.get("tcb_grace_until")


KINDS = {"tdx": td_claims, "sgx": sgx_claims, "az-tdx-vtpm": azure_claims}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_borne_by_default(kind: str) -> None:
    """Nobody has decided that it may."""
    assert grace(KINDS[kind]({})) == (None, None)
    assert grace(KINDS[kind]({"tcb_grace_days": 0})) == (None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_borne_from_the_recovery_on(kind: str) -> None:
    """The status stays what it is; the claims tell since when and until when."""
    claims = KINDS[kind](DAYS)
    assert grace(claims) == (RECOVERED, UNTIL)
    assert undescribed(kind, claims) == []


def test_it_is_borne_until_its_time_is_over() -> None:
    """To the second, by the server's clock."""
    last = RECOVERY + timedelta(days=30)
    for now, until in ((last - timedelta(seconds=1), UNTIL), (last, None)):
        assert grace(td_claims(DAYS, now=now)) == (RECOVERED, until)
    short = {"tcb_grace_days": 18}
    assert grace(td_claims(short, now=NOON)) == (RECOVERED, None)


def test_of_several_recoveries_the_first_that_is_lacking_counts() -> None:
    """A platform that has missed two of them is not borne for the second."""
    info = levels(("UpToDate", LATER), ("OutOfDate", RECOVERED), ("OutOfDate", BEFORE))
    info["tcbLevels"][1]["tcb"]["pcesvn"] = 255
    assert grace(td_claims(DAYS, info)) == (RECOVERED, UNTIL)
    long_ago = levels(
        ("UpToDate", RECOVERED), ("OutOfDate", BEFORE), ("OutOfDate", "2023-01-01T00:00:00Z")
    )
    long_ago["tcbLevels"][1]["tcb"]["pcesvn"] = 255
    assert grace(td_claims(DAYS, long_ago)) == (BEFORE, None)


UNKNOWN_DAYS = {
    "no better level": levels(("OutOfDate", BEFORE)) | {},
    "better levels of the same day": levels(("UpToDate", BEFORE), ("OutOfDate", BEFORE)),
    "better levels of an earlier day": levels(("UpToDate", BEFORE), ("OutOfDate", LATER)),
}
UNKNOWN_DAYS["no better level"]["tcbLevels"][0] = tcb_level(
    OLD, OLD, "OutOfDate", pce_svn=0, date=BEFORE
)


@pytest.mark.parametrize("info", UNKNOWN_DAYS.values(), ids=UNKNOWN_DAYS)
def test_without_a_day_nothing_is_borne(info: dict[str, Any]) -> None:
    """Intel's documents do not say since when."""
    assert grace(td_claims(DAYS, info)) == (None, None)


CURRENT = {
    "tcbLevels": [
        tcb_level(SGX_COMPONENTS, TDX_COMPONENTS, "UpToDate", date=LATER),
    ]
}


def identity(date: str) -> dict[str, Any]:
    """A quoting enclave that is out of date since a day."""
    enclave = [
        {"tcb": {"isvsvn": 9}, "tcbDate": date, "tcbStatus": "UpToDate"},
        {"tcb": {"isvsvn": 1}, "tcbDate": BEFORE, "tcbStatus": "OutOfDate"},
    ]
    return {"identity": {"tcbLevels": enclave}}


def test_the_quoting_enclave_has_a_day_of_its_own() -> None:
    """A platform that is up to date is outdated by it; of two days the earlier counts."""
    enclave = identity(LATER)
    claims = td_claims(DAYS, CURRENT, td=SimulatedTD(), published=enclave)
    assert grace(claims) == (LATER, "2026-03-22T00:00:00Z")
    both = td_claims(DAYS, published=enclave)
    assert grace(both) == (RECOVERED, UNTIL)
    unknown = td_claims(DAYS, published=identity(BEFORE))
    assert grace(unknown) == (None, None)


def test_a_module_has_a_day_of_its_own() -> None:
    """Here it came long ago."""
    td = SimulatedTD(tcb_svn=bytes((3, 1, 2)).ljust(16, b"\0"))
    assert grace(td_claims(DAYS, CURRENT, td=td)) == ("2024-03-13T00:00:00Z", None)


def test_what_is_not_out_of_date_has_no_grace() -> None:
    """Up to date, in need of configuration, to be relaunched: none of them is borne as outdated."""
    current = td_claims(DAYS, CURRENT, td=SimulatedTD(), qe=SimulatedQE(isv_svn=9))
    assert current["tcb_status"] == "UpToDate"
    wanting = levels(("UpToDate", RECOVERED), ("OutOfDateConfigurationNeeded", BEFORE))
    for claims in (current, td_claims(DAYS, wanting)):
        assert not {"tcb_recovery_date", "tcb_grace_until"} & claims.keys()
    relaunch = SimulatedTD(
        tcb_svn=bytes((3, 1, 2)).ljust(16, b"\0"), tcb_svn2=bytes((5, 1, 2)).ljust(16, b"\0")
    )
    claims = td_claims(DAYS, CURRENT, td=relaunch)
    assert claims["tcb_status"] == "TDRelaunchAdvised"
    assert "tcb_recovery_date" not in claims


@pytest.mark.parametrize("days", [-1, 367, "30", 30.0, True, None, []])
def test_other_numbers_of_days_are_faults(days: Any) -> None:
    """At the start, for each TEE by its name."""
    for tee in KINDS:
        with pytest.raises(ConfigError, match=rf"{tee}\.tcb_grace_days"):
            DCAPOptions.parse(tee, {"tcb_grace_days": days})


def test_every_fault_of_the_options_is_listed() -> None:
    """The operator repairs once."""
    with pytest.raises(ConfigError) as refusal:
        DCAPOptions.parse("tdx", {"tcb_grace_days": -1, "stale_collateral": "?", "x": 1})
    assert len(refusal.value.faults) == 3
