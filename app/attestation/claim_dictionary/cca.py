"""Claims of Arm CCA: of the realm, and of the platform that it runs on."""

from app.attestation.claim_dictionary.claims import Claim, Direction, bound, launched

_RMM = "Arm DEN0137, Realm Management Monitor, section A7.2"
_REALM = f"{_RMM}, realm claims"
_PLATFORM = f"{_RMM}, platform claims"

CLAIMS = (
    Claim(
        'realm["cca-realm-initial-measurement"]',
        "base64, 32, 48 or 64 bytes",
        Direction.EQUAL,
        "What the realm was launched from (RIM).",
        f"{_REALM}, initial measurement",
    ),
    Claim(
        'realm["cca-realm-extensible-measurements"]',
        "list of four in base64",
        Direction.EQUAL,
        "Registers that the guest extends while it boots and runs (REMs).",
        f"{_REALM}, extensible measurements",
    ),
    Claim(
        'realm["cca-realm-extensible-measurements"][*]',
        "base64",
        Direction.EQUAL,
        "One of the registers.",
        f"{_REALM}, extensible measurements",
    ),
    Claim(
        'realm["cca-realm-personalization-value"]',
        "base64, 64 bytes",
        Direction.CHECKED,
        "What the host gave the realm at its launch; the same as init_data.",
        f"{_REALM}, personalization value",
    ),
    Claim(
        'realm["cca-realm-challenge"]',
        "base64, 64 bytes",
        Direction.CHECKED,
        "The same as report_data.",
        f"{_REALM}, challenge",
    ),
    Claim(
        'realm["cca-realm-hash-algo-id"]',
        "text",
        Direction.INFORMATIVE,
        "The hash algorithm of the measurements.",
        f"{_REALM}, hash algorithm",
    ),
    Claim(
        'platform["cca-platform-instance-id"]',
        "base64, 33 bytes",
        Direction.CHECKED,
        "Which platform this is; it is among the operator's trust anchors.",
        f"{_PLATFORM}, instance id",
    ),
    Claim(
        'platform["cca-platform-implementation-id"]',
        "base64, 32 bytes",
        Direction.CHECKED,
        "Which kind of platform this is; what it runs was compared with the operator's file.",
        f"{_PLATFORM}, implementation id",
    ),
    bound("The realm's challenge", f"{_REALM}, challenge", "hex, 64 bytes"),
    launched(
        "The realm's personalization value",
        f"{_REALM}, personalization value",
        "hex, 64 bytes",
    ),
)
