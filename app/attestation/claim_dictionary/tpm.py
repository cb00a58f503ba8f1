"""Claims of a TPM alone: its key and its registers."""

from app.attestation.claim_dictionary.claims import Claim, Direction, bound, launched
from app.attestation.claim_dictionary.registers import register_claims

_QUOTE = "TPM 2.0 Library, part 2, TPMS_ATTEST"

CLAIMS = (
    Claim(
        "ak_public",
        "base64 of a SubjectPublicKeyInfo, as received",
        Direction.EQUAL,
        "The attestation key that signed the quote; it stands for a TPM only when it is known.",
        "TPM 2.0 Library, part 1, attestation keys",
        ("trusted_aks",),
    ),
    Claim(
        "ak_trusted",
        "boolean, only when false",
        Direction.INFORMATIVE,
        "Says that the key is not enrolled in the settings.",
        "Vouchgate, docs/reference/verifiers/tpm.md, claims",
    ),
    Claim(
        "ak_root",
        "hex, SHA-256 of a certificate; only for keys that a root vouches for",
        Direction.EQUAL,
        "The root whose certificates vouch for the key, of those that the settings pin.",
        "Vouchgate, docs/reference/verifiers/tpm.md, claims",
    ),
    *register_claims(("tpm_pcr11",)),
    bound("extraData of the quote", f"{_QUOTE}, extraData", "hex"),
    launched("PCR 8", "Confidential Containers, init data in PCR 8", "hex, 32 bytes"),
)
