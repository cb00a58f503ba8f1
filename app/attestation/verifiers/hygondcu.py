"""Hygon DCU: reports of accelerators, signed by their endorsement keys under Hygon's pinned root.

Sources: the formats of Hygon's csv-rs library; GB/T 32918 (SM2). The steps of ``verify`` stand in
the order of docs/reference/verifiers/hygondcu.md.
"""

from __future__ import annotations

import hmac

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.dcu_report import USER_DATA_BYTES, DCUReport
from app.attestation.formats.hygon_certificates import AuthorityCertificate
from app.attestation.formats.hygon_chain import (
    HYGON_ROOTS,
    HygonChains,
    parse_serial,
    roots_with,
)
from app.attestation.formats.hygon_json import json_array, json_object
from app.trust.errors import BindingMismatchError
from app.trust.json_types import JSONValue

# A machine has up to eight; each costs a slow signature and perhaps a request to Hygon.
MAX_REPORTS = 32


class HygonDCUVerifier:
    """Verifies reports of Hygon's accelerators, one set of claims for each.

    Args:
        roots: the certificates that chains may end in.
    """

    tee = "hygondcu"
    insecure = False

    def __init__(self, roots: tuple[AuthorityCertificate, ...] = HYGON_ROOTS) -> None:
        self._chains = HygonChains(roots)

    def with_extra_roots(self, unverified_roots: bytes) -> HygonDCUVerifier:
        """A verifier that also accepts the roots in a file, 832 bytes each.

        Raises:
            ConfigError: the file does not hold roots.
        """
        return HygonDCUVerifier(roots_with(self._chains.roots, unverified_roots, self.tee))

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check, in the order of the reference page.

        Raises:
            MalformedEvidenceError: the evidence does not parse, or holds no report.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: no source has the certificates of a chip.
        """
        reports = _parse_evidence(evidence.body)
        # All of them first: a report for someone else need not ask Hygon for anything.
        for report in reports:
            _check_user_data(report, binding)
        for report in reports:
            self._check_report(report, context)
        for report in reports:
            self._chains.keep(parse_serial(report.chip_id), context.collateral)
        return [Claims("dcu", report.claims()) for report in reports]

    def _check_report(self, report: DCUReport, context: Context) -> None:
        serial = parse_serial(report.chip_id)
        report.check_signed_by(self._chains.endorsement_key(None, serial, context.collateral))


def _parse_evidence(body: JSONValue) -> list[DCUReport]:
    members = json_object(body, "the evidence")
    # Trustee accepts an empty list, and so evidence of nothing.
    sizes = range(1, MAX_REPORTS + 1)
    reports = json_array(members.get("attestation_reports"), "attestation_reports", sizes)
    parsed = [DCUReport.parse(each) for each in reports]
    for report in parsed:
        parse_serial(report.chip_id)
    return parsed


def _check_user_data(report: DCUReport, binding: Binding) -> None:
    expected = binding.report_data
    if expected is None:
        # Nothing else in a report is fresh: without it anyone may show a device of yesterday.
        raise BindingMismatchError("reports of DCUs need expected report data")
    # Trustee would cut a longer value, and so accept what differs after the cut.
    if len(expected) > USER_DATA_BYTES:
        raise BindingMismatchError("the expected report data is longer than the report's field")
    if not hmac.compare_digest(expected.ljust(USER_DATA_BYTES, b"\0"), report.user_data):
        raise BindingMismatchError("a DCU's report is bound to other report data")


VERIFIER: Verifier = HygonDCUVerifier()
