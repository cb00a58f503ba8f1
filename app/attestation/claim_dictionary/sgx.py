"""Claims of Intel SGX: the quote and Intel's judgement."""

from __future__ import annotations

from app.attestation.claim_dictionary.claims import Claim, Direction, below, bound, launched
from app.attestation.claim_dictionary.dcap import DCAP_CLAIMS, PLATFORM_INSTANCE, header_claims

_QUOTE = "Intel SGX ECDSA Quote Library API, appendix A, enclave report body"
_MANUAL = "Intel SDM volume 3D, section 34.7, ATTRIBUTES"


def _field(
    name: str, size: int, direction: Direction, meaning: str, names: tuple[str, ...] = ()
) -> Claim:
    return Claim(f"body.{name}", f"hex, {size} bytes", direction, meaning, _QUOTE, names)


_BODY = (
    _field("mr_enclave", 32, Direction.EQUAL, "What the enclave was built from.", ("mr_enclave",)),
    _field(
        "mr_signer",
        32,
        Direction.EQUAL,
        "Who signed the enclave: the digest of the signer's key.",
        ("mr_signer",),
    ),
    _field(
        "isv_prod_id",
        2,
        Direction.EQUAL,
        "Which of the signer's products the enclave is.",
        ("isv_prod_id",),
    ),
    _field(
        "isv_svn",
        2,
        Direction.HIGHER,
        "Security version of the enclave, little endian.",
        ("isv_svn",),
    ),
    Claim(
        'body["attributes.flags"]',
        "hex, 8 bytes, least byte first",
        Direction.EQUAL,
        "Attributes of the enclave; bit 1 of the first byte says that it can be debugged, and must "
        "be clear.",
        f"{_MANUAL}, table 34-3",
    ),
    Claim(
        'body["attributes.xfrm"]',
        "hex, 8 bytes",
        Direction.EQUAL,
        "Which extended features of the processor the enclave may use.",
        f"{_MANUAL}, XFRM",
    ),
    _field(
        "cpu_svn", 16, Direction.HIGHER, "Security version of the processor, not to be compared."
    ),
    _field("misc_select", 4, Direction.EQUAL, "What is reported when the enclave faults."),
    _field("config_id", 64, Direction.CHECKED, "The same as init_data."),
    _field("config_svn", 2, Direction.HIGHER, "Version of the configuration."),
    _field("isv_ext_prod_id", 16, Direction.EQUAL, "A longer product number of the signer."),
    _field("isv_family_id", 16, Direction.EQUAL, "Family of the signer's products."),
    _field("report_data", 64, Direction.CHECKED, "The same as report_data at the top."),
    _field("reserved1", 12, Direction.INFORMATIVE, "Nothing yet."),
    _field("reserved2", 32, Direction.INFORMATIVE, "Nothing yet."),
    _field("reserved3", 32, Direction.INFORMATIVE, "Nothing yet."),
    _field("reserved4", 42, Direction.INFORMATIVE, "Nothing yet."),
)

CLAIMS = (
    *below("header", header_claims(False)),  # noqa: FBT003
    *_BODY,
    PLATFORM_INSTANCE,
    *DCAP_CLAIMS,
    bound("REPORTDATA of the enclave", f"{_QUOTE}, REPORTDATA", "hex, 64 bytes"),
    launched("CONFIGID of the enclave", f"{_QUOTE}, CONFIGID", "hex, 64 bytes"),
)
