"""Intel TDX: a quote of a trust domain under Intel's root, and the event log of its boot.

Sources: Intel, "TDX DCAP Quote Generation Library and Quote Verification" (quote versions 4 and 5);
UEFI Specification, section 38.4 (event log). The steps of ``verify`` stand in the order of
docs/reference/verifiers/tdx.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.dcap_appraisal import DCAPAppraiser, DCAPKind, DCAPOptions
from app.attestation.formats.dcap_certificates import INTEL_ROOTS, roots_with
from app.attestation.formats.dcap_evidence import (
    check_init_data,
    check_report_data,
    decode_member,
    evidence_members,
)
from app.attestation.formats.dcap_quote import MAX_QUOTE_BYTES, TDReport, parse_td_quote
from app.attestation.formats.event_claims import event_claims
from app.attestation.formats.event_log import (
    MAX_LOG_BYTES,
    SHA384,
    check_registers,
    parse_event_log,
)
from app.attestation.formats.td_claims import td_claims
from app.trust.json_types import JSONObject, JSONValue


class TDXVerifier:
    """Verifies quotes of TDX guests.

    Args:
        roots: SHA-256 of the accepted roots' SubjectPublicKeyInfo, hex.
    """

    tee = "tdx"
    insecure = False

    def __init__(self, roots: frozenset[str] = INTEL_ROOTS) -> None:
        self._roots = roots
        self._dcap = DCAPAppraiser(DCAPKind.TDX, roots)

    def with_extra_roots(self, unverified_roots: bytes) -> TDXVerifier:
        """A verifier that also accepts the roots in a PEM file.

        Raises:
            ConfigError: the file does not hold certificate authorities.
        """
        return TDXVerifier(roots_with(self._roots, unverified_roots, self.tee))

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
            MalformedEvidenceError: the evidence, its quote or its event log does not parse.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: a document of Intel's could not be had.
        """
        members = evidence_members(evidence.body)
        quote = parse_td_quote(decode_member(members, "quote", MAX_QUOTE_BYTES))
        appraisal = self._dcap.appraise(quote, context)
        check_report_data(quote.body.report_data, binding.report_data)
        check_init_data(quote.body.mr_config_id, binding.init_data)
        events = _check_event_log(members, quote.body)
        claims = td_claims(quote) | appraisal.platform_claims() | events | appraisal.dcap_claims()
        return [Claims("cpu", claims)]


def _check_event_log(members: JSONObject, body: TDReport) -> JSONObject:
    """The log, when there is one, replays to the registers that the quote signs.

    Read only now: it may be a hundred times as long as the quote, and proves nothing without it.
    """
    if members.get("cc_eventlog") is None:
        return {}
    log = decode_member(members, "cc_eventlog", MAX_LOG_BYTES)
    if not log:
        return {}
    events = parse_event_log(log)
    check_registers(events, dict(enumerate(body.rtmrs, start=1)), SHA384)
    return {"uefi_event_logs": event_claims(events)}


VERIFIER: Verifier = TDXVerifier()
