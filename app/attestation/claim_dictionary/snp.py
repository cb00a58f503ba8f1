"""Claims of AMD SEV-SNP: fields of the attestation report."""

from app.attestation.claim_dictionary.claims import Claim, Direction, bound, launched

_ABI = "AMD 56860, SEV-SNP Firmware ABI"
REPORT = f"{_ABI}, section 7.3, ATTESTATION_REPORT"
_POLICY = f"{_ABI}, section 4.3, guest policy"
_TCB = f"{_ABI}, section 2.2, TCB_VERSION"
_PLATFORM = f"{REPORT}, PLATFORM_INFO"

MEASUREMENT = (
    "Launch digest: firmware, initial CPU state and, where the firmware hashes them, kernel, "
    "initrd and command line. It changes with the number and kind of virtual processors."
)

CLAIMS = (
    Claim(
        "measurement",
        "hex, 48 bytes",
        Direction.EQUAL,
        MEASUREMENT,
        f"{REPORT}, MEASUREMENT",
        ("snp_launch_measurement",),
    ),
    Claim(
        "reported_tcb_bootloader",
        "number, 0 to 255",
        Direction.HIGHER,
        "Security version of the boot loader of AMD's secure processor, as the signing key was "
        "derived for.",
        _TCB,
        ("snp_bootloader",),
    ),
    Claim(
        "reported_tcb_tee",
        "number, 0 to 255",
        Direction.HIGHER,
        "Security version of the operating system of AMD's secure processor.",
        _TCB,
        ("snp_tee_svn",),
    ),
    Claim(
        "reported_tcb_snp",
        "number, 0 to 255",
        Direction.HIGHER,
        "Security version of the SNP firmware.",
        _TCB,
        ("snp_snp_svn",),
    ),
    Claim(
        "reported_tcb_microcode",
        "number, 0 to 255",
        Direction.HIGHER,
        "The lowest patch level of microcode of all cores.",
        _TCB,
        ("snp_microcode",),
    ),
    Claim(
        "policy_debug_allowed",
        "boolean",
        Direction.FALSE,
        "Whether the host may read and write the guest's memory for debugging.",
        f"{_POLICY}, DEBUG (bit 19)",
    ),
    Claim(
        "policy_migrate_ma",
        "boolean",
        Direction.FALSE,
        "Whether the guest may be given to a migration agent, which then can read it.",
        f"{_POLICY}, MIGRATE_MA (bit 18)",
    ),
    Claim(
        "policy_abi_major",
        "number, 0 to 255",
        Direction.EQUAL,
        "The least major version of the firmware's interface that the guest is to run on.",
        f"{_POLICY}, ABI_MAJOR",
        ("snp_guest_abi_major",),
    ),
    Claim(
        "policy_abi_minor",
        "number, 0 to 255",
        Direction.EQUAL,
        "The least minor version of the same.",
        f"{_POLICY}, ABI_MINOR",
        ("snp_guest_abi_minor",),
    ),
    Claim(
        "policy_single_socket",
        "boolean",
        Direction.EQUAL,
        "Whether the guest may run on one socket only.",
        f"{_POLICY}, SINGLE_SOCKET (bit 20)",
        ("snp_single_socket",),
    ),
    Claim(
        "policy_smt_allowed",
        "boolean",
        Direction.EQUAL,
        "Whether the guest may run where two threads share a core.",
        f"{_POLICY}, SMT (bit 16)",
        ("snp_smt_allowed",),
    ),
    Claim(
        "platform_smt_enabled",
        "boolean",
        Direction.EQUAL,
        "Whether two threads share a core on this machine.",
        f"{_PLATFORM}, SMT_EN (bit 0)",
        ("snp_smt_enabled",),
    ),
    Claim(
        "platform_tsme_enabled",
        "boolean",
        Direction.EQUAL,
        "Whether all memory of the machine is encrypted, whoever it belongs to.",
        f"{_PLATFORM}, TSME_EN (bit 1)",
        ("snp_tsme_enabled",),
    ),
    Claim(
        "chip_id",
        "hex, 64 bytes; zeros where the host withholds it",
        Direction.INFORMATIVE,
        "Which chip this is.",
        f"{REPORT}, CHIP_ID",
    ),
    bound("REPORT_DATA of the report", f"{REPORT}, REPORT_DATA", "hex, 64 bytes"),
    launched("HOST_DATA of the report", f"{REPORT}, HOST_DATA", "hex, 32 bytes"),
)
