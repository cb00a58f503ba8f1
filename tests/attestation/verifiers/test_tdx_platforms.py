"""How the TDX verifier judges platforms and what Intel says about them."""

from __future__ import annotations

from typing import Any

import pytest
from simulated.dcap_site import (
    REPORT_DATA,
    machine,
    published,
    refusal,
    verify_td,
)

from app.attestation.verifiers.tdx import TDXVerifier
from app.lab.intel import SimulatedIntel
from app.lab.tdx import SimulatedQE, SimulatedTD, SimulatedTDX

TCB = "intel/tdx/tcb/50806f000000"
IDENTITY = "intel/tdx/qe-identity"


def svn(*leading: int) -> bytes:
    """TDX security versions."""
    return bytes(leading).ljust(16, b"\x00")


def quote(td: SimulatedTD | None = None, **how: Any) -> bytes:
    """A quote of the simulated machine."""
    return machine().quote(REPORT_DATA, td, **how)


PLATFORMS = {
    "a wrong root": (
        lambda: verify_td(quote(), verifier=TDXVerifier(SimulatedIntel().roots)),
        "root-untrusted",
    ),
    "Intel's root alone": (lambda: verify_td(quote(), verifier=TDXVerifier()), "root-untrusted"),
    "a revoked PCK": (
        lambda: verify_td(
            quote(), source=published(revoked=[machine().pck.certificate.serial_number])
        ),
        "certificate-revoked",
    ),
    "a revoked authority": (
        lambda: verify_td(
            quote(),
            source=published(
                revoked_authorities=[
                    machine().intel.authorities["platform"].certificate.serial_number
                ]
            ),
        ),
        "certificate-revoked",
    ),
    "a revoked TCB signer": (
        lambda: verify_td(
            quote(),
            source=published(
                revoked_authorities=[machine().intel.signer.certificate.serial_number]
            ),
        ),
        "certificate-revoked",
    ),
    "a TCB info of another family": (
        lambda: verify_td(quote(), source=published(tcb_info={"fmspc": "00906ED50000"})),
        "collateral-mismatch",
    ),
    "a TCB info of another PCE": (
        lambda: verify_td(quote(), source=published(tcb_info={"pceId": "0001"})),
        "collateral-mismatch",
    ),
    "a TCB info of SGX": (
        lambda: verify_td(quote(), source=published(tcb_info={"id": "SGX"})),
        "collateral-mismatch",
    ),
    "an identity of the other enclave": (
        lambda: verify_td(quote(), source=published(identity={"id": "QE"})),
        "collateral-mismatch",
    ),
    "a signer of no module": (
        lambda: verify_td(quote(SimulatedTD(mr_seam_signer=b"\x01" * 48))),
        "identity-mismatch",
    ),
    "module attributes": (
        lambda: verify_td(quote(SimulatedTD(seam_attributes=b"\x01" + bytes(7)))),
        "identity-mismatch",
    ),
    "module attributes that Intel signs": (
        lambda: verify_td(
            quote(SimulatedTD(seam_attributes=b"\x01" + bytes(7))),
            source=published(
                tcb_info={
                    "tdxModule": {
                        "mrsigner": "00" * 48,
                        "attributes": "01" + "00" * 7,
                        "attributesMask": "FF" * 8,
                    }
                }
            ),
        ),
        "identity-mismatch",
    ),
    "a module that Intel does not know": (
        lambda: verify_td(quote(SimulatedTD(tcb_svn=svn(5, 2, 2)))),
        "identity-mismatch",
    ),
    "another enclave signer": (
        lambda: verify_td(quote(qe=SimulatedQE(signer=b"\x01" * 32))),
        "identity-mismatch",
    ),
    "another enclave product": (
        lambda: verify_td(quote(qe=SimulatedQE(prod_id=3))),
        "identity-mismatch",
    ),
    "a debug quoting enclave": (
        lambda: verify_td(
            quote(qe=SimulatedQE(attributes=bytes.fromhex("1700000000000000e700000000000000")))
        ),
        "identity-mismatch",
    ),
    "another MISCSELECT": (
        lambda: verify_td(quote(qe=SimulatedQE(misc_select=b"\x01\x00\x00\x00"))),
        "identity-mismatch",
    ),
    "a quoting enclave below every level": (
        lambda: verify_td(quote(qe=SimulatedQE(isv_svn=0))),
        "tcb-unsupported",
    ),
    "a module below every level": (
        lambda: verify_td(quote(SimulatedTD(tcb_svn=svn(1, 1, 2)))),
        "tcb-unsupported",
    ),
    "no level": (
        lambda: verify_td(quote(), source=published(tcb_info={"tcbLevels": []})),
        "tcb-unsupported",
    ),
}


@pytest.mark.parametrize(("verify", "code"), PLATFORMS.values(), ids=PLATFORMS)
def test_refuses_a_platform_that_intel_does_not_vouch_for(verify: Any, code: str) -> None:
    """Each part of the platform that is not as Intel signed it has its own reason."""
    assert refusal(verify) == code


COLLATERAL = {
    "a changed digit in the TCB info": (
        TCB,
        lambda body: body.replace(b'"pcesvn":5', b'"pcesvn":4', 1),
        "signature-invalid",
    ),
    "a changed digit in the identity": (
        IDENTITY,
        lambda body: body.replace(b'"isvsvn":4', b'"isvsvn":3'),
        "signature-invalid",
    ),
    "another key of JSON": (
        TCB,
        lambda body: body.replace(b'"signature"', b'"fmspc":1,"signature"'),
        "accepted",
    ),
    "a TCB info that repeats a member": (
        TCB,
        lambda body: body.replace(b'"signature"', b'"tcbInfo":{},"signature"'),
        "collateral-unavailable",
    ),
    "a TCB info that is no JSON": (TCB, lambda body: body[:-1], "collateral-unavailable"),
    "a TCB info that is a list": (TCB, lambda _: b"[]", "collateral-unavailable"),
    "an identity without signature": (IDENTITY, lambda _: b"{}", "collateral-unavailable"),
    "a root list that does not parse": (
        "intel/rootcacrl",
        lambda body: body[:-1],
        "collateral-unavailable",
    ),
    "a root list in hex": ("intel/rootcacrl", lambda body: body.hex().encode(), "accepted"),
    "a root list with another signature": (
        "intel/rootcacrl",
        lambda body: body[:-1] + bytes([body[-1] ^ 1]),
        "signature-invalid",
    ),
    "a root list of the Platform CA": (
        "intel/rootcacrl",
        lambda _: machine().publication.documents["intel/pckcrl/platform"][0],
        "collateral-mismatch",
    ),
    "a PCK list of the Processor CA": (
        "intel/pckcrl/platform",
        lambda _: machine().publication.documents["intel/pckcrl/processor"][0],
        "collateral-mismatch",
    ),
    "a PCK list of the root": (
        "intel/pckcrl/platform",
        lambda _: machine().publication.documents["intel/rootcacrl"][0],
        "collateral-mismatch",
    ),
}


@pytest.mark.parametrize(("name", "change", "code"), COLLATERAL.values(), ids=COLLATERAL)
def test_judges_every_document_of_intel(name: str, change: Any, code: str) -> None:
    """What Intel did not sign, or signed about something else, vouches for nothing."""
    body, _ = machine().publication.documents[name]
    source = machine().publication.replaced(name, change(body))
    assert refusal(lambda: verify_td(quote(), source=source)) == code


CHAINS = {
    "the chain of the Processor CA": (
        "intel/pckcrl/platform",
        {
            "sgx_pck_crl_issuer_chain": machine().publication.documents["intel/pckcrl/processor"][
                1
            ]["sgx-pck-crl-issuer-chain"]
        },
        "collateral-mismatch",
    ),
    "an authority as TCB signer": (
        TCB,
        {
            "tcb_info_issuer_chain": machine().intel.quoted_chain(
                machine().intel.authorities["platform"]
            )
        },
        "chain-invalid",
    ),
    "a chain under another root": (
        TCB,
        {"tcb_info_issuer_chain": SimulatedTDX().intel.quoted_chain(SimulatedIntel().signer)},
        "root-untrusted",
    ),
    "a leaf that the root did not sign": (
        IDENTITY,
        {
            "sgx_enclave_identity_issuer_chain": machine().intel.quoted_chain(
                SimulatedIntel().signer
            )
        },
        "chain-invalid",
    ),
    "no PEM": (TCB, {"tcb_info_issuer_chain": "%00"}, "collateral-unavailable"),
    "no chain": (TCB, {"tcb_info_issuer_chain": ""}, "collateral-unavailable"),
    "lone surrogates": (TCB, {"tcb_info_issuer_chain": "\ud800"}, "collateral-unavailable"),
}


@pytest.mark.parametrize(("name", "headers", "code"), CHAINS.values(), ids=CHAINS)
def test_judges_every_issuer_chain(name: str, headers: dict[str, str], code: str) -> None:
    """A document is as good as the chain of who signed it."""
    source = machine().publication.replaced(name, **headers)
    assert refusal(lambda: verify_td(quote(), source=source)) == code


def test_two_pinned_roots_do_not_vouch_for_each_other() -> None:
    """A second root that a site trusts cannot sign TCB infos for the first one's platforms."""
    other = SimulatedTDX()
    verifier = TDXVerifier(machine().intel.roots | other.intel.roots)
    body, headers = other.publication.documents[TCB]
    source = machine().publication.replaced(
        TCB, body, tcb_info_issuer_chain=headers["tcb-info-issuer-chain"]
    )
    assert refusal(lambda: verify_td(quote(), source=source, verifier=verifier)) == "chain-invalid"
    assert verify_td(quote(), verifier=verifier)["tcb_status"] == "UpToDate"


@pytest.mark.parametrize(
    "name", ["intel/rootcacrl", "intel/pckcrl/platform", TCB, IDENTITY], ids=str
)
def test_needs_every_document(name: str) -> None:
    """A document that is nowhere to be had is not a check that is left out."""
    source = published()
    del source.documents[name]
    assert refusal(lambda: verify_td(quote(), source=source)) == "collateral-unavailable"


def test_asks_for_nothing_before_the_platform_is_known_to_be_intels() -> None:
    """Strangers cannot make the server fetch documents of families that do not exist."""
    source = published()
    stranger = SimulatedTDX().quote(REPORT_DATA)
    assert refusal(lambda: verify_td(stranger, source=source)) == "root-untrusted"
    assert source.asked == []


STATUSES = {
    "up to date": (svn(5, 0, 2), SimulatedQE(), "UpToDate", []),
    "a newer platform": (svn(9, 0, 9), SimulatedQE(isv_svn=9), "UpToDate", []),
    "an outdated platform": (svn(4, 0, 2), SimulatedQE(), "OutOfDate", ["INTEL-SA-00001"]),
    "an outdated enclave": (
        svn(5, 0, 2),
        SimulatedQE(isv_svn=3),
        "OutOfDate",
        ["INTEL-SA-00002"],
    ),
    "both": (svn(), SimulatedQE(isv_svn=1), "OutOfDate", ["INTEL-SA-00001", "INTEL-SA-00002"]),
    "a module of its own": (svn(5, 1, 2), SimulatedQE(), "UpToDate", []),
    "an outdated module": (svn(3, 3, 2), SimulatedQE(), "OutOfDate", ["INTEL-SA-01003"]),
}


@pytest.mark.parametrize(("tcb", "qe", "status", "advisories"), STATUSES.values(), ids=STATUSES)
def test_rates_the_platform_with_its_enclave_and_module(
    tcb: bytes, qe: SimulatedQE, status: str, advisories: list[str]
) -> None:
    """The worst of the three decides, and the advisories of all are claimed."""
    claims = verify_td(quote(SimulatedTD(tcb_svn=tcb), qe=qe))
    assert (claims["tcb_status"], claims["advisory_ids"]) == (status, advisories)
    assert "tcb_status_current" not in claims


RELAUNCHES = {
    "a module that was updated": (svn(3, 1, 2), svn(5, 1, 2), "TDRelaunchAdvised", "UpToDate"),
    "a module of the next generation": (
        svn(3, 1, 2),
        svn(5, 3, 2),
        "TDRelaunchAdvised",
        "UpToDate",
    ),
    "nothing to gain": (svn(3, 1, 2), svn(4, 1, 2), "OutOfDate", "OutOfDate"),
    "fresh all along": (svn(5, 1, 2), svn(6, 1, 2), "UpToDate", "UpToDate"),
}


@pytest.mark.parametrize(
    ("launch", "current", "status", "now"), RELAUNCHES.values(), ids=RELAUNCHES
)
def test_rates_a_td_15_twice(launch: bytes, current: bytes, status: str, now: str) -> None:
    """A TD that was launched under an old module and runs under a new one should be relaunched."""
    claims = verify_td(quote(SimulatedTD(tcb_svn=launch, tcb_svn2=current)))
    assert (claims["tcb_status"], claims["tcb_status_current"]) == (status, now)
    assert claims["quote"]["type"] == "0300"
    assert claims["quote"]["size"] == "88020000"
    assert claims["quote"]["body"]["tee_tcb_svn2"] == current.hex()


def test_a_current_module_that_intel_does_not_support_is_refused() -> None:
    """The TCB that a TD runs under must be one that Intel knows."""
    unknown = quote(SimulatedTD(tcb_svn=svn(5, 1, 2), tcb_svn2=svn(5, 2, 2)))
    assert refusal(lambda: verify_td(unknown)) == "identity-mismatch"
    old = quote(SimulatedTD(tcb_svn=svn(5, 1, 2), tcb_svn2=svn(1, 1, 2)))
    assert refusal(lambda: verify_td(old)) == "tcb-unsupported"
