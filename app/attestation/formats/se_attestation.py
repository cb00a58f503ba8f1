"""IBM Secure Execution: the image header, the evidence, and what the firmware's MAC covers.

Source: the formats of IBM's s390-tools (``pvattest``, ``genprotimg``). All integers are big endian.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from app.trust.errors import MalformedEvidenceError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError

MEASUREMENT_BYTES = 64
ADDITIONAL_BYTES = 64
NONCE_BYTES = 16
TAGS_BYTES = 208
TAG_BYTES = 16
USER_DATA_BYTES = 64
HASH_BYTES = 32

_MAGIC = b"IBMSecEx"
_VERSION = 0x0100
_SIZE_AT = 12
_DIGESTS_AT = (0x0E0, 0x120, 0x160)
_DIGEST_BYTES = 64
_LEAST_HEADER_BYTES = _DIGESTS_AT[-1] + _DIGEST_BYTES + TAG_BYTES
_CUID_BYTES = 16
_MAX_USER_DATA_BYTES = 256
_MAX_RSA_BYTES = 1024


class ImageHeaderError(ValueError):
    """The bytes are not the header of a Secure Execution image."""


@dataclass(frozen=True, slots=True)
class SEEvidence:
    """What a guest hands out.

    Attributes:
        measurement: HMAC-SHA512 by the firmware, 64 bytes.
        additional_data: hashes of the host keys of image and attestation, 64 bytes.
        user_data: what the guest bound itself to, at most 256 bytes.
        cuid: the configuration's unique id, 16 bytes.
        sealed_key: the measurement key, encrypted for this server.
        sealed_nonce: the nonce of the request, encrypted for this server.
        image_tags: digests of the image's page, address and tweak lists, and its tag: 208 bytes.
    """

    measurement: bytes
    additional_data: bytes
    user_data: bytes
    cuid: bytes
    sealed_key: bytes = field(repr=False)
    sealed_nonce: bytes = field(repr=False)
    image_tags: bytes

    def has_measurement_of(self, key: bytes, nonce: bytes) -> bool:
        """Whether the firmware that knows key and nonce measured this; in constant time."""
        message = b"".join(
            (
                self.image_tags,
                self.cuid,
                len(self.user_data).to_bytes(2, "big"),
                bytes(2),
                len(self.additional_data).to_bytes(4, "big"),
                self.user_data,
                nonce,
                self.additional_data,
            )
        )
        expected = hmac.digest(key, message, hashlib.sha512)
        return hmac.compare_digest(expected, self.measurement)


def parse_evidence(body: JSONValue) -> SEEvidence:
    """The evidence.

    Raises:
        MalformedEvidenceError: another shape, or a part of a wrong length.
    """
    if not isinstance(body, dict):
        raise MalformedEvidenceError("SE evidence is not a JSON object")
    return SEEvidence(
        measurement=_bytes(body, "measurement", MEASUREMENT_BYTES),
        additional_data=_bytes(body, "additional_data", ADDITIONAL_BYTES),
        user_data=_bytes(body, "user_data", 0, _MAX_USER_DATA_BYTES),
        cuid=_bytes(body, "cuid", _CUID_BYTES),
        sealed_key=_bytes(body, "encr_measurement_key", 1, _MAX_RSA_BYTES),
        sealed_nonce=_bytes(body, "encr_request_nonce", 1, _MAX_RSA_BYTES),
        image_tags=_bytes(body, "image_hdr_tags", TAGS_BYTES),
    )


def image_tags(header: bytes) -> bytes:
    """The digests of page, address and tweak lists, and the tag, of an image header: 208 bytes.

    Raises:
        ImageHeaderError: another magic or version, or shorter than it says.
    """
    size = int.from_bytes(header[_SIZE_AT : _SIZE_AT + 4], "big")
    version = int.from_bytes(header[len(_MAGIC) : _SIZE_AT], "big")
    if not header.startswith(_MAGIC) or version != _VERSION:
        raise ImageHeaderError("not the header of a Secure Execution image")
    if not _LEAST_HEADER_BYTES <= size <= len(header):
        raise ImageHeaderError("an image header that is shorter than it says")
    digests = b"".join(header[at : at + _DIGEST_BYTES] for at in _DIGESTS_AT)
    return digests + header[size - TAG_BYTES : size]


def _bytes(body: JSONObject, name: str, least: int, most: int | None = None) -> bytes:
    """A member in base64 of ``least`` bytes, or of up to ``most``."""
    limit = least if most is None else most
    text = body.get(name)
    if not isinstance(text, str) or len(text) > 2 * limit + 4:
        raise MalformedEvidenceError(f"{name} is not text of at most {limit} bytes")
    try:
        data = b64_decode(text)
    except WireError as error:
        raise MalformedEvidenceError(f"{name} is not base64") from error
    if not least <= len(data) <= limit:
        raise MalformedEvidenceError(f"{name} is not of {limit} bytes")
    return data
