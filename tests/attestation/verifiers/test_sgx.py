"""What the SGX verifier proves, refuses and claims; DCAP itself is tested through TDX."""

from __future__ import annotations

import json
from typing import Any

import pytest
from paths import VECTORS
from simulated.dcap_site import (
    CLAIM,
    LATER,
    REPORT_DATA,
    enclave_verifier,
    flipped,
    genuine_source,
    machine,
    published,
    refusal,
    verify_enclave,
)

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.sgx import VERIFIER, SGXVerifier
from app.lab.intel import NEXT_UPDATE, NOON
from app.lab.tdx import SimulatedQE
from app.trust.errors import ConfigError

GENUINE = (VECTORS / "sgx" / "occlum_quote.dat").read_bytes()
TCB = "intel/sgx/tcb/50806f000000"


def quote(**how: Any) -> bytes:
    """A quote of an enclave on the simulated machine."""
    return machine().sgx_quote(REPORT_DATA, **how)


REFUSALS = {
    "other report data": (
        lambda: verify_enclave(quote(), binding=Binding(b"other")),
        "binding-mismatch",
    ),
    "report data of 65 bytes": (
        lambda: verify_enclave(quote(), binding=Binding(REPORT_DATA.ljust(65, b"\x00"))),
        "binding-mismatch",
    ),
    "other init data": (
        lambda: verify_enclave(quote(config_id=b"config"), binding=Binding(None, b"other")),
        "init-data-mismatch",
    ),
    "a TD's quote": (lambda: verify_enclave(machine().quote(REPORT_DATA)), "malformed-evidence"),
    "a TD's quoting enclave": (
        lambda: verify_enclave(quote(qe=SimulatedQE("TD_QE"))),
        "identity-mismatch",
    ),
    "Intel's root alone": (
        lambda: verify_enclave(quote(), verifier=SGXVerifier()),
        "root-untrusted",
    ),
    "a TCB info of TDX": (
        lambda: verify_enclave(quote(), source=published(tcb_info={"id": "TDX"})),
        "collateral-unavailable",
    ),
    "an identity of the other enclave": (
        lambda: verify_enclave(quote(), source=published(identity={"id": "TD_QE"})),
        "collateral-mismatch",
    ),
    "a revoked level": (
        lambda: verify_enclave(
            quote(),
            source=published(
                identity={
                    "tcbLevels": [
                        {
                            "tcb": {"isvsvn": 0},
                            "tcbDate": "2024-01-01T00:00:00Z",
                            "tcbStatus": "Revoked",
                        }
                    ]
                }
            ),
        ),
        "tcb-unsupported",
    ),
    "expired collateral": (lambda: verify_enclave(quote(), now=NEXT_UPDATE), "collateral-stale"),
    "a flipped bit": (lambda: verify_enclave(flipped(quote(), 100)), "signature-invalid"),
    "an unknown option": (lambda: verify_enclave(quote(), options={"a": 1}), "config-invalid"),
}


@pytest.mark.parametrize(("verify", "code"), REFUSALS.values(), ids=REFUSALS)
def test_refuses_with_a_reason(verify: Any, code: str) -> None:
    """Every way to be no genuine enclave has its reason code."""
    assert refusal(verify) == code


@pytest.mark.parametrize("body", [None, [], {}, {"quote": None}, {"quote": ""}, {"quote": "*"}])
def test_malformed_evidence_is_malformed(body: Any) -> None:
    """Whatever the shape, the answer says that the evidence does not parse."""
    evidence = UnverifiedEvidence("sgx", body)
    context = Context(NOON, machine().publication)
    code = refusal(lambda: enclave_verifier().verify(evidence, Binding(None), context))
    assert code == "malformed-evidence"


def test_claims_say_what_the_quote_says() -> None:
    """Fields are hex of their raw bytes, under the names that policies for Trustee use."""
    claims = verify_enclave(quote(config_id=b"config"), binding=Binding(REPORT_DATA, b"config"))
    assert claims["init_data"] == claims["body"]["config_id"] == b"config".ljust(64, b"\0").hex()
    assert claims["report_data"] == REPORT_DATA.ljust(64, b"\0").hex()
    assert claims["body"]["attributes.flags"] == "0500000000000000"
    assert claims["tcb_status"] == "UpToDate"
    assert claims["header"]["att_key_data_0"] == "00000000"


def test_accepts_genuine_evidence_with_exactly_the_expected_claims() -> None:
    """A real enclave, a debug one, whose collateral expired long ago: all that is claims."""
    expected = json.loads((VECTORS / "sgx" / "occlum_quote.claims.json").read_bytes())
    claims = verify_enclave(
        GENUINE,
        source=genuine_source(),
        now=LATER,
        options=CLAIM,
        verifier=SGXVerifier(),
        binding=Binding(b"test", b""),
    )
    assert claims == expected


def test_refuses_genuine_evidence_with_expired_collateral() -> None:
    """By default nobody is vouched for by documents that Intel has replaced."""
    code = refusal(
        lambda: verify_enclave(GENUINE, source=genuine_source(), now=LATER, verifier=SGXVerifier())
    )
    assert code == "collateral-stale"


def test_an_operator_may_add_a_root_and_misspell_an_option() -> None:
    """Roots come from a file that the site vouches for; options are judged at start-up."""
    verifier = SGXVerifier().with_extra_roots(machine().intel.root_pem)
    assert verify_enclave(quote(), verifier=verifier)["tcb_status"] == "UpToDate"
    with pytest.raises(ConfigError):
        SGXVerifier().with_extra_roots(b"")
    with pytest.raises(ConfigError):
        VERIFIER.check_options({"stale": 1})  # type: ignore[attr-defined]  # of this verifier
