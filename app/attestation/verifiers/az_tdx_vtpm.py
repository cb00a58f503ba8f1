"""Azure confidential virtual machines on Intel TDX: a TPM quote under a TD quote.

The guest asks a virtual TPM that runs beside it in the same trust domain, and has the TD report of
its boot turned into a quote. Sources: as for ``tdx``, TPM 2.0 Library part 2, and Microsoft's
description of the HCL report. The steps of ``verify`` stand in the order of
docs/reference/verifiers/az-tdx-vtpm.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.azure_vtpm import AzureEvidence, AzureNames, azure_bytes
from app.attestation.formats.dcap_appraisal import DCAPAppraiser, DCAPKind, DCAPOptions
from app.attestation.formats.dcap_certificates import INTEL_ROOTS, roots_with
from app.attestation.formats.dcap_evidence import evidence_members
from app.attestation.formats.dcap_quote import MAX_QUOTE_BYTES, parse_td_quote
from app.attestation.formats.hcl_report import HardwareReport
from app.attestation.formats.td_claims import td_claims
from app.trust.json_types import JSONValue


class AzureTDXVerifier:
    """Verifies what guests of Azure's virtual machines on TDX send.

    Args:
        roots: SHA-256 of the accepted roots' SubjectPublicKeyInfo, hex.
    """

    tee = "az-tdx-vtpm"
    insecure = False

    def __init__(self, roots: frozenset[str] = INTEL_ROOTS) -> None:
        self._roots = roots
        self._dcap = DCAPAppraiser(DCAPKind.TDX, roots)

    def with_extra_roots(self, unverified_roots: bytes) -> AzureTDXVerifier:
        """A verifier that also accepts the roots in a PEM file.

        Raises:
            ConfigError: the file does not hold certificate authorities.
        """
        return AzureTDXVerifier(roots_with(self._roots, unverified_roots, self.tee))

    def check_options(self, options: Mapping[str, JSONValue]) -> None:
        """Refuse options that ``verify`` would not understand.

        Raises:
            ConfigError: it lists every fault.
        """
        DCAPOptions.parse(self.tee, options)

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check, in the order of the reference page.

        Raises:
            MalformedEvidenceError: the evidence, or a part of it, does not parse.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: a document of Intel's could not be had.
        """
        members = evidence_members(evidence.body)
        machine = AzureEvidence.parse(members, HardwareReport.TDX, AzureNames())
        quote = parse_td_quote(azure_bytes(members, "td_quote", MAX_QUOTE_BYTES))
        machine.check(quote.body.report_data, binding)
        appraisal = self._dcap.appraise(quote, context)
        hardware = td_claims(quote) | appraisal.platform_claims()
        return [Claims("cpu", hardware | machine.claims() | appraisal.dcap_claims())]


VERIFIER: Verifier = AzureTDXVerifier()
