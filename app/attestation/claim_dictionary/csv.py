"""Claims of Hygon CSV: fields of the report, and the event log."""

from app.attestation.claim_dictionary.claims import Claim, Direction, bound
from app.attestation.claim_dictionary.event_log import EVENT_LOG_CLAIMS

_REPORT = "Hygon, csv-rs library, attestation report"
_POLICY = f"{_REPORT}, policy"
_NUMBER = "number, 0 or 1"

_BITS = (
    ("nodbg", Direction.FIXED, "1: the host may not debug the guest.", "1"),
    ("noks", Direction.INFORMATIVE, "1: the guest may not share its keys with another.", ""),
    ("es", Direction.FIXED, "1: the guest's registers are encrypted too.", "1"),
    ("nosend", Direction.INFORMATIVE, "1: the guest may not be sent to another machine.", ""),
    ("domain", Direction.INFORMATIVE, "1: it may be sent within its domain only.", ""),
    ("csv", Direction.INFORMATIVE, "1: it may be sent to platforms with CSV only.", ""),
    ("csv3", Direction.FIXED, "1: a guest of CSV3, whose memory is isolated by hardware.", "1"),
    ("asid_reuse", Direction.INFORMATIVE, "1: its address space number may be shared.", ""),
)
_NUMBERS = (
    ("hsk_version", "Least version of Hygon's signing key."),
    ("cek_version", "Least version of the chip's endorsement key."),
    ("api_major", "Least major version of the firmware's interface."),
    ("api_minor", "Least minor version of the same."),
)

CLAIMS = (
    Claim(
        "measure",
        "hex, 32 bytes",
        Direction.EQUAL,
        "Launch digest: what the guest was started from.",
        f"{_REPORT}, measure",
    ),
    Claim(
        "version",
        'text, "1" or "2"',
        Direction.INFORMATIVE,
        "Version of the report.",
        _REPORT,
    ),
    Claim(
        "serial_number",
        "text",
        Direction.CHECKED,
        "Which chip this is; its certificates were looked up by it.",
        f"{_REPORT}, serial number",
    ),
    *(
        Claim(f"policy.{name}", _NUMBER, direction, meaning, f"{_POLICY}, {name}", good=good)
        for name, direction, meaning, good in _BITS
    ),
    *(
        Claim(f"policy.{name}", "number", Direction.HIGHER, meaning, f"{_POLICY}, {name}")
        for name, meaning in _NUMBERS
    ),
    Claim(
        "user_pubkey_digest",
        "hex, 32 bytes",
        Direction.EQUAL,
        "SM3 of the key of the guest's owner.",
        f"{_REPORT}, user_pubkey_digest",
    ),
    Claim("vm_id", "hex, 16 bytes", Direction.EQUAL, "What the host calls the guest.", _REPORT),
    Claim(
        "vm_version", "hex, 16 bytes", Direction.EQUAL, "What the host calls its version.", _REPORT
    ),
    Claim(
        "mnonce",
        "hex, 16 bytes",
        Direction.INFORMATIVE,
        "A number that the guest chose; report_data is what makes the report fresh.",
        _REPORT,
    ),
    Claim(
        "anonce",
        "hex, 4 bytes, in version 1",
        Direction.INFORMATIVE,
        "The mask that fields of the report were stored under.",
        _REPORT,
    ),
    Claim("sig_usage", "hex, 4 bytes", Direction.CHECKED, "What the signing key is for.", _REPORT),
    Claim("sig_algo", "hex, 4 bytes", Direction.CHECKED, "How it signs: SM2.", _REPORT),
    Claim("build", "number, in version 2", Direction.HIGHER, "Build of the firmware.", _REPORT),
    Claim(
        "rtmr_version",
        "number, in version 2",
        Direction.INFORMATIVE,
        "Form of the registers.",
        _REPORT,
    ),
    *(
        Claim(
            f"rtmr{index}",
            "hex, 32 bytes, in version 2",
            Direction.EQUAL,
            f"Register {index}, extended while the guest boots and runs.",
            _REPORT,
        )
        for index in range(5)
    ),
    *(
        Claim(
            f"reserved{index}", "hex, in version 2", Direction.INFORMATIVE, "Nothing yet.", _REPORT
        )
        for index in range(2)
    ),
    *EVENT_LOG_CLAIMS,
    bound("The guest's field of the report", f"{_REPORT}, user_data", "hex, 64 bytes"),
)
