"""The sample device: evidence of a device that anyone can forge, for learning and for tests.

It stands for a graphics processor beside a TEE, and proves that the caller knows nonce and key.
"""

from __future__ import annotations

import hmac

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.trust.errors import BindingMismatchError, MalformedEvidenceError
from app.trust.json_types import JSONObject
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError

MAX_TEXT_CHARACTERS = 4096


class SampleDeviceVerifier:
    """Compares the report data, and takes everything else on trust."""

    tee = "sampledevice"
    insecure = True

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """The two claims of the sample device.

        Raises:
            MalformedEvidenceError: the evidence is not ``{"svn", "report_data"}`` of text, or the
                report data is not base64.
            BindingMismatchError: it carries other report data.
        """
        del context  # Nothing else is known about this device.
        if not isinstance(evidence.body, dict):
            raise MalformedEvidenceError("sample device evidence is not a JSON object")
        body = {"report_data": "", **evidence.body}
        claims: JSONObject = {name: _text(body, name) for name in ("svn", "report_data")}
        _check_report_data(_text(body, "report_data"), binding)
        return [Claims("gpu", claims)]


def _check_report_data(report_data: str, binding: Binding) -> None:
    try:
        found = b64_decode(report_data)
    except WireError as error:
        raise MalformedEvidenceError("report_data is not base64") from error
    if binding.report_data is not None and not hmac.compare_digest(found, binding.report_data):
        raise BindingMismatchError("the evidence carries other report data")


def _text(body: JSONObject, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS:
        raise MalformedEvidenceError(f"{name} is not text of at most {MAX_TEXT_CHARACTERS}")
    return value


VERIFIER: Verifier = SampleDeviceVerifier()
