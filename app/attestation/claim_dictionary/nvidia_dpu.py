"""Claims of NVIDIA's data processing units (DPU)."""

from app.attestation.claim_dictionary.claims import Claim, Direction

_DICE = "TCG DICE Attestation Architecture, section 6.1.1, TcbInfo"
_PAGE = "Vouchgate, docs/reference/verifiers/nvidia-dpu.md, claims"

CLAIMS = (
    Claim(
        "device_class",
        "text",
        Direction.EQUAL,
        "What kind of device this is: the common name of its identity.",
        "RFC 5280, section 4.1.2.6, subject",
        ("dpu_device_classes",),
    ),
    Claim(
        "device_serial",
        "hex",
        Direction.INFORMATIVE,
        "Which device this is: the serial number of its identity.",
        "RFC 5280, section 4.1.2.2, serial number",
    ),
    Claim(
        "accumulated_fwid",
        "hex, 48 bytes",
        Direction.EQUAL,
        "SHA-384 over the digests of all layers of its firmware.",
        _DICE,
        ("dpu_accumulated_fwids",),
    ),
    Claim(
        "firmware_layers_count",
        "number",
        Direction.EQUAL,
        "How many layers of firmware were measured; none proves nothing.",
        _DICE,
        ("dpu_firmware_layers_counts",),
    ),
    Claim(
        "alias_timestamp",
        "number, seconds since 1970",
        Direction.LATER,
        "When the device made the key that signs, which it does at each start.",
        "RFC 5280, section 4.1.2.5, notBefore",
    ),
    Claim(
        "session_nonce",
        "hex",
        Direction.CHECKED,
        "The report data that the device signed; left out when none was expected.",
        _PAGE,
    ),
)
