"""Claims of NVIDIA's devices: verified here, or by NVIDIA's remote attestation service (NRAS)."""

from __future__ import annotations

from app.attestation.claim_dictionary.claims import Claim, Direction

_SPDM = "DMTF DSP0274, SPDM 1.1, section 10.11, MEASUREMENTS"
_OPAQUE = "NVIDIA attestation SDK, opaque data of the report"
_RIM = "TCG RIM Information Model 1.01; NVIDIA RIM service, version 1"
_GUIDE = "NVIDIA attestation documentation, claims guide 3.0"
_EAT = "RFC 9711, Entity Attestation Token, section 4"
_JWT = "RFC 7519, section 4.1, registered claims"
_CONFIG = (
    (
        "driver_version",
        "text",
        Direction.EQUAL,
        "Version of the driver.",
        "allowed_driver_versions",
    ),
    (
        "vbios_version",
        "text",
        Direction.EQUAL,
        "Version of the device's firmware.",
        "allowed_vbios_versions",
    ),
    (
        "fwid",
        "hex, 48 bytes",
        Direction.EQUAL,
        "Which firmware the signing key was made for (DICE).",
        "gpu_fwids",
    ),
)
_CONFIG_FACTS = (
    ("cert_issuer_name", "hex", "Who issued the device's certificate."),
    ("cert_authority_key_identifier", "hex", "The key of that issuer."),
    ("gpu_info", "hex", "What the device says of itself."),
    ("id_sku", "hex", "Its stock keeping unit."),
    ("manufacturer_id", "hex", "Who made it."),
    ("tamper_detection", "hex", "Whether it was tampered with."),
    ("smc", "hex", "State of secure memory."),
    ("vpr", "hex", "State of the video protected region."),
    ("nvdec0_status", "text", "State of the video decoder."),
    ("cpr_info", "hex", "State of the compute protected region."),
    ("board_id", "hex", "Which board it sits on."),
    ("chip_sku", "text", "Which chip it is."),
    ("chip_sku_mod", "text", "Variant of the chip."),
    ("project", "text", "Project of the board."),
    ("project_sku", "text", "Stock keeping unit of the board."),
    ("project_sku_mod", "hex", "Variant of the board."),
    ("protected_pcie_status", "text", "Whether its PCIe is protected."),
    ("floorswept_ports", "hex", "Ports that are switched off for good."),
    ("position_id", "hex", "Where in the machine it sits."),
    ("lock_switch_status", "hex", "Whether the switch is locked."),
    ("gpu_link_conn", "hex", "Which links are connected."),
    ("sys_enable_status", "hex", "Which subsystems are on."),
    ("opaque_data_version", "number", "Form of these data."),
    ("chip_info", "text", "Which chip it is, in words."),
    (
        "feature_flag",
        "text: SPT, MPT, PPCIE, unknown",
        "Which mode of confidential computing is on.",
    ),
)

_MANIFEST = (
    (
        "version",
        "text, when it was compared",
        Direction.CHECKED,
        "Which reference manifest the measurements were compared with; they are what it tells.",
    ),
    (
        "sha256",
        "hex, 32 bytes, when it was compared",
        Direction.INFORMATIVE,
        "Digest of the answer of NVIDIA's service that held the manifest.",
    ),
    (
        "signer_current",
        "boolean, when it was compared",
        Direction.TRUE,
        "Whether the certificates of the manifest's signer are within their dates.",
    ),
)
_LOCAL = (
    Claim("arch", "text", Direction.CHECKED, "Architecture of the device.", _GUIDE),
    Claim(
        "uuid",
        "text, as received",
        Direction.INFORMATIVE,
        "What the guest calls the device; nothing vouches for it.",
        _GUIDE,
    ),
    Claim(
        "measurements[*]",
        "hex, by block index",
        Direction.EQUAL,
        "What the device measured of itself, block by block.",
        _SPDM,
        ("gpu_measurements",),
    ),
    Claim("measurements", "object", Direction.EQUAL, "All of the blocks.", _SPDM),
    *(
        Claim(f"manifests.{kind}.{name}", type_, direction, meaning, _RIM)
        for kind in ("driver", "vbios")
        for name, type_, direction, meaning in _MANIFEST
    ),
    *(
        Claim(f"config.{name}", kind, direction, meaning, _OPAQUE, (reference,))
        for name, kind, direction, meaning, reference in _CONFIG
    ),
    *(
        Claim(f"config.{name}", kind, Direction.INFORMATIVE, meaning, _OPAQUE)
        for name, kind, meaning in _CONFIG_FACTS
    ),
    Claim(
        "config.measurement_count",
        "object of numbers by block index",
        Direction.INFORMATIVE,
        "How often each block was extended.",
        _OPAQUE,
        is_open=True,
    ),
    Claim(
        "config.switch_pdi",
        "list of hex, 8 bytes each",
        Direction.INFORMATIVE,
        "Which switches the device is linked to.",
        _OPAQUE,
        is_open=True,
    ),
)

_CHAIN_MEMBERS = (
    ("status", Direction.FIXED, "valid", "Whether the certificates hold"),
    ("ocsp-status", Direction.FIXED, "good", "Whether they are revoked"),
    ("expiration-date", Direction.INFORMATIVE, "", "When they expire"),
    ("revocation-reason", Direction.INFORMATIVE, "", "Why they were revoked, if so"),
    ("ocsp-nonce-matches", Direction.INFORMATIVE, "", "Whether the answer about that is fresh"),
    ("ocsp-response-valid", Direction.INFORMATIVE, "", "Whether that answer is genuine"),
)


def _chain(name: str, of_what: str) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            f'["{name}"]["x-nvidia-cert-{member}"]',
            "text",
            direction,
            f"{meaning}: the chain of {of_what}.",
            f"{_GUIDE}, {name}",
            good=good,
        )
        for member, direction, good, meaning in _CHAIN_MEMBERS
    )


def _checked(name: str, meaning: str) -> Claim:
    return Claim(f'["{name}"]', "boolean", Direction.TRUE, meaning, f"{_GUIDE}, {name}")


def _manifest(prefix: str, of_what: str) -> tuple[Claim, ...]:
    checks = (
        ("fetched", "was found"),
        ("schema-validated", "is well formed"),
        ("signature-verified", "is signed by NVIDIA"),
        ("version-match", "is of the version that runs"),
        ("measurements-available", "has measurements"),
    )
    return (
        *_chain(f"{prefix}-cert-chain", f"the manifest of the {of_what}"),
        *(
            _checked(f"{prefix}-{check}", f"NVIDIA's manifest (RIM) of the {of_what} {meaning}.")
            for check, meaning in checks
        ),
    )


def _report(kind: str, of_what: str) -> tuple[Claim, ...]:
    prefix = f"x-nvidia-{kind}-attestation-report"
    return (
        *_chain(f"{prefix}-cert-chain", f"the {of_what} itself"),
        _checked(f"{prefix}-cert-chain-fwid-match", "The key was made for the firmware that runs."),
        _checked(f"{prefix}-parsed", "The report is well formed."),
        _checked(f"{prefix}-signature-verified", "The report is signed by the device."),
        _checked(f"{prefix}-nonce-match", "The report answers this challenge."),
        _checked(f"x-nvidia-{kind}-arch-check", "The architecture is the one that was named."),
    )


def _version(name: str, meaning: str, reference: str) -> Claim:
    return Claim(f'["{name}"]', "text", Direction.EQUAL, meaning, f"{_GUIDE}, {name}", (reference,))


def _peers(name: str, meaning: str) -> Claim:
    return Claim(
        f'["{name}"]',
        "text or list of texts",
        Direction.INFORMATIVE,
        meaning,
        f"{_GUIDE}, {name}",
        is_open=True,
    )


_GPU = (
    *_report("gpu", "graphics processor"),
    *_manifest("x-nvidia-gpu-driver-rim", "driver"),
    *_manifest("x-nvidia-gpu-vbios-rim", "firmware"),
    _checked("x-nvidia-gpu-vbios-index-no-conflict", "No two manifests have the same block."),
    _version("x-nvidia-gpu-driver-version", "Version of the driver.", "allowed_driver_versions"),
    _version("x-nvidia-gpu-vbios-version", "Version of the firmware.", "allowed_vbios_versions"),
    _peers("x-nvidia-gpu-switch-pdis", "Which switches it is linked to."),
)
_SWITCH = (
    *_report("switch", "switch"),
    *_manifest("x-nvidia-switch-bios-rim", "firmware"),
    _version(
        "x-nvidia-switch-bios-version", "Version of the firmware.", "allowed_switch_bios_versions"
    ),
    _peers("x-nvidia-switch-pdi", "Which switch this is."),
    _peers("x-nvidia-switch-gpu-pdis", "Which graphics processors it is linked to."),
)

_COMMON = (
    Claim(
        "measres",
        "text: success, fail",
        Direction.FIXED,
        "Whether what was measured is what NVIDIA's manifests say.",
        f"{_EAT}, measres",
        good="success",
    ),
    Claim(
        "secboot", "boolean", Direction.TRUE, "Whether it booted securely.", f"{_GUIDE}, secboot"
    ),
    Claim(
        "dbgstat",
        "text: enabled, disabled",
        Direction.FIXED,
        "Whether it can be debugged.",
        f"{_EAT}, dbgstat",
        good="disabled",
    ),
    Claim("hwmodel", "text", Direction.EQUAL, "Which model it is.", f"{_EAT}, hwmodel"),
    Claim("ueid", "text", Direction.INFORMATIVE, "Which device it is.", f"{_EAT}, ueid"),
    Claim("oemid", "text", Direction.INFORMATIVE, "Who made it.", f"{_EAT}, oemid"),
    Claim("eat_nonce", "text", Direction.CHECKED, "The challenge.", f"{_EAT}, eat_nonce"),
    Claim("iss", "text", Direction.CHECKED, "Who judged: NVIDIA's service.", f"{_JWT}, iss"),
    Claim("sub", "text", Direction.INFORMATIVE, "Whom the token is about.", f"{_JWT}, sub"),
    Claim("jti", "text", Direction.INFORMATIVE, "The id of the token.", f"{_JWT}, jti"),
    *(
        Claim(name, "number, seconds since 1970", Direction.CHECKED, meaning, f"{_JWT}, {name}")
        for name, meaning in (
            ("iat", "When NVIDIA judged."),
            ("nbf", "When the judgement begins to count."),
            ("exp", "When it ends."),
        )
    ),
    Claim(
        '["x-nvidia-overall-att-result"]',
        "boolean",
        Direction.TRUE,
        "NVIDIA's judgement over all.",
        f"{_GUIDE}, x-nvidia-overall-att-result",
    ),
    Claim(
        '["x-nvidia-ver"]',
        "text",
        Direction.INFORMATIVE,
        "Version of these claims.",
        f"{_GUIDE}, x-nvidia-ver",
    ),
    Claim(
        '["x-nvidia-attestation-warning"]',
        "text",
        Direction.INFORMATIVE,
        "What NVIDIA warns of, such as a certificate on hold.",
        f"{_GUIDE}, x-nvidia-attestation-warning",
    ),
    Claim(
        '["x-nvidia-mismatch-measurement-records"]',
        "list",
        Direction.INFORMATIVE,
        "Blocks that differ from NVIDIA's manifests.",
        f"{_GUIDE}, x-nvidia-mismatch-measurement-records",
        is_open=True,
    ),
)
_TOPOLOGY = (
    Claim(
        "gpu_count",
        "number, always 8",
        Direction.CHECKED,
        "Graphics processors of a protected PCIe topology, which vouch for each other.",
        "NVIDIA attestation documentation, multi-GPU attestation",
    ),
    Claim(
        "switch_count",
        "number, always 4",
        Direction.CHECKED,
        "Switches of the same.",
        "NVIDIA attestation documentation, multi-GPU attestation",
    ),
)

CLAIMS = (*_LOCAL, *_COMMON, *_GPU, *_SWITCH, *_TOPOLOGY)
