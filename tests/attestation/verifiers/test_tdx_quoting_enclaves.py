"""Every bit of a quoting enclave that Intel's identity covers counts, for SGX and for TDX."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from simulated.dcap_site import (
    REPORT_DATA,
    flipped,
    machine,
    published,
    refusal,
    verify_enclave,
    verify_td,
)

from app.lab.tdx import SimulatedQE

KINDS = {"QE": "sgx", "TD_QE": "tdx"}
# Of the simulated identities, as Intel has them: bit 2 of the flags (MODE64BIT) and XFRM are free.
MASK = bytes.fromhex("fbffffffffffffff0000000000000000")


def code(qe: SimulatedQE, **identity: Any) -> str:
    """What becomes of a quote by this enclave."""
    source = published(identity=identity)
    if KINDS[qe.enclave_id] == "sgx":
        quote = machine().sgx_quote(REPORT_DATA, qe=qe)
        return refusal(lambda: verify_enclave(quote, source=source))
    quote = machine().quote(REPORT_DATA, qe=qe)
    return refusal(lambda: verify_td(quote, source=source))


@pytest.mark.parametrize("kind", KINDS)
def test_every_attribute_that_the_mask_covers_counts(kind: str) -> None:
    """One bit in each byte, and all of the first one; what the mask leaves free is free."""
    genuine = SimulatedQE(kind)
    bits = [(0, bit) for bit in range(8)] + [(at, at % 8) for at in range(1, 16)]
    for at, bit in bits:
        found = code(replace(genuine, attributes=flipped(genuine.attributes, at, bit)))
        covered = MASK[at] >> bit & 1
        assert found == ("identity-mismatch" if covered else "accepted"), (at, bit)


@pytest.mark.parametrize("kind", KINDS)
def test_what_makes_an_enclave_intels_counts(kind: str) -> None:
    """MISCSELECT, signer and product; the security version has its levels."""
    genuine = SimulatedQE(kind)
    assert code(genuine) == "accepted"
    others = [replace(genuine, misc_select=flipped(bytes(4), at, at)) for at in range(4)]
    others += [replace(genuine, signer=flipped(genuine.signer, at)) for at in (0, 15, 31)]
    others += [replace(genuine, prod_id=number) for number in (0, 7, 0xFFFF)]
    assert {code(other) for other in others} == {"identity-mismatch"}
    assert code(replace(genuine, isv_svn=0)) == "tcb-unsupported"


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_that_covers_nothing_lets_anything_pass(kind: str) -> None:
    """Intel decides what counts: the same enclave, under another identity of Intel's."""
    odd = SimulatedQE(kind, misc_select=b"\1\2\3\4", attributes=bytes(range(16)))
    free = {
        "miscselectMask": "00000000",
        "attributes": "00" * 16,
        "attributesMask": "00" * 16,
    }
    assert code(odd, **free) == "accepted"
    assert code(odd) == "identity-mismatch"


@pytest.mark.parametrize("kind", KINDS)
def test_an_identity_of_the_other_quoting_enclave_is_another(kind: str) -> None:
    """SGX's does not vouch for TDX's, though both are Intel's."""
    (other,) = KINDS.keys() - {kind}
    assert code(SimulatedQE(kind), id=other) == "collateral-mismatch"


ADVISORIES = ["INTEL-SA-00002"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_outdated_enclave_outdates_the_platform_and_has_its_advisories(kind: str) -> None:
    """For enclaves as for TDs."""
    old = SimulatedQE(kind, isv_svn=3)
    if kind == "QE":
        claims = verify_enclave(machine().sgx_quote(REPORT_DATA, qe=old))
    else:
        claims = verify_td(machine().quote(REPORT_DATA, qe=old))
    assert (claims["tcb_status"], claims["advisory_ids"]) == ("OutOfDate", ADVISORIES)
    assert claims["tcb_date"] == "2023-01-01T00:00:00Z"
