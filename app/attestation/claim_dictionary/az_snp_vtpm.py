"""Claims of Azure's virtual machines on SNP: the report as texts, and the virtual TPM."""

from __future__ import annotations

from dataclasses import replace

from app.attestation.claim_dictionary import snp
from app.attestation.claim_dictionary.claims import Claim, below, bound, launched
from app.attestation.claim_dictionary.registers import register_claims

_QUOTE = "TPM 2.0 Library, part 2, TPMS_ATTEST"

# The default policies name the same values without the prefix of bare SNP.
_NAMES = {
    "reported_tcb_bootloader": "tcb_bootloader",
    "reported_tcb_microcode": "tcb_microcode",
    "reported_tcb_snp": "tcb_snp",
    "reported_tcb_tee": "tcb_tee",
    "platform_smt_enabled": "smt_enabled",
    "platform_tsme_enabled": "tsme_enabled",
    "policy_abi_major": "abi_major",
    "policy_abi_minor": "abi_minor",
    "policy_single_socket": "single_socket",
    "policy_smt_allowed": "smt_allowed",
    "measurement": "measurement",
}
_ABSENT = {"chip_id", "report_data", "init_data"}


def _as_text(claim: Claim) -> Claim:
    is_measurement = claim.path == "measurement"
    return replace(
        claim,
        type="base64, 48 bytes" if is_measurement else f"text of a {claim.type}",
        reference_values=(_NAMES[claim.path],) if claim.path in _NAMES else (),
        meaning=(
            "Launch digest of Azure's own firmware layer (HCL), which holds the virtual TPM."
            if is_measurement
            else claim.meaning
        ),
    )


CLAIMS = (
    *(_as_text(claim) for claim in snp.CLAIMS if claim.path not in _ABSENT),
    *below("tpm", register_claims(("snp_pcr11",))),
    bound("extraData of the TPM's quote", f"{_QUOTE}, extraData", "hex"),
    launched("PCR 8", "Confidential Containers, init data in PCR 8", "hex, 32 bytes"),
)
