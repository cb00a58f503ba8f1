"""Claims of IBM Secure Execution; the verifier itself has compared the image."""

from app.attestation.claim_dictionary.claims import Claim, Direction, bound

_FORMAT = "IBM, s390-tools, Secure Execution attestation"

CLAIMS = (
    Claim(
        "tag",
        "hex, 16 bytes",
        Direction.CHECKED,
        "The tag of the image that the guest was started from; it is that of the operator's file.",
        f"{_FORMAT}, image header tag",
    ),
    Claim(
        "image_phkh",
        "hex, 32 bytes",
        Direction.EQUAL,
        "Digest of the host key that the image was made for.",
        f"{_FORMAT}, additional data, image host key hash",
    ),
    Claim(
        "attestation_phkh",
        "hex, 32 bytes",
        Direction.EQUAL,
        "Digest of the host key that the request for attestation was made for.",
        f"{_FORMAT}, additional data, attestation host key hash",
    ),
    Claim(
        "cuid",
        "hex, 16 bytes",
        Direction.INFORMATIVE,
        "Which instance this is: another one at each start.",
        f"{_FORMAT}, configuration unique id",
    ),
    Claim(
        "version",
        "number, always 256",
        Direction.INFORMATIVE,
        "Version of the request for attestation.",
        _FORMAT,
    ),
    bound("The guest's field", f"{_FORMAT}, user data", "hex, as expected"),
)
