"""AMD SEV-SNP: a report signed by a chip's or a cloud's key under a pinned AMD root.

Sources: AMD publications 56860 (report) and 57230 (certificates). The steps of ``verify`` stand in
the order of docs/reference/verifiers/snp.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping

from app.attestation.collateral.amd_chains import UnverifiedCertificates
from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.amd_certificates import MAX_CERTIFICATE_BYTES
from app.attestation.formats.amd_chain import KeyKind
from app.attestation.formats.snp_appraisal import SNPAppraiser, SNPOptions
from app.attestation.formats.snp_checks import report_claims
from app.attestation.formats.snp_report import SNPReport
from app.attestation.formats.snp_report_json import byte_array, encode_report
from app.trust.errors import BindingMismatchError, InitDataMismatchError, MalformedEvidenceError
from app.trust.json_types import JSONValue

_REPORT_DATA_BYTES = 64
_HOST_DATA_BYTES = 32
_MAX_CERTIFICATES = 16


class SNPVerifier:
    """Verifies reports of AMD SEV-SNP guests.

    Args:
        appraiser: who knows AMD's roots.
    """

    tee = "snp"
    insecure = False

    def __init__(self, appraiser: SNPAppraiser | None = None) -> None:
        self._appraiser = appraiser or SNPAppraiser()

    def with_extra_roots(self, unverified_roots: bytes) -> SNPVerifier:
        """A verifier that also accepts the ARKs in a PEM file: each for the generation in its name.

        Raises:
            ConfigError: the file does not hold ARKs.
        """
        return SNPVerifier(self._appraiser.with_extra_roots(unverified_roots, self.tee))

    def check_options(self, options: Mapping[str, JSONValue]) -> None:
        """Refuse options that ``verify`` would not understand.

        Raises:
            ConfigError: it lists every fault.
        """
        SNPOptions.parse(self.tee, options)

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
        options = SNPOptions.parse(self.tee, context.options)
        report, given = _parse_evidence(evidence.body)
        self._appraiser.appraise(report, given, options, context)
        _check_report_data(report, binding)
        _check_init_data(report, binding)
        if given.leaf is None:
            self._appraiser.keep_leaf(report, context)
        return [Claims("cpu", report_claims(report))]


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
    if b"" in first.values():
        # Not the same as a certificate that is missing, which would be looked up.
        raise MalformedEvidenceError("a certificate in cert_chain is empty")
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
