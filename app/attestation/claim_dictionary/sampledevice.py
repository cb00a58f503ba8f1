"""Claims of the sample device, which proves nothing."""

from app.attestation.claim_dictionary.claims import Claim, Direction, bound

_SOURCE = "Vouchgate, docs/reference/verifiers/sampledevice.md, claims"

CLAIMS = (
    Claim(
        "svn",
        "text",
        Direction.EQUAL,
        "The security version that the device says it has; anyone can say anything.",
        _SOURCE,
    ),
    bound("The field of the evidence", _SOURCE, "base64, as received"),
)
