"""The launch measurement of a guest: the one claim that says what it was started from."""

from __future__ import annotations

from app.trust.json_types import JSONObject, JSONValue

# Where it stands below the TEE's name in annotated evidence. A TPM alone has no such claim: PCR 11
# is what a unified kernel image is known by.
LAUNCH_MEASUREMENTS: dict[str, tuple[str, ...]] = {
    "az-snp-vtpm": ("measurement",),
    "az-tdx-vtpm": ("quote", "body", "mr_td"),
    "cca": ("realm", "cca-realm-initial-measurement"),
    "csv": ("measure",),
    "sample": ("launch_digest",),
    "se": ("tag",),
    "sgx": ("body", "mr_enclave"),
    "snp": ("measurement",),
    "tdx": ("quote", "body", "mr_td"),
    "tpm": ("pcr11",),
}
MAX_MEASUREMENT_LENGTH = 128


def launch_measurement(annotated_evidence: JSONValue) -> str | None:
    """The measurement as the claims spell it; ``None`` where there is none.

    Args:
        annotated_evidence: of the primary environment (wire.md, section 9.4), verified.
    """
    if not isinstance(annotated_evidence, dict):
        return None
    for tee in sorted(LAUNCH_MEASUREMENTS.keys() & annotated_evidence.keys()):
        value: JSONValue = annotated_evidence[tee]
        for member in LAUNCH_MEASUREMENTS[tee]:
            value = _member(value, member)
        # A token of someone else's may have anything in its place.
        if isinstance(value, str) and 0 < len(value) <= MAX_MEASUREMENT_LENGTH:
            return value
    return None


def _member(value: JSONValue, name: str) -> JSONValue:
    members: JSONObject = value if isinstance(value, dict) else {}
    return members.get(name)
