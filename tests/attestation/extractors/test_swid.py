"""SWID tags: an XML document, with everything that XML can do to whoever reads it."""

from __future__ import annotations

import pytest
from message_signing import CI

from app.attestation.extractors.swid import EXTRACTOR
from app.trust.errors import MalformedReferenceValueError
from guest.wire.encoding import b64_decode, b64_encode

ONE, TWO, ZEROS = "1a" * 48, "2B" * 48, "00" * 48


def tag(
    resources: str = f'<Resource type="Measurement" index="0" s:Hash0="{ONE}"/>',
    meta: str = '<Meta edition="GH-100" r:PlatformManufacturerStr="NVIDIA Corp"/>',
    head: str = "",
) -> str:
    """A tag as a message carries it."""
    names = (
        'xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" '
        'xmlns:s="http://www.w3.org/2001/04/xmldsig-more#sha384" '
        'xmlns:r="https://trustedcomputinggroup.org/resource/tcg-rim"'
    )
    body = f"<SoftwareIdentity {names}>{meta}<Payload>{resources}</Payload></SoftwareIdentity>"
    return b64_encode((head + body).encode())


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "?",
        b64_encode(b""),
        b64_encode(b"\xff\xfe"),
        b64_encode(b"<SoftwareIdentity/>"),
        b64_encode(b'<?xml version="1.0" encoding="nonesuch"?><a/>'),
        b64_encode(b'<?xml version="1.0" encoding="utf-7"?><a/>'),
        b64_encode(b"<a>" * 50_000),
        b64_encode(b"<a>" * 50_000 + b"</a>" * 50_000),
        b64_encode(b" " * (2**20 + 1)),
        tag(head=f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]>', resources="&a9;"),
        tag(head='<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>', resources="&a;"),
        tag(head='<!DOCTYPE x SYSTEM "http://example.com/x.dtd">'),
        tag(meta=""),
        tag(meta='<Meta edition="a"/>'),
        tag(meta='<Meta r:PlatformManufacturerStr="a"/>'),
        tag(meta='<Meta edition="a" r:PlatformManufacturerStr="a"/>' * 2),
        tag(f'<Resource type="Measurement" s:Hash0="{ONE}"/>'),
        tag(f'<Resource type="Measurement" index="x" s:Hash0="{ONE}"/>'),
        tag(f'<Resource type="Measurement" index="{"9" * 5000}" s:Hash0="{ONE}"/>'),
        tag(f'<Resource type="Measurement" index="0" s:Hash0="{ONE}"/>' * 2),
        tag('<Resource type="Measurement" index="0" s:Hash0="1a"/>'),
        tag(f'<Resource type="Measurement" index="0" s:Hash0="{"xy" * 48}"/>'),
    ],
    ids=lambda payload: f"{len(payload)}-long",
)
def test_refuses_any_other_payload(payload: str) -> None:
    """No XML, XML with a definition of its own, another document, or a measurement out of form."""
    with pytest.raises(MalformedReferenceValueError):
        EXTRACTOR.extract(payload, CI)


def test_no_beginning_of_a_message_is_one() -> None:
    """A message that was cut off is refused wherever the cut is."""
    whole = tag()
    for length in range(len(whole)):
        with pytest.raises(MalformedReferenceValueError):
            EXTRACTOR.extract(whole[:length], CI)


def test_measurements_become_values() -> None:
    """Digests in the order of their numbers; zeros, other hashes and other resources left out."""
    resources = (
        f'<Resource type="Measurement" index="7" s:Hash10="{ONE}" s:Hash2="{TWO}" Hash0="x"/>'
        f'<Resource type="Measurement" index="8" s:Hash0="{ZEROS}"/>'
        f'<Resource type="Firmware" index="9" s:Hash0="{ONE}"/>'
    )
    found = EXTRACTOR.extract(tag(resources), CI)
    assert found.values == {"NVIDIA_Corp.GH_100.measurement_7": [TWO.lower(), ONE]}
    assert found.signer is None


def test_digests_as_nvidias_manifests_have_them() -> None:
    """Published manifests name SHA-384 by another address than its specification."""
    text = b64_decode(tag()).replace(b"xmldsig-more#sha384", b"xmlenc#sha384")
    found = EXTRACTOR.extract(b64_encode(text), CI)
    assert found.values == EXTRACTOR.extract(tag(), CI).values
    assert found.values
