"""Claims of Azure's virtual machines on TDX: the TD quote, and the virtual TPM."""

from app.attestation.claim_dictionary.claims import below, bound, launched
from app.attestation.claim_dictionary.registers import register_claims
from app.attestation.claim_dictionary.tdx import INTEL_CLAIMS, TD_CLAIMS

_QUOTE = "TPM 2.0 Library, part 2, TPMS_ATTEST"
# The registers of the TPM say what was started; those of the TD are not read for this TEE.
_NOT_READ = {"quote.body.rtmr_1", "quote.body.rtmr_2"}

CLAIMS = (
    *(claim.read_for() if claim.path in _NOT_READ else claim for claim in TD_CLAIMS),
    *INTEL_CLAIMS,
    *below("tpm", register_claims(("tdx_pcr11",))),
    bound("extraData of the TPM's quote", f"{_QUOTE}, extraData", "hex"),
    launched("PCR 8", "Confidential Containers, init data in PCR 8", "hex, 32 bytes"),
)
