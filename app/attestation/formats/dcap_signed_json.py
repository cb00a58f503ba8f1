"""Intel's signed JSON documents: the exact text that is signed, and typed access to its members.

Source: Intel PCS API version 4, ``GET …/tcb`` and ``GET …/qe/identity``: an object of the document
and ``signature``, hex of r then s, over the text of the document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.attestation.formats.dcap_certificates import Certificate, verify_raw_signature
from app.trust.errors import CollateralUnavailableError, SignatureError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

# A TCB info of an old platform has 30 levels and 20 KiB.
MAX_DOCUMENT_BYTES = 512 * 1024

_DATE = "%Y-%m-%dT%H:%M:%SZ"
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")


def open_signed_document(body: bytes, member: str, signer: Certificate) -> Members:
    """The members of a document whose signature was checked.

    Args:
        body: the response of the service, or what a bundle holds of it.
        member: the name of the document: ``tcbInfo`` or ``enclaveIdentity``.
        signer: the certificate that signs TCB information.

    Raises:
        CollateralUnavailableError: the body is not such a document, so there is none.
        SignatureError: the signature does not verify.
    """
    if len(body) > MAX_DOCUMENT_BYTES:
        raise CollateralUnavailableError(f"the {member} is longer than {MAX_DOCUMENT_BYTES} bytes")
    try:
        outer = Members(member, parse_json_object(body))
    except WireError as error:
        raise CollateralUnavailableError(f"the {member} is not JSON") from error
    inner, signature = outer.value(member), outer.hexadecimal("signature", 64)
    if not isinstance(inner, dict):
        raise CollateralUnavailableError(f"the {member} is not a JSON object")
    _check_signature(_signed_texts(body, member, inner), signature, signer, member)
    return Members(member, inner)


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a JSON object; whatever is not as agreed raises one error.

    Attributes:
        name: what the object is, for messages.

    Every method raises ``CollateralUnavailableError`` when the member is missing or is not of its
    form: a document that Intel would not have signed is no document.
    """

    name: str
    values: JSONObject

    def value(self, member: str) -> JSONValue:
        """Whatever is there."""
        if member not in self.values:
            raise self.fault(member)
        return self.values[member]

    def text(self, member: str) -> str:
        """A string."""
        value = self.value(member)
        if not isinstance(value, str):
            raise self.fault(member)
        return value

    def integer(self, member: str, limit: int) -> int:
        """An integer of 0 to ``limit``."""
        value = self.value(member)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= limit:
            raise self.fault(member)
        return value

    def hexadecimal(self, member: str, size: int) -> bytes:
        """Exactly ``size`` bytes in hex of either case."""
        text = self.text(member)
        if len(text) != 2 * size or not _HEX.fullmatch(text):
            raise self.fault(member)
        return bytes.fromhex(text)

    def date(self, member: str) -> datetime:
        """A time, UTC, to the second."""
        try:
            return datetime.strptime(self.text(member), _DATE).replace(tzinfo=UTC)
        except ValueError as error:
            raise self.fault(member) from error

    def objects(self, member: str) -> list[Members]:
        """A list of objects."""
        value = self.value(member)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.fault(member)
        return [Members(f"{self.name}.{member}", each) for each in value]

    def texts(self, member: str) -> tuple[str, ...]:
        """A list of strings; an absent one is empty."""
        value = self.values.get(member, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.fault(member)
        return tuple(value)

    def object(self, member: str) -> Members:
        """An object."""
        value = self.value(member)
        if not isinstance(value, dict):
            raise self.fault(member)
        return Members(f"{self.name}.{member}", value)

    def fault(self, member: str) -> CollateralUnavailableError:
        """The error that names the member."""
        return CollateralUnavailableError(f"{self.name}: {member} is missing or malformed")


def _signed_texts(body: bytes, member: str, inner: JSONObject) -> Iterable[bytes]:
    """The text as it was sent, then, for files that were re-formatted, its compact form."""
    start = re.compile(rb'\s*\{\s*"%s"\s*:\s*' % member.encode()).match(body)
    if start is not None:
        text = body[start.end() :].decode("utf-8")
        yield text[: json.JSONDecoder().raw_decode(text)[1]].encode("utf-8")
    yield json.dumps(inner, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _check_signature(
    texts: Iterable[bytes], signature: bytes, signer: Certificate, member: str
) -> None:
    for text in texts:
        try:
            verify_raw_signature(signer.key, signature, text, f"the {member}")
        except SignatureError:
            continue
        return
    raise SignatureError(f"the signature of the {member} does not verify")
