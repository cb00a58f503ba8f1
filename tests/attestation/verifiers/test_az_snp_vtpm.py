"""What the verifier of Azure's SNP machines proves, refuses and claims."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from fakes import NOON
from simulated.azure_snp_site import (
    CHALLENGE,
    FOLDER,
    GENUINE,
    INIT_DATA,
    MACHINE,
    PLAN,
    REPORT_DATA,
    genuine_evidence,
    verify,
)
from simulated.collateral import MemoryCollateral
from simulated.dcap_site import refusal

from app.attestation.evidence import (
    Binding,
    Context,
    OptionedVerifier,
    RootedVerifier,
    UnverifiedEvidence,
)
from app.attestation.verifiers.az_snp_vtpm import VERIFIER, AzureSNPVerifier
from app.lab.amd_authority import SimulatedAMD
from app.lab.vtpm import AzureSNP, QuotePlan, ak, bound_to, quote_member, registers, variable_data
from app.trust.errors import ConfigError

# --- What is accepted --------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_evidence_gives_the_published_claims(name: str) -> None:
    """Each version of the evidence, Milan and Genoa."""
    expected = json.loads((FOLDER / f"evidence-{name}.claims.json").read_text("utf-8"))
    claims = verify(genuine_evidence(name), Binding(GENUINE[name]), genuine=True)
    assert claims == expected


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_version_is_bound_to_report_data_and_init_data(version: int) -> None:
    """A simulated machine shows what no genuine vector has: init data in PCR 8."""
    claims = verify(MACHINE.evidence(PLAN, version))
    assert claims["report_data"] == REPORT_DATA.hex()
    assert claims["init_data"] == hashlib.sha256(bytes(32) + INIT_DATA).hexdigest()
    assert claims["policy_debug_allowed"] == "false"
    assert base64.b64decode(claims["measurement"]) == bytes(range(48))


def test_debug_is_a_claim() -> None:
    """wire.md 14.2 #38: policy sees it, as a text like every claim of this TEE."""
    evidence = MACHINE.evidence(PLAN, policy=0x30000 | 1 << 19)
    assert verify(evidence)["policy_debug_allowed"] == "true"


def test_fewer_registers_have_no_init_data_claim() -> None:
    """PCR 0 to 7 are a quote like another; only init data cannot be shown by it."""
    plan = QuotePlan(REPORT_DATA, registers()[:8])
    claims = verify(MACHINE.evidence(plan), Binding(REPORT_DATA))
    assert "init_data" not in claims
    assert len(claims["tpm"]) == 8


# --- What is refused ---------------------------------------------------------------------------

NONCES = {
    "none": None,
    "another": b"Challenge",
    "one byte more": CHALLENGE + b"\0",
    "one byte less": CHALLENGE[:-1],
    "padded to 64 bytes": CHALLENGE.ljust(64, b"\0"),
    "nothing": b"",
}


@pytest.mark.parametrize("nonce", NONCES.values(), ids=NONCES)
def test_refuses_genuine_evidence_for_another_nonce(nonce: bytes | None) -> None:
    """Nothing is padded and nothing is cut; and without a nonce anything could be replayed."""
    evidence = genuine_evidence("v1")
    code = refusal(lambda: verify(evidence, Binding(nonce), genuine=True))
    assert code == "binding-mismatch"


@pytest.mark.parametrize("length", [0, 1, 20, 31, 33, 48, 64])
def test_init_data_digests_of_other_lengths_are_refused(length: int) -> None:
    """wire.md 14.2 #35: a digest by SHA-384 is a refusal, and no crash."""
    evidence = MACHINE.evidence(PLAN)
    binding = Binding(REPORT_DATA, INIT_DATA.ljust(64, b"\0")[:length])
    assert refusal(lambda: verify(evidence, binding)) == "init-data-mismatch"


def test_init_data_needs_register_8() -> None:
    """wire.md 14.2 #35: fewer than nine PCRs are a refusal, and no crash."""
    evidence = MACHINE.evidence(QuotePlan(REPORT_DATA, registers()[:8]))
    assert refusal(lambda: verify(evidence)) == "init-data-mismatch"


def with_user_data(user_data: bytes | None) -> dict[str, Any]:
    """Evidence of version 2 whose variable data has other user data."""
    return MACHINE.evidence(PLAN, variable=variable_data(user_data))


USER_DATA = {
    "shorter than report data": (REPORT_DATA[:-1], "binding-mismatch"),
    "empty": (b"", "binding-mismatch"),
    "another": (bytes(64), "binding-mismatch"),
    "none": (None, "malformed-evidence"),
    "longer": (REPORT_DATA + b"!", "accepted"),
}


@pytest.mark.parametrize(("user_data", "code"), USER_DATA.values(), ids=USER_DATA)
def test_user_data_of_version_2_begins_with_report_data(user_data: bytes | None, code: str) -> None:
    """wire.md 14.2 #35: a shorter one is a refusal, and no crash."""
    assert refusal(lambda: verify(with_user_data(user_data))) == code


RESETTABLE = bytes(32)
SELECTIONS: dict[str, Any] = {
    "PCR 16 and 23 in the place of 8 and 11": [(0x0B, bytes.fromhex("fff6ff"))],
    "the registers from 1 on": [(0x0B, bytes.fromhex("feffff"))],
    "one register fewer": [(0x0B, bytes.fromhex("ffff7f"))],
    "the bank of SHA-1": [(0x04, bytes.fromhex("ffffff"))],
    "the bank of SHA-384": [(0x0C, bytes.fromhex("ffffff"))],
    "two banks": [(0x0B, bytes.fromhex("ffffff")), (0x0C, bytes.fromhex("000000"))],
    "the same bank twice": [(0x0B, bytes.fromhex("ffffff"))] * 2,
    "no bank": [],
    "a register too many": [(0x0B, bytes.fromhex("ffffff01"))],
}


@pytest.mark.parametrize("selections", SELECTIONS.values(), ids=SELECTIONS)
def test_the_selection_of_registers_is_checked(selections: Any) -> None:
    """wire.md 14.2 #36: registers that a guest can reset do not pass for others."""
    plan = QuotePlan(REPORT_DATA, registers(INIT_DATA), selections)
    assert refusal(lambda: verify(MACHINE.evidence(plan))) == "register-mismatch"


def test_registers_that_are_moved_are_refused() -> None:
    """The values of PCR 16 on, listed as PCR 8 on, with a digest over exactly these values."""
    moved = QuotePlan(REPORT_DATA, registers(INIT_DATA)[:12], [(0x0B, bytes.fromhex("ff000f"))])
    assert refusal(lambda: verify(MACHINE.evidence(moved))) == "register-mismatch"


LISTS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "one left out": lambda pcrs: pcrs[:-1],
    "two exchanged": lambda pcrs: [pcrs[1], pcrs[0], *pcrs[2:]],
    "one changed": lambda pcrs: [*pcrs[:11], RESETTABLE, *pcrs[12:]],
}


@pytest.mark.parametrize("change", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("version", [0, 2])
def test_a_changed_list_of_registers_is_refused(
    change: Callable[[list[bytes]], list[bytes]], version: int
) -> None:
    """What is claimed is what was quoted."""
    evidence = MACHINE.evidence(PLAN, version)
    listed = change(registers(INIT_DATA))
    evidence["tpm_quote" if version else "quote"] = quote_member(PLAN, version, listed)
    assert refusal(lambda: verify(evidence)) == "register-mismatch"


def signed_by_another_key() -> dict[str, Any]:
    """The quote is of the trusted TPM, the variable data names another key."""
    return MACHINE.evidence(PLAN, variable=variable_data(REPORT_DATA, ak(1)))


def of_another_machine() -> dict[str, Any]:
    """Variable data that a genuine report was not made for: a key of the attacker's."""
    variable = variable_data(REPORT_DATA)
    return MACHINE.evidence(PLAN, variable=variable, report_data=bound_to(b"other"))


def of_another_root() -> dict[str, Any]:
    """The same names, another root's keys."""
    return AzureSNP(SimulatedAMD("Milan", number=1)).evidence(PLAN)


def of_another_tcb() -> dict[str, Any]:
    """A report that reports other patch levels than its certificate."""
    tcb = {"bootloader": 5, "tee": 0, "snp": 24, "microcode": 219}
    return MACHINE.evidence(PLAN, tcb=tcb)


FORGERIES: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "another key": (signed_by_another_key, "signature-invalid"),
    "an AK that no report vouches for": (of_another_machine, "attestation-key-untrusted"),
    "VMPL 1": (lambda: MACHINE.evidence(PLAN, vmpl=1), "privilege-level"),
    "a signature by a VLEK": (lambda: MACHINE.evidence(PLAN, signing_key=1), "chain-invalid"),
    "another root": (of_another_root, "chain-invalid"),
    "another TCB": (of_another_tcb, "tcb-mismatch"),
    "another chip": (lambda: MACHINE.evidence(PLAN, chip_id=b"\1" * 64), "collateral-mismatch"),
}


@pytest.mark.parametrize(("forge", "code"), FORGERIES.values(), ids=FORGERIES)
def test_refuses_what_the_hardware_does_not_vouch_for(
    forge: Callable[[], dict[str, Any]], code: str
) -> None:
    """wire.md 14.2 #37: the attestation key counts by the report that names it."""
    evidence = forge()
    assert refusal(lambda: verify(evidence)) == code


def test_nothing_is_asked_of_vendors_for_a_stale_quote() -> None:
    """Evidence that contradicts itself, or is another's, causes no request."""
    collateral = MemoryCollateral(MACHINE.amd.documents())
    evidence = UnverifiedEvidence("az-snp-vtpm", MACHINE.evidence(PLAN))
    context = Context(NOON, collateral)
    verifier = AzureSNPVerifier().with_extra_roots(MACHINE.amd.root_pem)
    assert refusal(lambda: verifier.verify(evidence, Binding(b"?"), context)) == "binding-mismatch"
    assert collateral.asked == []


# --- Settings ----------------------------------------------------------------------------------


def test_options_and_roots_are_those_of_snp() -> None:
    """Dates and revocation are judged alike, and faults name this verifier."""
    assert isinstance(VERIFIER, OptionedVerifier)
    assert isinstance(VERIFIER, RootedVerifier)
    VERIFIER.check_options({"revocation": "require", "check_validity": "enforce"})
    with pytest.raises(ConfigError, match=r"verifier_options\.az-snp-vtpm\.x"):
        VERIFIER.check_options({"x": 1})
    with pytest.raises(ConfigError, match=r"insecure_extra_roots\.az-snp-vtpm"):
        VERIFIER.with_extra_roots(b"?")
    evidence = MACHINE.evidence(PLAN)
    code = refusal(lambda: verify(evidence, revocation="require"))
    assert code == "collateral-unavailable"
