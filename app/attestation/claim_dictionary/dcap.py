"""Claims that Intel's collateral adds, the same for TDX and SGX."""

from app.attestation.claim_dictionary.claims import Claim, Direction

_LIBRARY = "Intel DCAP Quote Verification Library, supplemental data"
_PCK = "Intel, SGX PCK Certificate and CRL Profile, SGX extensions"
_DATE = "text, YYYY-MM-DDTHH:MM:SSZ"
_INTEL = "939a7233f79c4ca9940a0db3957f0607"

PLATFORM_INSTANCE = Claim(
    "platform_instance_id",
    "hex, 16 bytes in reverse; under the Platform CA only",
    Direction.INFORMATIVE,
    "Which set-up of a machine with several sockets this is; a new one after a reset of its keys.",
    f"{_PCK}, platform instance id",
)

DCAP_CLAIMS = (
    Claim(
        "tcb_status",
        "text",
        Direction.FIXED,
        "Intel's judgement of the platform's TCB, of the quoting enclave and of the TDX module, "
        "the worst of them.",
        "Intel PCS API v4, TCB info, tcbStatus",
        good="UpToDate",
    ),
    Claim(
        "collateral_expiration_status",
        'text, "0" or "1"',
        Direction.FIXED,
        "Whether a certificate, revocation list, TCB info or identity was outside of its dates.",
        f"{_LIBRARY}, collateral expiration status",
        good="0",
    ),
    Claim(
        "tcb_date",
        _DATE,
        Direction.LATER,
        "The date of the TCB level that the platform reaches: with which updates it is level.",
        "Intel PCS API v4, TCB info, tcbDate",
    ),
    Claim(
        "tcb_recovery_date",
        f"{_DATE}, with tcb_grace_days only",
        Direction.INFORMATIVE,
        "When the TCB recovery came that a platform which is out of date lacks.",
        "Intel PCS API v4, TCB info, tcbDate of the next better level",
    ),
    Claim(
        "tcb_grace_until",
        f"{_DATE}, with tcb_grace_days and until then only",
        Direction.INFORMATIVE,
        "Until when a platform that is out of date is borne, as the operator decided.",
        "Intel PCS API v4, TCB info, tcbDate of the next better level, and the option's days",
    ),
    Claim(
        "advisory_ids",
        "list of texts",
        Direction.INFORMATIVE,
        "Intel's security advisories that the level of the platform is affected by.",
        "Intel PCS API v4, TCB info, advisoryIDs",
    ),
    Claim(
        "advisory_ids[*]",
        "text, INTEL-SA-…",
        Direction.INFORMATIVE,
        "One of the advisories.",
        "Intel PCS API v4, TCB info, advisoryIDs",
    ),
    Claim(
        "tcb_eval_num",
        "number",
        Direction.HIGHER,
        "How recent Intel's judgement is: the lower evaluation number of TCB info and identity.",
        "Intel PCS API v4, TCB info, tcbEvaluationDataNumber",
    ),
    Claim(
        "earliest_issue_date",
        _DATE,
        Direction.INFORMATIVE,
        "When the oldest document was issued that this rests on.",
        f"{_LIBRARY}, earliest issue date",
    ),
    Claim(
        "latest_issue_date",
        _DATE,
        Direction.INFORMATIVE,
        "When the newest document was issued that this rests on.",
        f"{_LIBRARY}, latest issue date",
    ),
    Claim(
        "earliest_expiration_date",
        _DATE,
        Direction.INFORMATIVE,
        "When the first of the documents expires; from then on fresh collateral is needed.",
        f"{_LIBRARY}, earliest expiration date",
    ),
    Claim(
        "pck_crl_num",
        "number",
        Direction.HIGHER,
        "Number of the revocation list of the platforms' certificates.",
        f"{_LIBRARY}, PCK CRL number",
    ),
    Claim(
        "root_ca_crl_num",
        "number",
        Direction.HIGHER,
        "Number of the revocation list of Intel's root.",
        f"{_LIBRARY}, root CA CRL number",
    ),
    Claim(
        "platform_provider_id",
        "hex, 16 bytes",
        Direction.INFORMATIVE,
        "Which processor this is (PPID).",
        f"{_PCK}, PPID",
    ),
    Claim(
        "sgx_type",
        "text: Standard, Scalable, Scalable with Integrity",
        Direction.INFORMATIVE,
        "How the machine protects its memory.",
        f"{_PCK}, SGX type",
    ),
    Claim(
        "is_dynamic_platform",
        "boolean, for scalable platforms",
        Direction.INFORMATIVE,
        "Whether processors can be added to the machine.",
        f"{_PCK}, dynamic platform",
    ),
    Claim(
        "is_cached_keys",
        "boolean, for scalable platforms",
        Direction.INFORMATIVE,
        "Whether Intel's registration service keeps the keys of the machine.",
        f"{_PCK}, cached keys",
    ),
    Claim(
        "is_smt_enabled",
        "boolean, for scalable platforms",
        Direction.INFORMATIVE,
        "Whether two threads share a core on this machine.",
        f"{_PCK}, SMT enabled",
    ),
    Claim(
        "root_key_id",
        "hex, 48 bytes",
        Direction.CHECKED,
        "SHA-384 over the point of the root's key; the verifier pins the root itself.",
        f"{_LIBRARY}, root key id",
    ),
)


def header_claims(tdx: bool) -> tuple[Claim, ...]:  # noqa: FBT001  (which of two formats)
    """The header of a quote, hex of its raw bytes."""
    source = "Intel SGX ECDSA Quote Library API, appendix A, quote header"
    told = [
        ("version", 2, "Version of the quote's format.", Direction.INFORMATIVE, ""),
        ("att_key_type", 2, "Kind of the key that signed: ECDSA P-256.", Direction.CHECKED, ""),
        ("vendor_id", 16, "Who made the quoting enclave.", Direction.FIXED, _INTEL),
        ("user_data", 20, "What the quoting enclave adds.", Direction.INFORMATIVE, ""),
    ]
    if tdx:
        told += [
            ("tee_type", 4, "Which TEE: TDX.", Direction.FIXED, "81000000"),
            ("reserved", 4, "Nothing yet.", Direction.INFORMATIVE, ""),
        ]
    else:
        told += [
            ("att_key_data_0", 4, "Which TEE: zeros for SGX.", Direction.CHECKED, ""),
            ("qe_svn", 2, "Security version of the quoting enclave.", Direction.HIGHER, ""),
            ("pce_svn", 2, "Security version of the certification enclave.", Direction.HIGHER, ""),
        ]
    return tuple(
        Claim(name, f"hex, {size} bytes", direction, meaning, source, good=good)
        for name, size, meaning, direction, good in told
    )
