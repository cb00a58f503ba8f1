"""DCAP appraisal: from a quote and Intel's collateral to claims about platform and TCB.

Source: Intel, "DCAP Quote Verification Library", whose verdicts this reproduces. The numbers in
``DCAPAppraiser.appraise`` are those of docs/reference/verifiers/tdx.md. Attributes of the TD or the
enclave (debug, migration, SEPT_VE_DISABLE) are claims and no checks: policy judges them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from cryptography.hazmat.primitives.asymmetric import ec

from app.attestation.evidence import Context
from app.attestation.formats.dcap_certificates import (
    INTEL_ROOTS,
    Period,
    verify_raw_signature,
)
from app.attestation.formats.dcap_collateral import CollateralVerifier, DCAPCollateral
from app.attestation.formats.dcap_pck import PCKPlatform
from app.attestation.formats.dcap_quote import BodyT, Quote, QuoteSignature, SGXReport, TDReport
from app.attestation.formats.dcap_tcb import (
    Rating,
    TCBStatus,
    merge,
    rate_enclave,
    rate_platform,
    relaunch_status,
)
from app.attestation.formats.dcap_tcb_info import EnclaveIdentity, TCBInfo, TDXModule
from app.trust.errors import (
    CollateralMismatchError,
    ConfigError,
    IdentityMismatchError,
    SignatureError,
    StaleCollateralError,
)
from app.trust.json_types import JSONObject, JSONValue

_DATE = "%Y-%m-%dT%H:%M:%SZ"
_STALE = "stale_collateral"
_GRACE = "tcb_grace_days"
_MOST_GRACE_DAYS = 366


class DCAPKind(Enum):
    """What the two TEEs call the same things; the value is the part of a collateral name.

    Attributes:
        tcb_info_id: ``id`` of its TCB info.
        identity_id: ``id`` of the identity of its quoting enclave.
    """

    SGX = "sgx", "SGX", "QE"
    TDX = "tdx", "TDX", "TD_QE"

    def __init__(self, tee: str, tcb_info_id: str, identity_id: str) -> None:
        self.tee = tee
        self.tcb_info_id = tcb_info_id
        self.identity_id = identity_id


class StaleCollateral(Enum):
    """What becomes of evidence whose collateral is outside of its dates."""

    REFUSE = "refuse"
    CLAIM = "claim"


@dataclass(frozen=True, slots=True)
class DCAPOptions:
    """The settings under ``attestation.verifier_options.tdx`` and ``….sgx``.

    Attributes:
        tcb_grace: how long after a TCB recovery claims say that its lack is to be borne.
    """

    stale_collateral: StaleCollateral = StaleCollateral.REFUSE
    tcb_grace: timedelta = timedelta(0)

    @classmethod
    def parse(cls, tee: str, options: Mapping[str, JSONValue]) -> DCAPOptions:
        """The options.

        Raises:
            ConfigError: an unknown option or value; all faults are listed.
        """
        section = f"attestation.verifier_options.{tee}"
        known = {_STALE, _GRACE}
        faults = [f"{section}.{name}: no such option" for name in options if name not in known]
        chosen = options.get(_STALE, StaleCollateral.REFUSE.value)
        if chosen not in [each.value for each in StaleCollateral]:
            faults.append(f"{section}.{_STALE}: is neither refuse nor claim")
        days = options.get(_GRACE, 0)
        # In Python a bool is an int; in settings it is not.
        if type(days) is not int or not 0 <= days <= _MOST_GRACE_DAYS:
            faults.append(f"{section}.{_GRACE}: a whole number of days, 0 to {_MOST_GRACE_DAYS}")
            days = 0
        if faults:
            raise ConfigError(faults)
        return cls(StaleCollateral(chosen), timedelta(days=days))


@dataclass(frozen=True, slots=True)
class DCAPAppraisal:
    """What Intel's documents say of a quote that was verified under them.

    Attributes:
        rating: the status of the launch, advice to relaunch included.
        current: of a TD 1.5 body, the rating of the TCB that the TD runs under now.
        is_timely: whether the time is inside of every period.
        grace: what claims say of a TCB that is out of date and borne for a while.
    """

    platform: PCKPlatform
    collateral: DCAPCollateral
    rating: Rating
    current: Rating | None
    is_timely: bool
    grace: JSONObject

    def platform_claims(self) -> JSONObject:
        """``platform_instance_id``, when the platform has one: its bytes in reverse, hex."""
        instance = self.platform.instance_id
        return {} if instance is None else {"platform_instance_id": instance[::-1].hex()}

    def dcap_claims(self) -> JSONObject:
        """The claims that Intel's library calls supplemental data, by Trustee's names."""
        collateral, platform = self.collateral, self.platform
        periods = _periods(platform, collateral)
        issued = [period.issued_at for period in periods]
        expires = [period.expires_at for period in periods]
        return {
            "earliest_issue_date": min(issued).strftime(_DATE),
            "latest_issue_date": max(issued).strftime(_DATE),
            "earliest_expiration_date": min(expires).strftime(_DATE),
            "pck_crl_num": collateral.pck_crl.number,
            "root_ca_crl_num": collateral.root_crl.number,
            "tcb_eval_num": min(
                collateral.tcb_info.evaluation_number, collateral.identity.evaluation_number
            ),
            "platform_provider_id": platform.ppid.hex(),
            "sgx_type": platform.sgx_type_name,
            "root_key_id": hashlib.sha384(platform.chain.root.point).hexdigest(),
            "collateral_expiration_status": "0" if self.is_timely else "1",
            **_rating_claims(self.rating, ""),
            **(_rating_claims(self.current, "_current") if self.current is not None else {}),
            **self.grace,
            **_configuration_claims(platform),
        }


class DCAPAppraiser:
    """Appraises quotes under pinned roots; keeps verified collateral, safe to share."""

    def __init__(self, kind: DCAPKind, roots: frozenset[str] = INTEL_ROOTS) -> None:
        """Pin the roots.

        Args:
            kind: which TEE's quotes these are.
            roots: SHA-256 digests of the roots' SubjectPublicKeyInfo, hex.
        """
        self._kind = kind
        self._verifier = CollateralVerifier(roots)

    def appraise(self, quote: Quote[BodyT], context: Context) -> DCAPAppraisal:
        """Carry out every step.

        Raises:
            MalformedEvidenceError: the PCK chain in the quote does not parse.
            CollateralUnavailableError: a document of Intel's could not be had.
            UnverifiedError: a check failed; the leaf says which.
        """
        options = DCAPOptions.parse(self._kind.tee, context.options)
        signature, body = quote.signature, quote.body
        # 1, 2. Chains, revocation, and the signatures over Intel's documents.
        platform = self._verifier.verify_platform(signature.unverified_pck_chain)
        collateral = self._verifier.collect(self._kind.tee, platform, context.collateral)
        # 3, 4. The TCB info is about this platform; the TDX module is one of Intel's.
        _check_tcb_info(collateral.tcb_info, platform, self._kind)
        if isinstance(body, TDReport):
            _check_module(body, collateral.tcb_info)
        # 5, 6, 7. Platform → quoting enclave → attestation key → quote.
        _check_qe_report(signature, platform)
        _check_qe_identity(signature, collateral.identity, self._kind)
        _check_quote_signature(quote)
        # 8 to 11. How good is all this?
        rating, current = _rate(quote, platform, collateral)
        # 12. Does Intel still say so?
        is_timely = _check_dates(platform, collateral, context.now, options.stale_collateral)
        grace = _grace_claims(rating, options.tcb_grace, context.now)
        return DCAPAppraisal(platform, collateral, rating, current, is_timely, grace)


def _check_tcb_info(tcb_info: TCBInfo, platform: PCKPlatform, kind: DCAPKind) -> None:
    if tcb_info.tee != kind.tcb_info_id:
        raise CollateralMismatchError(f"the TCB info is not of {kind.tcb_info_id}")
    if (tcb_info.fmspc, tcb_info.pce_id) != (platform.fmspc, platform.pce_id):
        raise CollateralMismatchError("the TCB info is of another family of platforms")


def _check_module(body: TDReport, tcb_info: TCBInfo) -> None:
    module = _module_of(body.tcb_svn, tcb_info)
    if not hmac.compare_digest(body.mrsigner_seam, module.mr_signer):
        raise IdentityMismatchError("the TDX module is not signed by Intel's key")
    if any(body.seam_attributes) or body.seam_attributes != module.attributes:
        raise IdentityMismatchError("the TDX module has attributes that Intel's does not have")


def _module_of(td_svn: bytes, tcb_info: TCBInfo) -> TDXModule:
    """The module that the second byte of TD security versions names; 0 is the first generation."""
    wanted = f"TDX_{td_svn[1]:02X}" if td_svn[1] > 0 else ""
    known = (tcb_info.module, *tcb_info.modules)
    for module in known:
        if module is not None and module.module_id.upper() == wanted:
            return module
    raise IdentityMismatchError("Intel's TCB info does not know the TDX module")


def _check_qe_report(signature: QuoteSignature, platform: PCKPlatform) -> None:
    verify_raw_signature(
        platform.chain.leaf.key,
        signature.qe_report_signature,
        signature.qe_report,
        "the quoting enclave's report",
    )
    bound = hashlib.sha256(signature.attestation_key + signature.qe_auth_data).digest()
    if not hmac.compare_digest(SGXReport.parse(signature.qe_report).report_data[:32], bound):
        raise SignatureError("the attestation key is not the one the quoting enclave vouches for")


def _check_qe_identity(
    signature: QuoteSignature, identity: EnclaveIdentity, kind: DCAPKind
) -> None:
    if identity.enclave_id != kind.identity_id:
        raise CollateralMismatchError(f"the enclave identity is not of {kind.identity_id}")
    report = SGXReport.parse(signature.qe_report)
    attributes = report.attributes_flags + report.attributes_xfrm
    genuine = (
        _is_masked(report.misc_select, *identity.misc_select)
        and _is_masked(attributes, *identity.attributes)
        and hmac.compare_digest(report.mr_signer, identity.mr_signer)
        and int.from_bytes(report.isv_prod_id, "little") == identity.isv_prod_id
    )
    if not genuine:
        raise IdentityMismatchError("the quoting enclave is not Intel's")


def _is_masked(value: bytes, wanted: bytes, mask: bytes) -> bool:
    return bytes(each & bits for each, bits in zip(value, mask, strict=True)) == wanted


def _check_quote_signature(quote: Quote[BodyT]) -> None:
    point = b"\x04" + quote.signature.attestation_key
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise SignatureError("the attestation key is not a point of P-256") from error
    verify_raw_signature(key, quote.signature.signature, quote.signed, "the quote")


def _rate(
    quote: Quote[BodyT], platform: PCKPlatform, collateral: DCAPCollateral
) -> tuple[Rating, Rating | None]:
    """The rating of the launch, and of a TD 1.5 body the rating of the TCB it runs under."""
    qe_svn = int.from_bytes(SGXReport.parse(quote.signature.qe_report).isv_svn, "little")
    enclave = rate_enclave(collateral.identity.levels, qe_svn, "the quoting enclave")

    def rate(td_svn: bytes | None) -> Rating:
        info = collateral.tcb_info
        level = rate_platform(info.levels, platform.tcb, td_svn)
        return merge(level, enclave, _rate_module(td_svn, info))

    body = quote.body
    if not isinstance(body, TDReport):
        return rate(None), None
    launch = rate(body.tcb_svn)
    if body.tee_tcb_svn2 is None:
        return launch, None
    current = rate(body.tee_tcb_svn2)
    return replace(launch, status=relaunch_status(launch.status, current.status)), current


def _rate_module(td_svn: bytes | None, tcb_info: TCBInfo) -> Rating | None:
    if td_svn is None or td_svn[1] == 0:
        return None
    return rate_enclave(_module_of(td_svn, tcb_info).levels, td_svn[0], "the TDX module")


def _periods(platform: PCKPlatform, collateral: DCAPCollateral) -> tuple[Period, ...]:
    lists = collateral.pck_crl.period, collateral.root_crl.period
    return (*lists, *_dated(platform, collateral))


def _dated(platform: PCKPlatform, collateral: DCAPCollateral) -> tuple[Period, ...]:
    """The periods of what must have begun: certificates and signed documents."""
    chains = (platform.chain, *collateral.chains)
    return (
        collateral.tcb_info.period,
        collateral.identity.period,
        *(period for chain in chains for period in chain.periods),
    )


def _check_dates(
    platform: PCKPlatform, collateral: DCAPCollateral, now: datetime, stale: StaleCollateral
) -> bool:
    """Whether everything is inside of its dates; the operator chooses who judges that it is not.

    Intel's library and Trustee leave it to policy. A revocation list that is younger than the clock
    only knows more, so only its end counts.
    """
    is_timely = all(now < period.expires_at for period in _periods(platform, collateral)) and all(
        period.issued_at <= now for period in _dated(platform, collateral)
    )
    if not is_timely and stale is StaleCollateral.REFUSE:
        raise StaleCollateralError("a certificate or document of Intel's is outside of its dates")
    return is_timely


def _rating_claims(rating: Rating, suffix: str) -> JSONObject:
    return {
        f"tcb_status{suffix}": rating.status.value,
        f"tcb_date{suffix}": rating.date.strftime(_DATE),
        f"advisory_ids{suffix}": list(rating.advisories),
    }


def _grace_claims(rating: Rating, grace: timedelta, now: datetime) -> JSONObject:
    """Since when a TCB is out of date, and until when that is borne; nothing without the option.

    Until a day that is over nothing is borne, nor where Intel does not say since when.
    """
    if not grace or rating.status is not TCBStatus.OUT_OF_DATE or rating.outdated_at is None:
        return {}
    claims: JSONObject = {"tcb_recovery_date": rating.outdated_at.strftime(_DATE)}
    until = rating.outdated_at + grace
    return claims | ({"tcb_grace_until": until.strftime(_DATE)} if now < until else {})


def _configuration_claims(platform: PCKPlatform) -> JSONObject:
    configuration = platform.configuration
    if platform.sgx_type == 0 or configuration is None:
        return {}
    return {
        "is_dynamic_platform": configuration.is_dynamic_platform,
        "is_cached_keys": configuration.is_cached_keys,
        "is_smt_enabled": configuration.is_smt_enabled,
    }
