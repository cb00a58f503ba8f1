"""Claims of the sample TEE, which proves nothing."""

from app.attestation.claim_dictionary.claims import Claim, Direction, bound

_SOURCE = "Vouchgate, docs/reference/verifiers/sample.md, claims"

CLAIMS = (
    Claim(
        "svn",
        "text",
        Direction.EQUAL,
        "The security version that the guest says it has; anyone can say anything.",
        _SOURCE,
        ("svn",),
    ),
    Claim(
        "launch_digest",
        'text, always "abcde"',
        Direction.EQUAL,
        "Stands for the measurement of what was launched.",
        _SOURCE,
        ("launch_digest",),
    ),
    Claim(
        "platform_version.major",
        "number, always 1",
        Direction.EQUAL,
        "Stands for the major version of the platform.",
        _SOURCE,
        ("major_version",),
    ),
    Claim(
        "platform_version.minor",
        "number, always 4",
        Direction.HIGHER,
        "Stands for the minor version of the platform.",
        _SOURCE,
        ("minimum_minor_version",),
    ),
    Claim(
        "debug",
        "boolean, always false",
        Direction.FALSE,
        "Stands for whether the host may look into the guest.",
        _SOURCE,
    ),
    bound("The field of the evidence", _SOURCE, "base64, as received"),
    Claim(
        "init_data",
        "base64",
        Direction.INFORMATIVE,
        "The digest of the init data that came along; nothing ties it to the guest.",
        _SOURCE,
    ),
    Claim(
        "init_data_verified",
        "boolean, always false",
        Direction.INFORMATIVE,
        "Says that nothing vouches for the init data of this TEE.",
        _SOURCE,
    ),
)
