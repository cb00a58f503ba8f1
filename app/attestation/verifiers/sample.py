"""The sample TEE: evidence that anyone can forge, for learning and for tests.

It proves that the caller knows the nonce and the key, and nothing about the machine.
"""

from __future__ import annotations

import hmac

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.trust.errors import BindingMismatchError, MalformedEvidenceError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_decode, b64_encode
from guest.wire.errors import WireError

MAX_TEXT_CHARACTERS = 4096


class SampleVerifier:
    """Compares the report data, and takes everything else on trust."""

    tee = "sample"
    insecure = True

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """The claims that policies written for the sample TEE expect.

        Raises:
            MalformedEvidenceError: the evidence is not ``{"svn", "report_data"}`` of text, or the
                report data is not base64.
            BindingMismatchError: it carries other report data.
        """
        del context  # Nothing else is known about this TEE.
        body = _object(evidence.body)
        svn, report_data = _text(body, "svn"), _text({"report_data": "", **body}, "report_data")
        _check_report_data(report_data, binding)
        claims: JSONObject = {
            "svn": svn,
            "report_data": report_data,
            "launch_digest": "abcde",
            "platform_version": {"major": 1, "minor": 4},
            "debug": False,
        }
        if binding.init_data is not None:
            # Nothing ties init data to this TEE: the claim repeats what the caller said, and the
            # second claim says so to policies.
            claims["init_data"] = b64_encode(binding.init_data)
            claims["init_data_verified"] = False
        return [Claims("cpu", claims)]


def _check_report_data(report_data: str, binding: Binding) -> None:
    try:
        found = b64_decode(report_data)
    except WireError as error:
        raise MalformedEvidenceError("report_data is not base64") from error
    if binding.report_data is not None and not hmac.compare_digest(found, binding.report_data):
        raise BindingMismatchError("the evidence carries other report data")


def _object(body: JSONValue) -> JSONObject:
    if not isinstance(body, dict):
        raise MalformedEvidenceError("sample evidence is not a JSON object")
    return body


def _text(body: JSONObject, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS:
        raise MalformedEvidenceError(f"{name} is not text of at most {MAX_TEXT_CHARACTERS}")
    return value


VERIFIER: Verifier = SampleVerifier()
