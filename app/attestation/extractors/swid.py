"""SWID tags that are reference integrity manifests: an XML document of measurements, unsigned here.

Sources: ISO/IEC 19770-2:2015 (``SoftwareIdentity``, ``Meta``, ``Payload``, ``Resource``); TCG
Reference Integrity Manifest Information Model (``PlatformManufacturerStr``); wire.md, section 11.1
(the names). The payload of the message is base64 of the document. An XML signature inside is not
looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from app.attestation.extractors import Extracted, Extractor
from app.attestation.message_signers import TrustedSigners
from app.trust.errors import MalformedReferenceValueError
from app.trust.json_types import JSONValue
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError

MAX_DOCUMENT_BYTES = 2**20

_SWID = "{http://standards.iso.org/iso/19770/-2/2015/schema.xsd}"
# The algorithm's address in RFC 9231, and what NVIDIA's manifests have in its place.
_SHA384 = r"\{http://www\.w3\.org/2001/04/(?:xmldsig-more|xmlenc)#sha384\}"
_HASH = re.compile(rf"{_SHA384}Hash(\d{{1,4}})")
_DIGEST = re.compile(r"[0-9a-f]{96}")
_INDEX = re.compile(r"\d{1,4}")


class SWIDExtractor:
    """Reads ``base64(SoftwareIdentity)``."""

    type = "swid"

    def extract(self, payload: str, signers: TrustedSigners) -> Extracted:
        """See ``Extractor.extract``."""
        del signers
        root = _parse(payload)
        prefix = _prefix(root)
        values: dict[str, JSONValue] = {}
        for resource in root.iterfind(f"{_SWID}Payload/{_SWID}Resource"):
            if resource.get("type") != "Measurement":
                continue
            index = resource.get("index", "")
            name = f"{prefix}.measurement_{index}".replace("-", "_")
            if not _INDEX.fullmatch(index) or name in values:
                raise MalformedReferenceValueError("a measurement has no index of its own")
            values[name] = list[JSONValue](_digests(resource))
        return Extracted({name: digests for name, digests in values.items() if digests})


def _parse(payload: str) -> Element:
    try:
        document = b64_decode(payload)
        if len(document) > MAX_DOCUMENT_BYTES:
            raise MalformedReferenceValueError(f"a tag has at most {MAX_DOCUMENT_BYTES} bytes")
        root: Element = fromstring(document, forbid_dtd=True)
    except (WireError, ParseError, DefusedXmlException, ValueError, LookupError) as error:
        # An encoding that Python does not know, or cannot use, ends in the last two.
        raise MalformedReferenceValueError("the payload is not base64 of plain XML") from error
    if root.tag != f"{_SWID}SoftwareIdentity":
        raise MalformedReferenceValueError("the document is no SWID tag")
    return root


def _prefix(root: Element) -> str:
    """What all names begin with: manufacturer and edition."""
    metas = root.findall(f"{_SWID}Meta")
    if len(metas) != 1:
        raise MalformedReferenceValueError("a tag has exactly one element Meta")
    manufacturers = [
        value
        for name, value in metas[0].items()
        # The model's namespace has changed its address, and the name has not changed.
        if name.rpartition("}")[2] == "PlatformManufacturerStr"
    ]
    edition = metas[0].get("edition")
    if len(manufacturers) != 1 or not manufacturers[0] or not edition:
        raise MalformedReferenceValueError("the tag does not name its manufacturer and edition")
    return f"{manufacturers[0].replace(' ', '_')}.{edition}"


def _digests(resource: Element) -> Iterator[str]:
    """SHA-384 digests in the order of their numbers; all zeros stand for none."""
    numbered = {
        int(match[1]): value
        for name, value in resource.items()
        if (match := _HASH.fullmatch(name)) is not None
    }
    for _, value in sorted(numbered.items()):
        digest = value.lower()
        if not _DIGEST.fullmatch(digest):
            raise MalformedReferenceValueError("a digest is no hex of SHA-384")
        if digest.strip("0"):
            yield digest


EXTRACTOR: Extractor = SWIDExtractor()
