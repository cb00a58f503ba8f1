"""AMD SEV-SNP: a report signed by a chip's or a cloud's key under a pinned AMD root.

Sources: AMD publications 56860 (report) and 57230 (certificates). The steps of ``verify`` stand in
the order of docs/reference/verifiers/snp.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from app.attestation.collateral.amd_chains import AMDChains, UnverifiedCertificates
from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.amd_certificates import (
    MAX_CERTIFICATE_BYTES,
    CertificateFormatError,
    parse_pem_certificates,
)
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
    report_claims,
)
from app.attestation.formats.snp_report import Generation, SNPReport
from app.attestation.formats.snp_report_json import byte_array, encode_report
from app.trust.errors import (
    BindingMismatchError,
    CollateralUnavailableError,
    ConfigError,
    InitDataMismatchError,
    MalformedEvidenceError,
    StaleCollateralError,
)
from app.trust.json_types import JSONValue

_OPTIONS = "attestation.verifier_options.snp"
_OLDEST_VERSION = 3
_REPORT_DATA_BYTES = 64
_HOST_DATA_BYTES = 32
_MAX_CERTIFICATES = 16

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
    """The settings under ``attestation.verifier_options.snp``."""

    validity: Validity = Validity.ENFORCE
    revocation: Revocation = Revocation.IF_AVAILABLE

    @classmethod
    def parse(cls, options: Mapping[str, JSONValue]) -> SNPOptions:
        """The options.

        Raises:
            ConfigError: an unknown option or value; all faults are listed.
        """
        faults: list[str] = []
        values = dict(options)
        chosen = cls(
            validity=_choose("check_validity", values, Validity.ENFORCE, faults),
            revocation=_choose("revocation", values, Revocation.IF_AVAILABLE, faults),
        )
        faults += [f"{_OPTIONS}.{name}: no such option" for name in values]
        if faults:
            raise ConfigError(faults)
        return chosen


class SNPVerifier:
    """Verifies reports of AMD SEV-SNP guests.

    Args:
        roots: SHA-256 of the accepted ARKs' SubjectPublicKeyInfo, by generation.
    """

    tee = "snp"
    insecure = False

    def __init__(self, roots: Pins = AMD_ROOTS) -> None:
        self._chains = AMDChains(roots)

    def with_extra_roots(self, unverified_roots: bytes) -> SNPVerifier:
        """A verifier that also accepts the ARKs in a PEM file: each for the generation in its name.

        Raises:
            ConfigError: the file does not hold ARKs.
        """
        try:
            return SNPVerifier(
                pins_with(self._chains.pins, parse_pem_certificates(unverified_roots))
            )
        except CertificateFormatError as error:
            raise ConfigError([f"attestation.insecure_extra_roots.snp: {error}"]) from error

    def check_options(self, options: Mapping[str, JSONValue]) -> None:
        """Refuse options that ``verify`` would not understand.

        Raises:
            ConfigError: it lists every fault.
        """
        SNPOptions.parse(options)

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check, in the order of the reference page.

        Raises:
            MalformedEvidenceError: the evidence does not parse, or is of an unknown version or
                processor.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: no source has a certificate that the evidence lacks, or the
                revocation list where it is required.
        """
        options = SNPOptions.parse(context.options)
        report, given = _parse_evidence(evidence.body)
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
        _check_report_data(report, binding)
        _check_init_data(report, binding)
        if given.leaf is None:
            self._chains.keep_leaf(report, generation, context.collateral)
        return [Claims("cpu", report_claims(report))]

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
        faults.append(f"{_OPTIONS}.{name}: one of {known}")
        return default
    return choices(value)


def _parse_evidence(body: JSONValue) -> tuple[SNPReport, UnverifiedCertificates]:
    if not isinstance(body, dict):
        raise MalformedEvidenceError("SNP evidence is not a JSON object")
    report = SNPReport.parse(encode_report(body.get("attestation_report")))
    return report, _parse_certificates(body.get("cert_chain"))


def _parse_certificates(unverified_chain: JSONValue) -> UnverifiedCertificates:
    """The first leaf, intermediate and root of the host's certificate table."""
    if unverified_chain is None or unverified_chain == []:
        return UnverifiedCertificates()
    first: dict[str, bytes] = {}
    for kind, certificate in _certificates(unverified_chain):
        first.setdefault("leaf" if kind in KeyKind.__members__ else kind, certificate)
        if kind in KeyKind.__members__:
            first.setdefault("kind", kind.encode())
    if "leaf" not in first:
        raise MalformedEvidenceError("cert_chain has neither a VCEK nor a VLEK")
    return UnverifiedCertificates(
        kind=KeyKind[first["kind"].decode()],
        leaf=first["leaf"],
        intermediate=first.get("ASK"),
        root=first.get("ARK"),
    )


def _certificates(unverified_chain: JSONValue) -> Iterator[tuple[str, bytes]]:
    """Kind and bytes of the certificates of known kinds; other entries are left alone."""
    if not isinstance(unverified_chain, list) or len(unverified_chain) > _MAX_CERTIFICATES:
        raise MalformedEvidenceError("cert_chain is not an array of at most 16 certificates")
    for entry in unverified_chain:
        if not isinstance(entry, dict):
            raise MalformedEvidenceError("an entry of cert_chain is not a JSON object")
        kind = entry.get("cert_type")
        if isinstance(kind, str) and kind in {"ARK", "ASK", "VCEK", "VLEK"}:
            yield kind, byte_array(entry.get("data"), kind, 2 * MAX_CERTIFICATE_BYTES)


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


def _check_report_data(report: SNPReport, binding: Binding) -> None:
    expected = binding.report_data
    if expected is None:
        return
    # A shorter value is followed by zeros in the field. A longer one cannot be in it: cutting it
    # would accept evidence for a value that was never there.
    if len(expected) > _REPORT_DATA_BYTES:
        raise BindingMismatchError("the expected report data is longer than the report's field")
    if not hmac.compare_digest(expected.ljust(_REPORT_DATA_BYTES, b"\0"), report.report_data):
        raise BindingMismatchError("the report is bound to other report data")


def _check_init_data(report: SNPReport, binding: Binding) -> None:
    expected = binding.init_data
    if expected is None:
        return
    # The field has 32 bytes and digests may have 48 or 64. Hosts put their first 32 bytes into it
    # at launch, as Confidential Containers document, so the first 32 bytes are what is compared:
    # 128 bits against collisions, as with SHA-256.
    field = expected[:_HOST_DATA_BYTES].ljust(_HOST_DATA_BYTES, b"\0")
    if not hmac.compare_digest(field, report.host_data):
        raise InitDataMismatchError("the guest was launched with other init data")


VERIFIER: Verifier = SNPVerifier()
