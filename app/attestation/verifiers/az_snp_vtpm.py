"""Azure confidential virtual machines on AMD SEV-SNP: a TPM quote under an SNP report.

The guest cannot ask the processor; it asks a virtual TPM that runs at the most privileged level of
its own virtual machine (VMPL 0). Sources: as for ``snp``, TPM 2.0 Library part 2, and Microsoft's
description of the HCL report. The steps of ``verify`` stand in the order of
docs/reference/verifiers/az-snp-vtpm.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.attestation.collateral.amd_chains import UnverifiedCertificates
from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.amd_certificates import MAX_CERTIFICATE_BYTES
from app.attestation.formats.azure_vtpm import (
    AzureEvidence,
    AzureNames,
    azure_bytes,
)
from app.attestation.formats.dcap_evidence import evidence_members
from app.attestation.formats.hcl_report import HardwareReport
from app.attestation.formats.snp_appraisal import SNPAppraiser, SNPOptions
from app.attestation.formats.snp_checks import report_claims
from app.attestation.formats.snp_report import SNPReport
from app.trust.errors import MalformedEvidenceError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_encode

_OLD_NAMES = AzureNames(quote="quote", report="report")
_MAX_PEM_CHARACTERS = 64 * 1024
_PEM_END = "-----END CERTIFICATE-----"


class AzureSNPVerifier:
    """Verifies what guests of Azure's virtual machines on SNP send.

    Args:
        appraiser: who knows AMD's roots.
    """

    tee = "az-snp-vtpm"
    insecure = False

    def __init__(self, appraiser: SNPAppraiser | None = None) -> None:
        self._appraiser = appraiser or SNPAppraiser()

    def with_extra_roots(self, unverified_roots: bytes) -> AzureSNPVerifier:
        """A verifier that also accepts the ARKs in a PEM file: each for the generation in its name.

        Raises:
            ConfigError: the file does not hold ARKs.
        """
        return AzureSNPVerifier(self._appraiser.with_extra_roots(unverified_roots, self.tee))

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
            MalformedEvidenceError: the evidence, or a part of it, does not parse.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: no source has AMD's chain, or the revocation list where it
                is required.
        """
        options = SNPOptions.parse(self.tee, context.options)
        members = evidence_members(evidence.body)
        machine = AzureEvidence.parse(members, HardwareReport.SNP, _OLD_NAMES)
        given = UnverifiedCertificates(leaf=_read_vcek(members, machine.version))
        report = SNPReport.parse(machine.hcl.hardware_report)
        machine.check(report.report_data, binding)
        self._appraiser.appraise(report, given, options, context)
        return [Claims("cpu", _report_texts(report) | machine.claims())]


def _read_vcek(members: JSONObject, version: int) -> bytes:
    """The VCEK: DER, or in version 0 the first certificate of a PEM text.

    Raises:
        MalformedEvidenceError: there is none, or it is too long.
    """
    if version:
        certificate = azure_bytes(members, "vcek", MAX_CERTIFICATE_BYTES)
    else:
        certificate = _first_certificate(members.get("vcek"))
    if not certificate:
        # An empty one would have it looked up, by a chip that anyone can name.
        raise MalformedEvidenceError("the evidence has no VCEK")
    return certificate


def _first_certificate(unverified_chain: JSONValue) -> bytes:
    text = unverified_chain
    if not isinstance(text, str) or len(text) > _MAX_PEM_CHARACTERS or not text.isascii():
        raise MalformedEvidenceError("vcek is not a PEM text of at most 64 KiB")
    first, end, _ = text.partition(_PEM_END)
    return (first + end).encode()


def _report_texts(report: SNPReport) -> JSONObject:
    """The claims of the report as policies for this TEE expect them: texts."""
    texts: JSONObject = {
        name: value if isinstance(value, str) else str(value).lower()
        for name, value in report_claims(report).items()
        if name not in {"chip_id", "init_data", "report_data"}
    }
    return texts | {"measurement": b64_encode(report.measurement)}


VERIFIER: Verifier = AzureSNPVerifier()
