"""Intel's signed JSON: what is signed, and what its members must be."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from paths import VECTORS
from simulated.dcap_site import flipped, machine, refusal

from app.attestation.formats.dcap_certificates import INTEL_ROOTS, Certificate, verify_chain
from app.attestation.formats.dcap_signed_json import (
    MAX_DOCUMENT_BYTES,
    Members,
    open_signed_document,
)
from app.trust.errors import CollateralUnavailableError, SignatureError

INTEL = machine().intel
SIGNER = verify_chain(INTEL.signer.pem + INTEL.root.pem, 2, INTEL.roots).leaf
DOCUMENT = INTEL.signed("tcbInfo", {"a": "ä", "b": [1, 2], "c": {"d": None}})
DCAP = VECTORS / "dcap"


def genuine_signer() -> Certificate:
    """Intel's own TCB signing certificate."""
    pem = (DCAP / "tcb-signing-chain-2025.pem").read_bytes()
    return verify_chain(pem, 2, INTEL_ROOTS).leaf


REFUSED = {
    "nothing": b"",
    "a list": b"[]",
    "another document": INTEL.signed("enclaveIdentity", {"a": 1}),
    "no signature": b'{"tcbInfo":{}}',
    "a signature that is no text": b'{"tcbInfo":{},"signature":1}',
    "a signature that is no hex": b'{"tcbInfo":{},"signature":"%s"}' % (b"zz" * 64),
    "a signature of 63 bytes": b'{"tcbInfo":{},"signature":"%s"}' % (b"00" * 63),
    "a document that is a list": INTEL.signed("tcbInfo", [1]),  # type: ignore[arg-type]  # wrong
    "a repeated member": DOCUMENT.replace(b'"b"', b'"a"'),
    "deep nesting": b'{"tcbInfo":' + b"[" * 100_000,
    "too many bytes": DOCUMENT + b" " * MAX_DOCUMENT_BYTES,
    "other bytes than UTF-8": DOCUMENT.replace(b"a", b"\xff"),
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_is_no_document_is_not_there(body: bytes) -> None:
    """The guest is not to blame for what a service answers."""
    with pytest.raises(CollateralUnavailableError):
        open_signed_document(body, "tcbInfo", SIGNER)


def test_every_byte_is_signed_or_read() -> None:
    """One changed bit anywhere: refused, or the same document."""
    codes = set()
    for at in range(len(DOCUMENT)):
        changed = flipped(DOCUMENT, at, at % 8)
        code = refusal(lambda changed=changed: open_signed_document(changed, "tcbInfo", SIGNER))
        codes.add(code)
        if code == "accepted":
            assert json.loads(changed)["tcbInfo"] == json.loads(DOCUMENT)["tcbInfo"]
    assert codes <= {"accepted", "collateral-unavailable", "signature-invalid"}


def test_a_document_of_another_signer_is_refused() -> None:
    """Even one that Intel certified for something else."""
    chain = INTEL.authorities["platform"].pem + INTEL.root.pem
    other = verify_chain(chain, 2, INTEL.roots).leaf
    with pytest.raises(SignatureError):
        open_signed_document(DOCUMENT, "tcbInfo", other)


def test_the_exact_text_is_signed_and_a_new_format_forgiven() -> None:
    """White space in what Intel signed counts; what a file's editor added does not."""
    text = b'{ "a" : 1 }'
    signature = INTEL.signer.sign(text).hex().encode()
    body = b'{"tcbInfo": %s , "signature":"%s"}' % (text, signature)
    assert open_signed_document(body, "tcbInfo", SIGNER).values == {"a": 1}
    again = json.dumps(json.loads(DOCUMENT), indent=2, ensure_ascii=False).encode()
    assert open_signed_document(again, "tcbInfo", SIGNER).values["a"] == "ä"
    reordered = json.dumps(dict(reversed(json.loads(DOCUMENT).items()))).encode()
    assert open_signed_document(reordered, "tcbInfo", SIGNER).values["a"] == "ä"


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("tcbInfo.json", "tcbInfo"),
        ("enclaveIdentity.json", "enclaveIdentity"),
        ("sgx-tcbinfo-00606A000000.json", "tcbInfo"),
        ("sgx-qe-identity.json", "enclaveIdentity"),
    ],
)
def test_opens_genuine_documents(name: str, member: str) -> None:
    """Of 2022 and 2025, under the key that Intel has kept."""
    members = open_signed_document((DCAP / name).read_bytes(), member, genuine_signer())
    assert members.integer("version", 9) in {2, 3}


WRONG: dict[str, Any] = {
    "text": [1, None, [], {}],
    "integer": ["1", 1.0, True, -1, 256, None],
    "hexadecimal": ["", "0", "00", "000g", "000000", " 0 0", "0_00", 7],
    "date": ["", "2024-01-01", "2024-01-01T00:00:00+00:00", "2024-13-01T00:00:00Z", 5],
    "objects": [{}, "", [1], [{}, 2]],
    "texts": ["a", [1], {}],
    "object": [[], "", 1, None],
}
ARGUMENTS = {"integer": (255,), "hexadecimal": (2,)}


@pytest.mark.parametrize("kind", WRONG)
def test_members_are_of_their_form(kind: str) -> None:
    """A missing member, or one of another form, names itself."""
    for value in WRONG[kind]:
        with pytest.raises(CollateralUnavailableError, match="thing: m is missing or malformed"):
            getattr(Members("thing", {"m": value}), kind)("m", *ARGUMENTS.get(kind, ()))
    if kind != "texts":
        with pytest.raises(CollateralUnavailableError):
            getattr(Members("thing", {}), kind)("m", *ARGUMENTS.get(kind, ()))


def test_members_read_what_is_there() -> None:
    """Each form once."""
    members = Members(
        "thing",
        {"t": "x", "i": 255, "h": "00fF", "d": "2024-02-29T01:02:03Z", "o": {"a": 1}, "l": [{}]},
    )
    assert members.text("t") == "x"
    assert members.integer("i", 255) == 255
    assert members.hexadecimal("h", 2) == b"\x00\xff"
    assert members.date("d") == datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)
    assert members.object("o").values == {"a": 1}
    assert [each.name for each in members.objects("l")] == ["thing.l"]
    assert members.texts("absent") == ()
