"""Hygon CSV: a report signed by a platform's key (PEK) under Hygon's pinned root.

Sources: the formats of Hygon's csv-rs library; GB/T 32918 (SM2). The steps of ``verify`` stand in
the order of docs/reference/verifiers/csv.md.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.csv_report import DATA_BYTES, MAGIC_BYTES, CSVReport
from app.attestation.formats.dcap_evidence import decode_member
from app.attestation.formats.event_claims import event_claims
from app.attestation.formats.event_log import MAX_LOG_BYTES, SM3, check_registers, parse_event_log
from app.attestation.formats.hygon_certificates import (
    PEK_USAGE,
    AuthorityCertificate,
    ChipCertificate,
    encode_authority,
    encode_chip,
)
from app.attestation.formats.hygon_chain import (
    HYGON_ROOTS,
    HygonChains,
    UnverifiedPair,
    parse_serial,
    roots_with,
)
from app.attestation.formats.hygon_json import encode_bytes, encode_number, json_object
from app.trust.errors import BindingMismatchError, ChainError
from app.trust.json_types import JSONObject, JSONValue

_SERIAL_BYTES = 64
_REPORT_DATA_BYTES = 64


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The parts of the evidence, none of them verified.

    Attributes:
        report: the report.
        pek: the certificate of the key that is said to have signed it.
        pair: the certificates above that, when they came along.
        serial: of the chip.
        members: all of the evidence, for the event log.
    """

    report: CSVReport
    pek: ChipCertificate
    pair: UnverifiedPair | None
    serial: str
    members: JSONObject


class CSVVerifier:
    """Verifies reports of Hygon CSV guests.

    Args:
        roots: the certificates that chains may end in.
    """

    tee = "csv"
    insecure = False

    def __init__(self, roots: tuple[AuthorityCertificate, ...] = HYGON_ROOTS) -> None:
        self._chains = HygonChains(roots)

    def with_extra_roots(self, unverified_roots: bytes) -> CSVVerifier:
        """A verifier that also accepts the roots in a file, 832 bytes each.

        Raises:
            ConfigError: the file does not hold roots.
        """
        return CSVVerifier(roots_with(self._chains.roots, unverified_roots, self.tee))

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check, in the order of the reference page.

        Raises:
            MalformedEvidenceError: the evidence or its event log does not parse.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: no source has the certificates that the evidence lacks.
        """
        given = _parse_evidence(evidence.body)
        # First, because it needs nobody else: evidence that is no good asks Hygon for nothing.
        given.report.check_signed_by(given.pek)
        cek = self._chains.endorsement_key(given.pair, given.serial, context.collateral)
        _check_pek(given.pek, cek)
        _check_report_data(given.report, binding)
        events = _check_event_log(given)
        if given.pair is None:
            self._chains.keep(given.serial, context.collateral)
        return [Claims("cpu", given.report.claims(given.serial) | events)]


def _parse_evidence(body: JSONValue) -> _Evidence:
    members = json_object(body, "the evidence")
    chain = json_object(members.get("cert_chain"), "cert_chain")
    return _Evidence(
        report=_parse_report(members.get("attestation_report")),
        pek=ChipCertificate.parse(encode_chip(chain.get("pek"), "pek")),
        pair=_parse_pair(chain.get("hsk_cek")),
        serial=parse_serial(
            encode_bytes(members.get("serial_number"), _SERIAL_BYTES, "serial_number")
        ),
        members=members,
    )


def _parse_report(unverified_report: JSONValue) -> CSVReport:
    report = json_object(unverified_report, "attestation_report")
    return CSVReport.parse(
        encode_bytes(report.get("magic"), MAGIC_BYTES, "magic"),
        int.from_bytes(encode_number(report.get("flags"), 4, "flags"), "little"),
        encode_bytes(report.get("data"), DATA_BYTES, "data"),
    )


def _parse_pair(unverified_pair: JSONValue) -> UnverifiedPair | None:
    if unverified_pair is None:
        return None
    pair = json_object(unverified_pair, "hsk_cek")
    hsk = encode_authority(pair.get("hsk"), "hsk")
    return UnverifiedPair(hsk, encode_chip(pair.get("cek"), "cek"))


def _check_pek(pek: ChipCertificate, cek: ChipCertificate) -> None:
    if pek.usage != PEK_USAGE:
        raise ChainError("the PEK is a key for something else")
    pek.check_signed_by(cek)


def _check_report_data(report: CSVReport, binding: Binding) -> None:
    expected = binding.report_data
    if expected is None:
        return
    # Trustee would cut a longer value, and so accept what differs after the cut.
    if len(expected) > _REPORT_DATA_BYTES:
        raise BindingMismatchError("the expected report data is longer than the report's field")
    if not hmac.compare_digest(expected.ljust(_REPORT_DATA_BYTES, b"\0"), report.report_data):
        raise BindingMismatchError("the report is bound to other report data")


def _check_event_log(given: _Evidence) -> JSONObject:
    """The log, when version 2 brings one, replays to the registers that the report signs."""
    extension = given.report.extension
    # A report of version 1 has no registers, so nothing vouches for its log.
    if extension is None or given.members.get("cc_eventlog") is None:
        return {}
    events = parse_event_log(decode_member(given.members, "cc_eventlog", MAX_LOG_BYTES))
    check_registers(events, dict(enumerate(extension.rtmrs[1:], start=1)), SM3)
    return {"uefi_event_logs": event_claims(events)}


VERIFIER: Verifier = CSVVerifier()
