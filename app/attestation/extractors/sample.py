"""The sample message: a JSON object of names and values, unsigned (wire.md, section 11.1)."""

from __future__ import annotations

from app.attestation.extractors import Extracted, Extractor
from app.attestation.message_signers import TrustedSigners
from app.trust.errors import MalformedReferenceValueError
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object


class SampleExtractor:
    """Reads ``base64({"name": value, …})``; any JSON is a value."""

    type = "sample"

    def extract(self, payload: str, signers: TrustedSigners) -> Extracted:
        """See ``Extractor.extract``."""
        del signers
        try:
            return Extracted(parse_json_object(b64_decode(payload)))
        except WireError as error:
            raise MalformedReferenceValueError(
                "the payload of a sample message is base64 of a JSON object"
            ) from error


EXTRACTOR: Extractor = SampleExtractor()
