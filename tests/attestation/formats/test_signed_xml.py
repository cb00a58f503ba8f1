"""XML signatures of the one profile that manifests have: what is read is what was signed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated.dcap_site import refusal
from simulated.nvidia_manifests import C14N, DSIG, ManifestSigner, Parts

from app.attestation.formats.signed_xml import (
    MAX_DOCUMENT_BYTES,
    UnverifiedXML,
    XMLFormatError,
    canonical,
    parse_xml,
)
from app.trust.errors import SignatureError

SIGNER = ManifestSigner()
HONEST = SIGNER.manifest()
KEY = SIGNER.signer.certificate.public_key()


def read(document: bytes) -> str:
    """``read``, ``malformed``, or the reason code."""
    try:
        return refusal(lambda: UnverifiedXML.parse(document).verified_by(KEY)).replace(
            "accepted", "read"
        )
    except XMLFormatError:
        return "malformed"


# --- Canonical XML -------------------------------------------------------------------------------

LETTERS = "<d>\u00a9 \U0001f600</d>".encode()
# Examples of Canonical XML 1.1, section 3, without document types, instructions and comments.
CANONICAL = {
    "empty elements, attributes in order": (
        b'<doc>\n   <e1   />\n   <e2   ></e2>\n   <e3   name = "elem3"   id="elem3"   />\n</doc>',
        b'<doc>\n   <e1></e1>\n   <e2></e2>\n   <e3 id="elem3" name="elem3"></e3>\n</doc>',
    ),
    "namespaces before attributes, by their address": (
        (
            b'<e5 a:attr="out" b:attr="sorted" attr2="all" attr="I\'m"\n'
            b'  xmlns:b="http://www.ietf.org" xmlns:a="http://www.w3.org" xmlns="http://example.org"/>'
        ),
        (
            b'<e5 xmlns="http://example.org" xmlns:a="http://www.w3.org" xmlns:b="http://www.ietf.org"'
            b' attr="I\'m" attr2="all" b:attr="sorted" a:attr="out"></e5>'
        ),
    ),
    "what is declared again": (
        (
            b'<e6 xmlns="" xmlns:a="http://www.w3.org"><e7 xmlns="http://www.ietf.org">'
            b'<e8 xmlns="" xmlns:a="http://www.w3.org"><e9 xmlns=""/></e8></e7></e6>'
        ),
        (
            b'<e6 xmlns:a="http://www.w3.org"><e7 xmlns="http://www.ietf.org"><e8 xmlns="">'
            b"<e9></e9></e8></e7></e6>"
        ),
    ),
    "references and sections": (
        (
            b"<doc><text>First line&#x0d;&#10;Second line</text><value>&#x32;</value>"
            b'<compute><![CDATA[value>"0" && value<"10" ?"valid":"error"]]></compute></doc>'
        ),
        (
            b"<doc><text>First line&#xD;\nSecond line</text><value>2</value>"
            b'<compute>value&gt;"0" &amp;&amp; value&lt;"10" ?"valid":"error"</compute></doc>'
        ),
    ),
    "attributes that need to be written otherwise": (
        b"<n a=' &#x20; \" &lt; &amp; &#9;&#10;&#13; '/>",
        b'<n a="   &quot; &lt; &amp; &#x9;&#xA;&#xD; "></n>',
    ),
    "letters beyond ASCII": (
        "<d>\u00a9 \U0001f600</d>".encode(),
        "<d>\u00a9 \U0001f600</d>".encode(),
    ),
}


@pytest.mark.parametrize(("document", "expected"), CANONICAL.values(), ids=CANONICAL)
def test_canonical_xml_is_as_its_specification_has_it(document: bytes, expected: bytes) -> None:
    """And what is canonical stays as it is."""
    assert canonical(parse_xml(document)) == expected
    assert canonical(parse_xml(expected)) == expected


def test_a_part_has_all_namespaces_that_are_in_scope() -> None:
    """Those that it uses, and those that it does not."""
    (part,) = parse_xml(b'<a xmlns="x" xmlns:b="y"><b:c d="1"/></a>').elements
    assert canonical(part) == b'<b:c xmlns="x" xmlns:b="y" d="1"></b:c>'


# --- Signatures ----------------------------------------------------------------------------------


def test_what_was_signed_is_read() -> None:
    """Without the signature, which is no part of it."""
    root = UnverifiedXML.parse(HONEST).verified_by(KEY)
    assert [each.name[1] for each in root.elements] == ["Entity", "Meta", "Payload"]
    assert b"Signature" not in canonical(root)


def test_the_bytes_that_are_signed_are_those_of_another_hand() -> None:
    """The simulated signer writes canonical text itself, and the digests agree."""
    root = UnverifiedXML.parse(HONEST).verified_by(KEY)
    head, tail = Parts().tag()
    assert canonical(root) == f"{head}{tail}</SoftwareIdentity>".encode()


def test_another_key_did_not_sign() -> None:
    """That a document brings its certificate along proves nothing."""
    with pytest.raises(SignatureError):
        UnverifiedXML.parse(HONEST).verified_by(ManifestSigner().signer.certificate.public_key())


def test_one_changed_bit_anywhere_that_is_signed_is_refused() -> None:
    """Document, digest and signature; the certificates are for a chain to judge."""
    end = HONEST.index(b"<ds:KeyInfo>")
    outcomes = set()
    for at in range(end):
        changed = HONEST[:at] + bytes([HONEST[at] ^ 1 << at % 7]) + HONEST[at + 1 :]
        outcomes.add(read(changed))
    # White space within base64 means nothing, and there is none in what was tried.
    assert outcomes == {"malformed", "signature-invalid"}


def test_every_cut_is_malformed() -> None:
    """XML ends where it ends."""
    assert {read(HONEST[:length]) for length in range(0, len(HONEST), 7)} == {"malformed"}


END = b"</SoftwareIdentity>"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
ALIEN = f'<ds:Signature xmlns:ds="{DSIG}"></ds:Signature>'
CHANGES: dict[str, Callable[[], bytes]] = {
    "something behind what was signed": lambda: SIGNER.manifest(Parts(after="<x></x>")),
    "a second signature": lambda: HONEST.replace(
        b"</SoftwareIdentity>", ALIEN.encode() + b"</SoftwareIdentity>"
    ),
    "no signature": lambda: HONEST[: HONEST.index(b"<ds:Signature ")] + END,
    "a signature further down": lambda: HONEST.replace(
        b"<ds:Signature ", b"<y><ds:Signature "
    ).replace(b"</ds:Signature>", b"</ds:Signature></y>"),
    "a part by its id": lambda: SIGNER.manifest(Parts(reference='URI="#part"')),
    "another document": lambda: SIGNER.manifest(Parts(reference='URI="http://a.example/x"')),
    "a reference with a type": lambda: SIGNER.manifest(Parts(reference='Type="t" URI=""')),
    "no transform": lambda: SIGNER.manifest(Parts(transforms=())),
    "one transform": lambda: SIGNER.manifest(Parts(transforms=(f"{DSIG}enveloped-signature",))),
    "a transform by XPath": lambda: SIGNER.manifest(
        Parts(
            transforms=(
                f"{DSIG}enveloped-signature",
                "http://www.w3.org/TR/1999/REC-xpath-19991116",
            )
        )
    ),
    "exclusive canonical XML": lambda: SIGNER.manifest(
        Parts(transforms=(f"{DSIG}enveloped-signature", "http://www.w3.org/2001/10/xml-exc-c14n#"))
    ),
    "transforms the wrong way round": lambda: SIGNER.manifest(
        Parts(transforms=(C14N, f"{DSIG}enveloped-signature"))
    ),
    "HMAC": lambda: SIGNER.manifest(Parts(method=f"{DSIG}hmac-sha1")),
    "RSA": lambda: SIGNER.manifest(Parts(method=RSA)),
    "two references": lambda: HONEST.replace(
        b"</ds:Reference>", b'</ds:Reference><ds:Reference URI=""></ds:Reference>'
    ),
    "no certificate": lambda: SIGNER.manifest(chain=[]),
    "a document type": lambda: b"<!DOCTYPE x>" + HONEST,
    "an entity": lambda: b'<!DOCTYPE x [<!ENTITY a "b">]>' + HONEST.replace(b"GH100", b"&a;"),
    "an entity from elsewhere": lambda: b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + HONEST,
    "a comment": lambda: HONEST.replace(b"  <ns0:Payload>", b"  <!-- x --><ns0:Payload>"),
    "an instruction": lambda: HONEST.replace(b"  <ns0:Payload>", b"  <?x y?><ns0:Payload>"),
    "an attribute of xml": lambda: HONEST.replace(b"<ns0:Payload>", b'<ns0:Payload xml:base="x">'),
    "a prefix that is not declared": lambda: HONEST.replace(
        b"<ns0:Payload>", b'<ns0:Payload q:a="">'
    ),
    "too deep": lambda: b"<a>" * 17 + b"</a>" * 17,
    "too many elements": lambda: b"<a>" + b"<b/>" * 8192 + b"</a>",
    "too long": lambda: b"<a>" + b" " * MAX_DOCUMENT_BYTES + b"</a>",
    "UTF-16": lambda: HONEST.decode().encode("utf-16"),
    "no XML": lambda: b"{}",
    "nothing": lambda: b"",
}
# Signed by nobody, though it is of the profile.
FORGED = {"something behind what was signed"}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_else_is_read(name: str) -> None:
    """What another profile would allow is refused before a signature is looked at."""
    expected = "signature-invalid" if name in FORGED else "malformed"
    assert read(CHANGES[name]()) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"></ns0:Meta>", b"/>"),
        lambda text: text.replace(b'product="GH100"', b"product='GH100'"),
        lambda text: b'<?xml version="1.0" encoding="UTF-8"?>\n' + text + b"\n",
        lambda text: text.replace(b"GH100", b"GH1&#48;0"),
    ],
)
def test_what_canonical_xml_does_not_tell_apart_is_the_same_document(
    change: Callable[[bytes], bytes],
) -> None:
    """Other quotes, empty elements, references, a declaration."""
    assert change(HONEST) != HONEST
    assert read(change(HONEST)) == "read"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, len(HONEST)))
def test_no_bytes_do_anything_but_be_refused(junk: bytes, at: int) -> None:
    """Whatever is put anywhere."""
    changed = HONEST[:at] + junk + HONEST[at:]
    outcome = read(changed)
    assert outcome in {"read", "malformed", "signature-invalid"}
    if outcome == "read":
        root = UnverifiedXML.parse(changed).verified_by(KEY)
        honest = UnverifiedXML.parse(HONEST).verified_by(KEY)
        assert canonical(root) == canonical(honest)
