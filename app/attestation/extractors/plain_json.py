"""The plain message: the payload is itself a JSON object of names and values, unsigned."""

from __future__ import annotations

from app.attestation.extractors import Extracted, Extractor
from app.attestation.message_signers import TrustedSigners
from app.trust.errors import MalformedReferenceValueError
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object


class PlainJSONExtractor:
    """Reads ``{"name": value, …}`` as people write it; any JSON is a value."""

    type = "plain-json"

    def extract(self, payload: str, signers: TrustedSigners) -> Extracted:
        """See ``Extractor.extract``."""
        del signers
        try:
            return Extracted(parse_json_object(payload))
        except WireError as error:
            raise MalformedReferenceValueError(
                "the payload of a plain-json message is a JSON object"
            ) from error


EXTRACTOR: Extractor = PlainJSONExtractor()
