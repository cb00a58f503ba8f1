"""Intel SGX: a quote of an enclave under Intel's root.

Source: Intel, "SGX ECDSA Quote Library Reference" (quote version 3). The steps of ``verify`` stand
in the order of docs/reference/verifiers/sgx.md.
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
from app.attestation.formats.dcap_quote import (
    MAX_QUOTE_BYTES,
    Quote,
    SGXReport,
    parse_sgx_quote,
    report_claims,
)
from app.trust.json_types import JSONObject, JSONValue


class SGXVerifier:
    """Verifies quotes of SGX enclaves.

    Args:
        roots: SHA-256 of the accepted roots' SubjectPublicKeyInfo, hex.
    """

    tee = "sgx"
    insecure = False

    def __init__(self, roots: frozenset[str] = INTEL_ROOTS) -> None:
        self._roots = roots
        self._dcap = DCAPAppraiser(DCAPKind.SGX, roots)

    def with_extra_roots(self, unverified_roots: bytes) -> SGXVerifier:
        """A verifier that also accepts the roots in a PEM file.

        Raises:
            ConfigError: the file does not hold certificate authorities.
        """
        return SGXVerifier(roots_with(self._roots, unverified_roots, self.tee))

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
            MalformedEvidenceError: the evidence or its quote does not parse.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: a document of Intel's could not be had.
        """
        members = evidence_members(evidence.body)
        quote = parse_sgx_quote(decode_member(members, "quote", MAX_QUOTE_BYTES))
        appraisal = self._dcap.appraise(quote, context)
        check_report_data(quote.body.report_data, binding.report_data)
        check_init_data(quote.body.config_id, binding.init_data)
        claims = _enclave_claims(quote) | appraisal.platform_claims() | appraisal.dcap_claims()
        return [Claims("cpu", claims)]


def _enclave_claims(quote: Quote[SGXReport]) -> JSONObject:
    """The fields of the quote in Trustee's spelling: hex of their raw bytes."""
    header, body = report_claims(quote.header), report_claims(quote.body)
    header["att_key_data_0"] = header.pop("tee_type")
    # The dots belong to the names.
    body["attributes.flags"] = body.pop("attributes_flags")
    body["attributes.xfrm"] = body.pop("attributes_xfrm")
    return {
        "header": header,
        "body": body,
        "report_data": quote.body.report_data.hex(),
        "init_data": quote.body.config_id.hex(),
    }


VERIFIER: Verifier = SGXVerifier()
