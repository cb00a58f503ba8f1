"""SNP appraisal: from a report and AMD's certificates to a report that is vouched for.

Shared by the TEEs whose root of trust is an SNP report: ``snp``, and virtual machines whose virtual
TPM stands inside of one (``az-snp-vtpm``). Sources: AMD publications 56860 (report) and 57230
(certificates).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from app.attestation.collateral.amd_chains import AMDChains, UnverifiedCertificates
from app.attestation.evidence import Context
from app.attestation.formats.amd_certificates import CertificateFormatError, parse_pem_certificates
from app.attestation.formats.amd_chain import (
    AMD_ROOTS,
    KeyKind,
    Pins,
    RevocationList,
    VerifiedChain,
    pins_with,
)
from app.attestation.formats.snp_checks import (
    check_chip,
    check_report_signature,
    check_signature_algorithm,
    check_signing_key,
    check_tcb,
    check_vmpl,
)
from app.attestation.formats.snp_report import Generation, SNPReport
from app.trust.errors import (
    CollateralUnavailableError,
    ConfigError,
    MalformedEvidenceError,
    StaleCollateralError,
)
from app.trust.json_types import JSONValue

_OLDEST_VERSION = 3

Choice = TypeVar("Choice", bound=Enum)


class Validity(Enum):
    """What the dates of certificates mean (option ``check_validity``)."""

    ENFORCE = "enforce"
    IGNORE = "insecure_ignore"


class Revocation(Enum):
    """What a missing or overdue revocation list means (option ``revocation``)."""

    REQUIRE = "require"
    IF_AVAILABLE = "if-available"


@dataclass(frozen=True, slots=True)
class SNPOptions:
    """The settings under ``attestation.verifier_options.<tee>``."""

    validity: Validity = Validity.ENFORCE
    revocation: Revocation = Revocation.IF_AVAILABLE

    @classmethod
    def parse(cls, tee: str, options: Mapping[str, JSONValue]) -> SNPOptions:
        """The options.

        Args:
            tee: the wire name, for messages.
            options: as the operator set them.

        Raises:
            ConfigError: an unknown option or value; all faults are listed.
        """
        faults: list[str] = []
        values = dict(options)
        chosen = cls(
            validity=_choose("check_validity", values, Validity.ENFORCE, faults),
            revocation=_choose("revocation", values, Revocation.IF_AVAILABLE, faults),
        )
        faults += [f"{name}: no such option" for name in values]
        if faults:
            section = f"attestation.verifier_options.{tee}"
            raise ConfigError([f"{section}.{fault}" for fault in faults])
        return chosen


class SNPAppraiser:
    """Verifies reports under pinned roots; keeps verified chains, safe to share.

    Args:
        roots: SHA-256 of the accepted ARKs' SubjectPublicKeyInfo, by generation.
    """

    def __init__(self, roots: Pins = AMD_ROOTS) -> None:
        self._chains = AMDChains(roots)

    @property
    def pins(self) -> Pins:
        """SHA-256 of the accepted ARKs' SubjectPublicKeyInfo, by generation."""
        return self._chains.pins

    def with_extra_roots(self, unverified_roots: bytes, tee: str) -> SNPAppraiser:
        """An appraiser that also accepts the ARKs in a PEM file, each for its generation.

        Raises:
            ConfigError: the file does not hold ARKs.
        """
        try:
            return SNPAppraiser(
                pins_with(self._chains.pins, parse_pem_certificates(unverified_roots))
            )
        except CertificateFormatError as error:
            raise ConfigError([f"attestation.insecure_extra_roots.{tee}: {error}"]) from error

    def appraise(
        self,
        report: SNPReport,
        given: UnverifiedCertificates,
        options: SNPOptions,
        context: Context,
    ) -> None:
        """Every check of a report that does not depend on who asks; steps 1 to 11 of snp.md.

        Raises:
            MalformedEvidenceError: a certificate does not parse, or the report is of an unknown
                version or processor.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: no source has a certificate that the evidence lacks, or the
                revocation list where it is required.
        """
        generation = _check_version(report)
        chain = self._chains.find(report, generation, given, context.collateral)
        _check_validity(chain, options, context)
        self._check_revocation(generation, chain, options, context)
        check_signature_algorithm(report)
        check_signing_key(report, given.kind)
        check_report_signature(report, chain.report_key)
        check_tcb(report, chain.leaf)
        if given.kind is KeyKind.VCEK:
            check_chip(report, chain.leaf)
        check_vmpl(report)

    def keep_leaf(self, report: SNPReport, context: Context) -> None:
        """Have the VCEK that was looked up kept for other processes: it verified a report."""
        self._chains.keep_leaf(report, _check_version(report), context.collateral)

    def _check_revocation(
        self, generation: Generation, chain: VerifiedChain, options: SNPOptions, context: Context
    ) -> None:
        """No certificate of the chain is revoked, as far as the option wants to know."""
        revoked = self._find_revocation_list(generation, chain, options, context)
        if revoked is None:
            return
        revoked.check(chain)
        if options.revocation is Revocation.REQUIRE and not revoked.is_current(context.now):
            raise StaleCollateralError("AMD's revocation list is past its next update")

    def _find_revocation_list(
        self, generation: Generation, chain: VerifiedChain, options: SNPOptions, context: Context
    ) -> RevocationList | None:
        try:
            return self._chains.revocation_list(generation, chain, context.collateral)
        except CollateralUnavailableError:
            if options.revocation is Revocation.REQUIRE:
                raise
            return None


def _choose(name: str, values: dict[str, JSONValue], default: Choice, faults: list[str]) -> Choice:
    """Take an option out of the values, or the default, and note a fault."""
    value = values.pop(name, default.value)
    choices = type(default)
    if value not in [choice.value for choice in choices]:
        known = ", ".join(str(choice.value) for choice in choices)
        faults.append(f"{name}: one of {known}")
        return default
    return choices(value)


def _check_version(report: SNPReport) -> Generation:
    """The report is new enough to name its processor."""
    if report.version < _OLDEST_VERSION or report.generation is None:
        raise MalformedEvidenceError(
            f"a report of version {report.version} does not name its processor; update the firmware"
        )
    return report.generation


def _check_validity(chain: VerifiedChain, options: SNPOptions, context: Context) -> None:
    if options.validity is Validity.ENFORCE:
        chain.check_validity(context.now)
