"""Claims of Intel TDX: the quote, Intel's judgement, and the event log."""

from __future__ import annotations

from dataclasses import replace

from app.attestation.claim_dictionary.claims import Claim, Direction, below, bound, launched
from app.attestation.claim_dictionary.dcap import DCAP_CLAIMS, PLATFORM_INSTANCE, header_claims
from app.attestation.claim_dictionary.event_log import EVENT_DIGEST, EVENT_LOG_CLAIMS

_QUOTE = "Intel TDX DCAP Quoting Library API, appendix A.3, TD quote body"
_QUOTE5 = "Intel TDX DCAP Quoting Library API, appendix A.4, version 5"
_ATTRIBUTES = "Intel TDX Module ABI Specification, ATTRIBUTES"


def _measured(name: str, meaning: str, *names: str) -> Claim:
    return Claim(name, "hex, 48 bytes", Direction.EQUAL, meaning, _QUOTE, names)


_BODY = (
    _measured("mr_td", "What the TD was built from: its firmware at launch (MRTD).", "mr_td"),
    _measured("rtmr_0", "Register 0: configuration of the firmware, and its variables."),
    _measured("rtmr_1", "Register 1: boot loader, kernel, partition table.", "rtmr_1"),
    _measured("rtmr_2", "Register 2: the kernel's command line, and the initrd.", "rtmr_2"),
    _measured("rtmr_3", "Register 3: what the guest itself extends."),
    Claim(
        "xfam",
        "hex, 8 bytes",
        Direction.EQUAL,
        "Which extended features of the processor the TD may use.",
        f"{_QUOTE}, XFAM",
        ("xfam",),
    ),
    Claim(
        "td_attributes",
        "hex, 8 bytes",
        Direction.EQUAL,
        "The attributes of the TD as raw bits; td_attributes beside quote has them by name.",
        f"{_QUOTE}, TDATTRIBUTES",
    ),
    Claim(
        "tcb_svn",
        "hex, 16 bytes",
        Direction.HIGHER,
        "Security versions of the TCB at launch; tcb_status is Intel's judgement of them.",
        f"{_QUOTE}, TEE_TCB_SVN",
    ),
    _measured("mr_seam", "Measurement of the TDX module."),
    Claim(
        "mrsigner_seam",
        "hex, 48 bytes",
        Direction.CHECKED,
        "Who signed the TDX module; zeros for Intel.",
        f"{_QUOTE}, MRSIGNERSEAM",
    ),
    Claim(
        "seam_attributes",
        "hex, 8 bytes",
        Direction.CHECKED,
        "Attributes of the TDX module; zeros.",
        f"{_QUOTE}, SEAMATTRIBUTES",
    ),
    Claim(
        "mr_config_id",
        "hex, 48 bytes",
        Direction.CHECKED,
        "What the host configured at launch; the same as init_data.",
        f"{_QUOTE}, MRCONFIGID",
    ),
    _measured("mr_owner", "Who owns the TD, as the host set it at launch."),
    _measured("mr_owner_config", "What the owner configured, as the host set it at launch."),
    Claim(
        "report_data",
        "hex, 64 bytes",
        Direction.CHECKED,
        "The same as report_data at the top.",
        f"{_QUOTE}, REPORTDATA",
    ),
    Claim(
        "tee_tcb_svn2",
        "hex, 16 bytes, in TDX 1.5",
        Direction.HIGHER,
        "Security versions of the TCB that the TD runs under now.",
        f"{_QUOTE5}, TEE_TCB_SVN_2",
    ),
    Claim(
        "mr_servicetd",
        "hex, 48 bytes, in TDX 1.5",
        Direction.EQUAL,
        "Measurement of the service TDs that are bound to the TD, such as one that migrates it; "
        "zeros without any.",
        f"{_QUOTE5}, MRSERVICETD",
    ),
)


def _attribute(name: str, bit: int, meaning: str, direction: Direction) -> Claim:
    return Claim(
        f"td_attributes.{name}", "boolean", direction, meaning, f"{_ATTRIBUTES}, bit {bit}"
    )


TD_CLAIMS = (
    *below("quote.header", header_claims(True)),  # noqa: FBT003
    *below("quote.body", _BODY),
    Claim(
        "quote.type",
        "hex, 2 bytes, in version 5",
        Direction.INFORMATIVE,
        "Kind of the body: 0200 of TDX 1.0, 0300 of TDX 1.5.",
        f"{_QUOTE5}, body descriptor",
    ),
    Claim(
        "quote.size",
        "hex, 4 bytes, in version 5",
        Direction.INFORMATIVE,
        "Bytes of the body.",
        f"{_QUOTE5}, body descriptor",
    ),
    _attribute("debug", 0, "Whether the host may look into the TD.", Direction.FALSE),
    _attribute(
        "septve_disable",
        28,
        "Whether the TD is spared exceptions that the host can cause by taking memory away.",
        Direction.TRUE,
    ),
    _attribute(
        "protection_keys", 30, "Whether the TD may use protection keys.", Direction.INFORMATIVE
    ),
    _attribute("key_locker", 31, "Whether the TD may use Key Locker.", Direction.INFORMATIVE),
    _attribute(
        "perfmon", 63, "Whether the TD may use performance monitoring.", Direction.INFORMATIVE
    ),
    Claim(
        "td_attributes.migratable",
        "boolean, only when it is set",
        Direction.FALSE,
        "Whether the TD may be moved to another machine, by a service TD; see mr_servicetd.",
        f"{_ATTRIBUTES}, bit 29",
    ),
    Claim(
        "td_attributes.profiling",
        "boolean, only when it is set",
        Direction.FALSE,
        "Whether the host may profile the TD, by HGS+, performance counters or telemetry.",
        f"{_ATTRIBUTES}, bits 4 to 6",
    ),
    Claim(
        "td_attributes.reserved",
        "hex, 8 bytes, only when one is set",
        Direction.INFORMATIVE,
        "Bits that are reserved, or were when this was written; the default policy does not "
        "approve a TD with any.",
        f"{_ATTRIBUTES}, reserved bits",
    ),
    PLATFORM_INSTANCE,
)
_CURRENT = (
    replace(
        claim,
        path=claim.path.replace(name, f"{name}_current"),
        type=f"{claim.type}, in TDX 1.5",
        meaning=f"Under which the TD runs now. {claim.meaning}",
    )
    for claim in DCAP_CLAIMS
    for name in ("tcb_status", "tcb_date", "advisory_ids")
    if claim.path.startswith(name)
)
INTEL_CLAIMS = (*DCAP_CLAIMS, *_CURRENT)

CLAIMS = (
    *TD_CLAIMS,
    *INTEL_CLAIMS,
    *(
        claim.read_for("tdvfkernel", "tdvfkernelparams") if claim.path == EVENT_DIGEST else claim
        for claim in EVENT_LOG_CLAIMS
    ),
    bound("REPORTDATA of the TD", f"{_QUOTE}, REPORTDATA", "hex, 64 bytes"),
    launched("MRCONFIGID of the TD", f"{_QUOTE}, MRCONFIGID", "hex, 48 bytes"),
)
