"""XML with an enveloped signature, of the one profile that reference manifests are signed with.

Sources: W3C, "XML Signature Syntax and Processing Version 1.1", sections 4 and 5; "Canonical XML
1.1" (and 1.0, the same for what is read here). The whole document but its signature is signed: one
reference without an address, SHA-384, ECDSA on P-384 with SHA-384. What any other profile would
need (parts by id, other transforms, document types, comments, ``xml:`` attributes) is refused, so
that what was signed is exactly what is read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

# Document types, and with them entities, are refused by a handler before anything of them is used.
from xml.parsers import expat

from cryptography.hazmat.primitives.asymmetric import ec

from app.attestation.formats.nvidia_certificates import verify_raw_signature
from app.trust.errors import SignatureError

MAX_DOCUMENT_BYTES = 2**20
_MAX_DEPTH = 16
_MAX_ELEMENTS = 8192
_MAX_CERTIFICATES = 8
_SIGNATURE_BYTES = 96

_DSIG = "http://www.w3.org/2000/09/xmldsig#"
_CANONICAL = (
    "http://www.w3.org/2006/12/xml-c14n11",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
)
_ENVELOPED = f"{_DSIG}enveloped-signature"
_ECDSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"

Name = tuple[str, str]
Scope = Mapping[str, str]


class XMLFormatError(ValueError):
    """The bytes are no XML, or not signed in this profile."""


@dataclass(slots=True)
class Element:
    """An element as it is written.

    Attributes:
        tag: with its prefix.
        attributes: values by name with prefix; declarations of namespaces are not among them.
        scope: addresses of namespaces by prefix, inherited ones too; ``""`` is the default.
        children: elements and texts in their order.
    """

    tag: str
    attributes: dict[str, str]
    scope: Scope
    children: list[Element | str] = field(default_factory=list)

    @property
    def name(self) -> Name:
        """Address of the namespace, and the name in it."""
        return self.resolve(self.tag, self.scope.get("", ""))

    @property
    def elements(self) -> list[Element]:
        """The children that are elements."""
        return [each for each in self.children if isinstance(each, Element)]

    @property
    def text(self) -> str:
        """The text within, when there are no elements within.

        Raises:
            XMLFormatError: there are.
        """
        if self.elements:
            raise XMLFormatError(f"an element within {self.tag}")
        return "".join(each for each in self.children if isinstance(each, str))

    def resolve(self, name: str, default: str = "") -> Name:
        """A name of this element or of an attribute of it, which has no default namespace.

        Raises:
            XMLFormatError: its prefix is not declared.
        """
        prefix, colon, local = name.rpartition(":")
        if not colon:
            return default, local
        if prefix not in self.scope:
            raise XMLFormatError("a prefix that is not declared")
        return self.scope[prefix], local

    def attribute(self, space: str, local: str) -> str | None:
        """The value of an attribute by the address of its namespace and its name."""
        for name, value in self.attributes.items():
            if self.resolve(name) == (space, local):
                return value
        return None

    def only(self, space: str, local: str) -> Element:
        """The one child of this name.

        Raises:
            XMLFormatError: there is none, or there are more.
        """
        found = [each for each in self.elements if each.name == (space, local)]
        if len(found) != 1:
            raise XMLFormatError(f"not one {local} in {self.tag}")
        return found[0]


@dataclass(frozen=True, slots=True)
class UnverifiedXML:
    """A document that says that it is signed.

    Attributes:
        certificates: that came with the signature, DER, the signer's first.
    """

    certificates: tuple[bytes, ...]
    _root: Element = field(repr=False)
    _signed_info: bytes = field(repr=False)
    _digest: bytes = field(repr=False)
    _signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, document: bytes) -> UnverifiedXML:
        """Read a document.

        Raises:
            XMLFormatError: it is no XML, or its signature is of another profile.
        """
        root = parse_xml(document)
        signature = root.only(_DSIG, "Signature")
        root.children = [each for each in root.children if each is not signature]
        info = signature.only(_DSIG, "SignedInfo")
        digest = _digest_value(info)
        value = _decode(signature.only(_DSIG, "SignatureValue").text)
        if len(value) != _SIGNATURE_BYTES:
            raise XMLFormatError("a signature of another length")
        data = signature.only(_DSIG, "KeyInfo").only(_DSIG, "X509Data")
        held = [_decode(each.text) for each in data.elements if each.name[1] == "X509Certificate"]
        if not 1 <= len(held) <= _MAX_CERTIFICATES:
            raise XMLFormatError("a signature without certificates, or with too many")
        return cls(tuple(held), root, canonical(info), digest, value)

    def verified_by(self, key: ec.EllipticCurvePublicKey) -> Element:
        """What was signed: the document's root without the signature.

        Raises:
            SignatureError: the key did not sign it.
        """
        verify_raw_signature(key, self._signature, self._signed_info, "the document")
        if not hmac.compare_digest(hashlib.sha384(canonical(self._root)).digest(), self._digest):
            raise SignatureError("the document is not the one that was signed")
        return self._root


def canonical(element: Element) -> bytes:
    """Canonical XML of an element and what is in it.

    Of the first element every namespace in scope is written, of those below what is new.
    """
    return "".join(_written(element, {})).encode()


def parse_xml(document: bytes) -> Element:
    """The root of a document.

    Raises:
        XMLFormatError: it is no plain XML of this size and depth.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise XMLFormatError(f"a document of more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        # The parser would find out other encodings by itself.
        document.decode("utf-8")
    except UnicodeDecodeError as error:
        raise XMLFormatError("the document is not UTF-8") from error
    builder = _Builder()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.ProcessingInstructionHandler = builder.refuse
    parser.CommentHandler = builder.refuse
    try:
        parser.Parse(document, True)  # noqa: FBT003  (the library's)
    except expat.ExpatError as error:
        raise XMLFormatError("the document is no XML") from error
    assert builder.root is not None, "a document without a root is no XML"
    return builder.root


class _Builder:
    """Makes elements of what the parser finds."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, tag: str, found: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise XMLFormatError("a document that is too deep or too long")
        if tag.startswith("xml") or any(name.startswith("xml:") for name in found):
            raise XMLFormatError("what the namespace xml means is not read here")
        scope = dict(self._open[-1].scope) if self._open else {}
        attributes = {}
        for name, value in found.items():
            if name == "xmlns" or name.startswith("xmlns:"):
                scope[name.partition(":")[2]] = value
            else:
                attributes[name] = value
        element = Element(tag, attributes, scope)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].children.append(text)

    def refuse(self, *_: object) -> NoReturn:
        raise XMLFormatError("a document type, an instruction or a comment")


def _digest_value(info: Element) -> bytes:
    """The digest that is signed, when everything about it is of the profile."""
    reference = info.only(_DSIG, "Reference")
    transforms = [_algorithm(each) for each in reference.only(_DSIG, "Transforms").elements]
    is_known = (
        _algorithm(info.only(_DSIG, "CanonicalizationMethod")) in _CANONICAL
        and _algorithm(info.only(_DSIG, "SignatureMethod")) == _ECDSA_SHA384
        and reference.attributes == {"URI": ""}
        and transforms[:1] == [_ENVELOPED]
        and len(transforms) == 2
        and transforms[1] in _CANONICAL
        and _algorithm(reference.only(_DSIG, "DigestMethod")) == _SHA384
    )
    if not is_known:
        raise XMLFormatError("a signature of another profile")
    return _decode(reference.only(_DSIG, "DigestValue").text)


def _algorithm(element: Element) -> str:
    if set(element.attributes) != {"Algorithm"} or element.elements:
        raise XMLFormatError("an algorithm with parameters")
    return element.attributes["Algorithm"]


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise XMLFormatError("no base64") from error


def _written(element: Element, rendered: Scope) -> Iterator[str]:
    yield f"<{element.tag}"
    fresh = {
        prefix: address
        for prefix, address in element.scope.items()
        if rendered.get(prefix, "") != address
    }
    for prefix, address in sorted(fresh.items()):
        yield f' xmlns{":" if prefix else ""}{prefix}="{_attribute(address)}"'
    for _, name, value in sorted(
        (element.resolve(name), name, value) for name, value in element.attributes.items()
    ):
        yield f' {name}="{_attribute(value)}"'
    yield ">"
    for child in element.children:
        if isinstance(child, str):
            yield _text(child)
        else:
            yield from _written(child, {**rendered, **fresh})
    yield f"</{element.tag}>"


def _text(value: str) -> str:
    for plain, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#xD;")):
        value = value.replace(plain, written)
    return value


def _attribute(value: str) -> str:
    for plain, written in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        ('"', "&quot;"),
        ("\t", "&#x9;"),
        ("\n", "&#xA;"),
        ("\r", "&#xD;"),
    ):
        value = value.replace(plain, written)
    return value
