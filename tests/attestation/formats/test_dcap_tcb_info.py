"""TCB infos and enclave identities as typed values."""

from __future__ import annotations

from typing import Any

import pytest
from paths import VECTORS
from simulated.dcap_site import machine

from app.attestation.formats.dcap_certificates import INTEL_ROOTS, verify_chain
from app.attestation.formats.dcap_tcb import TCBStatus
from app.attestation.formats.dcap_tcb_info import (
    EnclaveIdentity,
    TCBInfo,
    open_enclave_identity,
    open_tcb_info,
)
from app.lab.intel import TDX_COMPONENTS, tcb_level
from app.lab.intel_certificates import SGX_COMPONENTS
from app.trust.errors import CollateralUnavailableError

INTEL = machine().intel
PLATFORM = machine().platform
SIGNER = verify_chain(INTEL.signer.pem + INTEL.root.pem, 2, INTEL.roots).leaf
DCAP = VECTORS / "dcap"


def tcb_info(tee: str = "tdx", **changes: Any) -> TCBInfo:
    """A signed TCB info with changed members, opened."""
    return open_tcb_info(INTEL.signed("tcbInfo", INTEL.tcb_info(tee, PLATFORM, **changes)), SIGNER)


def identity(**changes: Any) -> EnclaveIdentity:
    """A signed identity with changed members, opened."""
    document = INTEL.enclave_identity("TD_QE", **changes)
    return open_enclave_identity(INTEL.signed("enclaveIdentity", document), SIGNER)


LEVEL = tcb_level(SGX_COMPONENTS, TDX_COMPONENTS, "UpToDate")
TCB_INFOS: dict[str, dict[str, Any]] = {
    "version 2": {"version": 2},
    "version 4": {"version": 4},
    "a version that is text": {"version": "3"},
    "an FMSPC of 5 bytes": {"fmspc": "0090ED5000"},
    "no date": {"nextUpdate": None},
    "no levels": {"tcbLevels": None},
    "15 components": {"tcbLevels": [tcb_level(SGX_COMPONENTS[1:], TDX_COMPONENTS, "UpToDate")]},
    "17 TDX components": {
        "tcbLevels": [tcb_level(SGX_COMPONENTS, (*TDX_COMPONENTS, 0), "UpToDate")]
    },
    "no TDX components": {"tcbLevels": [tcb_level(SGX_COMPONENTS, None, "UpToDate")]},
    "a component of 256": {
        "tcbLevels": [tcb_level((256, *SGX_COMPONENTS[1:]), TDX_COMPONENTS, "UpToDate")]
    },
    "an unknown status": {"tcbLevels": [LEVEL | {"tcbStatus": "Fine"}]},
    "a status that is only derived": {"tcbLevels": [LEVEL | {"tcbStatus": "TDRelaunchAdvised"}]},
    "a status that is a list": {"tcbLevels": [LEVEL | {"tcbStatus": []}]},
    "advisories that are no list": {"tcbLevels": [LEVEL | {"advisoryIDs": "INTEL-SA-1"}]},
    "no module": {"tdxModule": None},
    "modules that are no list": {"tdxModuleIdentities": {}},
    "a module without levels": {
        "tdxModuleIdentities": [{"id": "TDX_01", "mrsigner": "00" * 48, "attributes": "00" * 8}]
    },
    "a boolean in the place of a number": {"tcbEvaluationDataNumber": True},
}


@pytest.mark.parametrize("changes", TCB_INFOS.values(), ids=TCB_INFOS)
def test_refuses_a_tcb_info_that_is_not_of_its_form(changes: dict[str, Any]) -> None:
    """Signed or not, it cannot be read."""
    with pytest.raises(CollateralUnavailableError):
        tcb_info(**changes)


IDENTITIES: dict[str, dict[str, Any]] = {
    "version 1": {"version": 1},
    "a mask of 3 bytes": {"miscselectMask": "FFFFFF"},
    "attributes that are no hex": {"attributes": "zz" * 16},
    "a signer of 31 bytes": {"mrsigner": "00" * 31},
    "a product of 17 bits": {"isvprodid": 65536},
    "a status of platforms": {
        "tcbLevels": [
            {
                "tcb": {"isvsvn": 1},
                "tcbDate": "2024-01-01T00:00:00Z",
                "tcbStatus": "ConfigurationNeeded",
            }
        ]
    },
    "a level without a date": {"tcbLevels": [{"tcb": {"isvsvn": 1}, "tcbStatus": "UpToDate"}]},
    "a level without a TCB": {
        "tcbLevels": [{"tcbDate": "2024-01-01T00:00:00Z", "tcbStatus": "UpToDate"}]
    },
}


@pytest.mark.parametrize("changes", IDENTITIES.values(), ids=IDENTITIES)
def test_refuses_an_identity_that_is_not_of_its_form(changes: dict[str, Any]) -> None:
    """Signed or not, it cannot be read."""
    with pytest.raises(CollateralUnavailableError):
        identity(**changes)


def test_reads_what_sgx_has_not() -> None:
    """A TCB info of SGX has no module; the first ones of TDX had no identities."""
    sgx = tcb_info("sgx")
    assert (sgx.tee, sgx.module, sgx.modules) == ("SGX", None, ())
    assert sgx.levels[0].tdx_components is None
    document = INTEL.tcb_info("tdx", PLATFORM)
    del document["tdxModuleIdentities"]
    assert open_tcb_info(INTEL.signed("tcbInfo", document), SIGNER).modules == ()


def test_reads_genuine_documents() -> None:
    """Intel's own, of two years."""
    pem = (DCAP / "tcb-signing-chain-2025.pem").read_bytes()
    signer = verify_chain(pem, 2, INTEL_ROOTS).leaf
    tdx = open_tcb_info((DCAP / "tcbInfo.json").read_bytes(), signer)
    assert (tdx.tee, tdx.fmspc.hex(), tdx.evaluation_number) == ("TDX", "00a06d080000", 17)
    assert [each.module_id for each in tdx.modules] == ["TDX_03", "TDX_01"]
    sgx = open_tcb_info((DCAP / "sgx-tcbinfo-00606A000000.json").read_bytes(), signer)
    assert (sgx.tee, sgx.levels[0].rating.status) == ("SGX", TCBStatus.SW_HARDENING_NEEDED)
    quoting = open_enclave_identity((DCAP / "sgx-qe-identity.json").read_bytes(), signer)
    assert (quoting.enclave_id, quoting.isv_prod_id) == ("QE", 1)
