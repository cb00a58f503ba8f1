"""Claims of Hygon's accelerators (DCU)."""

from app.attestation.claim_dictionary.claims import Claim, Direction, bound

_REPORT = "Hygon, csv-rs library, DCU attestation report"

CLAIMS = (
    Claim(
        "body.measure",
        "hex, 32 bytes",
        Direction.EQUAL,
        "Digest of the device's firmware.",
        f"{_REPORT}, measure",
        ("dcu_measures",),
    ),
    Claim(
        "body.chip_id",
        "hex, 16 bytes",
        Direction.EQUAL,
        "Which chip this is.",
        f"{_REPORT}, chip_id",
        ("dcu_chip_ids",),
    ),
    Claim(
        "body.version",
        "number",
        Direction.EQUAL,
        "Form of the report, which says what the measurement covers.",
        f"{_REPORT}, version",
        ("dcu_report_versions",),
    ),
    Claim(
        "body.user_data",
        "hex, 64 bytes",
        Direction.CHECKED,
        "The same as report_data.",
        f"{_REPORT}, user_data",
    ),
    Claim("body.reserved", "hex, 128 bytes", Direction.INFORMATIVE, "Nothing yet.", _REPORT),
    Claim("body.sig_usage", "hex of a number", Direction.CHECKED, "What the key is for.", _REPORT),
    Claim("body.sig_algo", "hex of a number", Direction.CHECKED, "How it signs: SM2.", _REPORT),
    bound("user_data of the report", f"{_REPORT}, user_data", "hex, 64 bytes"),
)
