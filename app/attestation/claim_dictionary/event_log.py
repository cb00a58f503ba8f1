"""Claims about the event log of a boot, the same for each TEE that has one."""

from app.attestation.claim_dictionary.claims import Claim, Direction, below

_PROFILE = "TCG PC Client Platform Firmware Profile, section 10"
_AAEL = "Confidential Containers, Attestation Agent event log (AAEL)"
_ONLY_WITH = "Proved only when digest_matches_event is true."

_DETAILS = (
    ("string", "text", f"The text of the event. {_ONLY_WITH}", _PROFILE),
    ("unicode_name", "text", "Name of an EFI variable, or AAEL.", _PROFILE),
    ("unicode_name_length", "number", "Characters of that name.", _PROFILE),
    ("variable_name", "text", "GUID of an EFI variable, bytes in plain order.", _PROFILE),
    ("variable_data", "base64", f"Content of an EFI variable. {_ONLY_WITH}", _PROFILE),
    ("variable_data_length", "number", "Bytes of that content.", _PROFILE),
    ("device_paths[*]", "text", f"Where a loaded image came from. {_ONLY_WITH}", _PROFILE),
    ("device_paths", "list of texts", f"Where a loaded image came from. {_ONLY_WITH}", _PROFILE),
    ("data.domain", "text", f"Who recorded an event of the guest. {_ONLY_WITH}", _AAEL),
    ("data.operation", "text", f"What was done. {_ONLY_WITH}", _AAEL),
)

_EVENT = (
    Claim(
        "index",
        "number",
        Direction.INFORMATIVE,
        "Which register the event was measured into: 1 to 4 for the first to the fourth.",
        _PROFILE,
    ),
    Claim(
        "type_name",
        "text, EV_…",
        Direction.INFORMATIVE,
        "What kind of event it is.",
        f"{_PROFILE}, event types",
    ),
    Claim(
        "digests[*].alg",
        "text, such as SHA-384",
        Direction.INFORMATIVE,
        "The hash algorithm of a digest.",
        f"{_PROFILE}, TPML_DIGEST_VALUES",
    ),
    Claim(
        "digests[*].digest",
        "hex",
        Direction.EQUAL,
        "What was extended into the register: the one thing about an event that is always proved.",
        f"{_PROFILE}, TPML_DIGEST_VALUES",
    ),
    Claim(
        "digests",
        "list",
        Direction.INFORMATIVE,
        "The digests of an event, one for each algorithm.",
        f"{_PROFILE}, TPML_DIGEST_VALUES",
    ),
    Claim(
        "event",
        "base64",
        Direction.INFORMATIVE,
        f"The bytes of the event. {_ONLY_WITH}",
        f"{_PROFILE}, TCG_PCR_EVENT2",
    ),
    Claim(
        "digest_matches_event",
        "boolean",
        Direction.INFORMATIVE,
        "Whether the digest is of the event's bytes, so that they are proved. A loaded image never "
        "has it: its digest is of the image.",
        f"{_PROFILE}, TCG_PCR_EVENT2",
    ),
    Claim(
        "details",
        "object",
        Direction.INFORMATIVE,
        f"The event read by its type. {_ONLY_WITH}",
        f"{_PROFILE}, event types",
    ),
    *(
        Claim(f"details.{name}", kind, Direction.INFORMATIVE, meaning, source)
        for name, kind, meaning, source in _DETAILS
    ),
    Claim(
        "details.data.content",
        "text or JSON",
        Direction.INFORMATIVE,
        f"What the guest's agent recorded. {_ONLY_WITH}",
        _AAEL,
        is_open=True,
    ),
)

EVENT_DIGEST = "uefi_event_logs[*].digests[*].digest"

EVENT_LOG_CLAIMS = (
    Claim(
        "uefi_event_logs",
        "list, when a log came along",
        Direction.INFORMATIVE,
        "The events of the boot in their order; replaying them gave the registers of the evidence.",
        _PROFILE,
    ),
    *below("uefi_event_logs[*]", _EVENT),
)
