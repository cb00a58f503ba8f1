"""dcap-qvl, an independent implementation, on the same quotes and collateral.

Its policy is narrower: it refuses debug TDs, TDs with service TDs, and all expired collateral, so
only what it takes can be compared for status; what it refuses for a check of ours, we refuse too.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import dcap_qvl
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from paths import VECTORS
from simulated.dcap_site import (
    GENUINE_AT,
    LATER,
    REPORT_DATA,
    flipped,
    genuine_source,
    machine,
    published,
    refusal,
    verify_enclave,
    verify_td,
)

from app.attestation.collateral.ports import CollateralSource
from app.attestation.verifiers.tdx import TDXVerifier
from app.lab.intel import NEXT_UPDATE, NOON, TDX_COMPONENTS, tcb_level
from app.lab.intel_certificates import SGX_COMPONENTS
from app.lab.tdx import SimulatedQE, SimulatedTD

FAMILY = "50806f000000"
QUOTE_6 = (VECTORS / "tdx" / "tdx_quote_6.dat").read_bytes()
SEPARATORS = (",", ":")


def svn(*leading: int) -> bytes:
    """TDX security versions."""
    return bytes(leading).ljust(16, b"\x00")


def in_its_form(source: CollateralSource, tee: str, family: str) -> dcap_qvl.QuoteCollateralV3:
    """The collateral of a platform as dcap-qvl takes it."""
    info, identity = source.get(f"intel/{tee}/tcb/{family}"), source.get(f"intel/{tee}/qe-identity")
    listed, root = source.get("intel/pckcrl/platform"), source.get("intel/rootcacrl")
    info_body = json.loads(info.unverified_body)
    identity_body = json.loads(identity.unverified_body)
    return dcap_qvl.QuoteCollateralV3(
        unquote(listed.unverified_headers["sgx-pck-crl-issuer-chain"]),
        root.unverified_body,
        listed.unverified_body,
        unquote(info.unverified_headers["tcb-info-issuer-chain"]),
        json.dumps(info_body["tcbInfo"], separators=SEPARATORS),
        bytes.fromhex(info_body["signature"]),
        unquote(identity.unverified_headers["sgx-enclave-identity-issuer-chain"]),
        json.dumps(identity_body["enclaveIdentity"], separators=SEPARATORS),
        bytes.fromhex(identity_body["signature"]),
    )


def second_opinion(
    quote: bytes, source: CollateralSource, tee: str = "tdx", now: datetime = NOON
) -> tuple[str, set[str]] | None:
    """Status and advisories of a simulated quote; ``None`` when it is refused."""
    root = machine().intel.root.certificate.public_bytes(Encoding.DER)
    collateral = in_its_form(source, tee, FAMILY)
    try:
        report = dcap_qvl.verify_with_root_ca(quote, collateral, root, int(now.timestamp()))
    except ValueError:
        return None
    return report.status, set(report.advisory_ids)


PLATFORM = [
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
]


@pytest.mark.parametrize("qe_svn", [4, 1, 0], ids=["QE up to date", "QE outdated", "QE too old"])
@pytest.mark.parametrize("status", PLATFORM)
def test_agrees_on_every_status_of_a_platform(status: str, qe_svn: int) -> None:
    """Both implementations merge the ratings of platform and quoting enclave alike."""
    level = tcb_level(SGX_COMPONENTS, TDX_COMPONENTS, status, advisories=["INTEL-SA-00003"])
    source = published(tcb_info={"tcbLevels": [level]})
    quote = machine().quote(REPORT_DATA, qe=SimulatedQE(isv_svn=qe_svn))
    theirs = second_opinion(quote, source)
    if theirs is None:
        assert refusal(lambda: verify_td(quote, source=source)) == "tcb-unsupported"
        return
    claims = verify_td(quote, source=source)
    assert (claims["tcb_status"], set(claims["advisory_ids"])) == theirs


MODULES = {
    "no module version": svn(5, 0, 2),
    "up to date": svn(5, 1, 2),
    "outdated": svn(2, 3, 2),
    "too old": svn(1, 1, 2),
    "unknown": svn(5, 2, 2),
    "outdated microcode": svn(5, 0, 1),
}


@pytest.mark.parametrize("tcb", MODULES.values(), ids=MODULES)
def test_agrees_on_every_module(tcb: bytes) -> None:
    """Both choose the same module identity and the same level of it."""
    quote = machine().quote(REPORT_DATA, SimulatedTD(tcb_svn=tcb))
    theirs = second_opinion(quote, machine().publication)
    if theirs is None:
        code = refusal(lambda: verify_td(quote))
        assert code in {"tcb-unsupported", "identity-mismatch"}
        return
    claims = verify_td(quote)
    assert (claims["tcb_status"], set(claims["advisory_ids"])) == theirs


RELAUNCHES = [
    (svn(5, 1, 2), svn(5, 1, 2)),
    (svn(3, 1, 2), svn(5, 1, 2)),
    (svn(3, 1, 2), svn(3, 1, 2)),
    (svn(3, 1, 2), svn(5, 3, 2)),
]


@pytest.mark.parametrize(("launch", "current"), RELAUNCHES)
@pytest.mark.parametrize("platform", ["UpToDate", "ConfigurationNeeded"])
def test_agrees_on_advice_to_relaunch(launch: bytes, current: bytes, platform: str) -> None:
    """Both rate a TD of TDX 1.5 for its launch and for now."""
    level = tcb_level(SGX_COMPONENTS, TDX_COMPONENTS, platform)
    source = published(tcb_info={"tcbLevels": [level]})
    quote = machine().quote(REPORT_DATA, SimulatedTD(tcb_svn=launch, tcb_svn2=current))
    theirs = second_opinion(quote, source)
    claims = verify_td(quote, source=source)
    assert (claims["tcb_status"], set(claims["advisory_ids"])) == theirs


REFUSED: dict[str, Any] = {
    "a flipped bit of the body": (lambda q: flipped(q, 200), lambda: machine().publication),
    "a flipped bit of a signature": (lambda q: flipped(q, 700), lambda: machine().publication),
    "a revoked PCK": (
        lambda q: q,
        lambda: published(revoked=[machine().pck.certificate.serial_number]),
    ),
    "a revoked authority": (
        lambda q: q,
        lambda: published(
            revoked_authorities=[machine().intel.authorities["platform"].certificate.serial_number]
        ),
    ),
    "another family": (lambda q: q, lambda: published(tcb_info={"fmspc": "00906ED50000"})),
    "a TCB info of SGX": (lambda q: q, lambda: published(tcb_info={"id": "SGX"})),
    "an identity of the other enclave": (lambda q: q, lambda: published(identity={"id": "QE"})),
    "another enclave signer": (lambda q: q, lambda: published(identity={"mrsigner": "00" * 32})),
    "another enclave product": (lambda q: q, lambda: published(identity={"isvprodid": 9})),
    "no level": (lambda q: q, lambda: published(tcb_info={"tcbLevels": []})),
}


@pytest.mark.parametrize(("change", "publish"), REFUSED.values(), ids=REFUSED)
def test_agrees_on_refusals(change: Any, publish: Any) -> None:
    """What one refuses, the other does not accept."""
    quote, source = change(machine().quote(REPORT_DATA)), publish()
    assert second_opinion(quote, source) is None
    assert refusal(lambda: verify_td(quote, source=source)) != "accepted"


def test_agrees_on_the_end_of_collateral() -> None:
    """By default we refuse expired collateral, as it always does."""
    quote = machine().quote(REPORT_DATA)
    assert second_opinion(quote, machine().publication, now=NEXT_UPDATE.replace(day=25)) is None
    code = refusal(lambda: verify_td(quote, now=NEXT_UPDATE.replace(day=25)))
    assert code == "collateral-stale"


def test_agrees_on_enclaves() -> None:
    """SGX quotes go the same way."""
    for quoting in (SimulatedQE("QE"), SimulatedQE("QE", isv_svn=2)):
        quote = machine().sgx_quote(REPORT_DATA, qe=quoting)
        claims = verify_enclave(quote)
        theirs = second_opinion(quote, machine().publication, "sgx")
        assert (claims["tcb_status"], set(claims["advisory_ids"])) == theirs


def test_agrees_on_genuine_evidence() -> None:
    """A real quote under Intel's real root, while its collateral was in date, and afterwards."""
    collateral = in_its_form(genuine_source(), "tdx", "00a06d080000")
    report = dcap_qvl.verify(QUOTE_6, collateral, int(GENUINE_AT.timestamp()))
    claims = verify_td(QUOTE_6, source=genuine_source(), now=GENUINE_AT, verifier=TDXVerifier())
    assert (claims["tcb_status"], claims["advisory_ids"]) == (report.status, report.advisory_ids)
    assert claims["platform_provider_id"] == report.ppid.hex()
    with pytest.raises(ValueError, match="CrlExpired"):
        dcap_qvl.verify(QUOTE_6, collateral, int(LATER.timestamp()))
