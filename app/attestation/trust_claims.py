"""What the trust claims of a vector are about, and what their values say (AR4SI, section 2.3)."""

from __future__ import annotations

from app.attestation.ear import TrustTier

ABOUT = {
    "hardware": "the processor and its firmware",
    "executables": "what was loaded and runs",
    "configuration": "how it is set up, debugging for instance",
    "file-system": "files that were measured",
    "instance-identity": "which machine it is",
    "runtime-opaque": "whether memory is hidden from outside",
    "storage-opaque": "whether storage is hidden from outside",
    "sourced-data": "data from elsewhere that it uses",
}
# In the order in which people ask.
ORDER = tuple(ABOUT)

# Values that mean the same for every claim.
_COMMON = {
    -1: "an unexpected error kept the verifier from judging",
    0: "nothing is said",
    1: "the evidence is not understood",
    99: "the cryptography of the evidence does not hold",
}
_VALUES: dict[str, dict[int, str]] = {
    "hardware": {
        2: "genuine and current",
        32: "genuine, with faults that are known",
        96: "genuine, with faults too grave to trust it",
        97: "not known to be genuine and current",
    },
    "executables": {
        2: "what runs, as far as it was measured, is known",
        3: "what was booted is known",
        4: "what was booted is known by some registers only",
        32: "known, with faults that are known",
        33: "not known",
        96: "known to be harmful",
    },
    "configuration": {
        2: "as it was approved",
        3: "without faults that are known",
        32: "with faults that are known",
        36: "not known to be approved",
        96: "with faults too grave to trust it",
    },
    "instance-identity": {
        2: "known and not compromised",
        96: "known and compromised",
        97: "not known",
    },
}
_TIERS = {
    TrustTier.NONE: "nothing is said",
    TrustTier.AFFIRMING: "it is as it should be",
    TrustTier.WARNING: "it is not known to be as it should be",
    TrustTier.CONTRAINDICATED: "it is not as it should be",
}


def meaning_of(name: str, value: int) -> str:
    """What a value of a trust claim says, -128 to 127; of the whole tier where nothing else does.

    Args:
        name: of the trust claim.
        value: negative ones are a policy's own and say no more than their tier.
    """
    special = _VALUES.get(name, {}).get(value) or _COMMON.get(value)
    return special or _TIERS[TrustTier.of(value)]
