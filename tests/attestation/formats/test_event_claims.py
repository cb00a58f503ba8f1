"""Events as claims: equal to Trustee's on genuine logs, and by type on made ones."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from paths import VECTORS

from app.attestation.formats.event_claims import event_claims
from app.attestation.formats.event_log import SHA384, Event, parse_event_log
from app.trust.errors import MalformedEvidenceError

LOGS = VECTORS / "eventlog"
EXPECTED = sorted(path.name.removesuffix("_out.json") for path in LOGS.glob("*_out.json"))
EFI = 0x80000000


def details(kind: int, data: bytes) -> dict[str, Any]:
    """What an event of this type and data says of itself."""
    (claims,) = event_claims([Event(1, kind, ((SHA384, bytes(48)),), data)])
    found: dict[str, Any] = claims["details"]
    return found


def tagged(tag: int, text: bytes) -> bytes:
    """Data of a tagged event."""
    return struct.pack("<II", tag, len(text)) + text


def variable(name: str, data: bytes = b"", *, length: int | None = None) -> bytes:
    """Data of an EFI variable event."""
    encoded = name.encode("utf-16-le")
    sizes = struct.pack("<QQ", len(name) if length is None else length, len(data))
    return bytes(range(16)) + sizes + encoded + data


def application(length: int, path: bytes = b"") -> bytes:
    """Data of a boot application event."""
    return struct.pack("<QQQQ", 1, 2, 3, length) + path


MALFORMED = {
    "an action that is no UTF-8": (5, b"\xff"),
    "a tagged event without a length": (6, b"\x00" * 7),
    "a tagged event that does not end": (6, struct.pack("<II", 1, 2**32 - 1)),
    "an agent's event of two parts": (6, tagged(0x4141454C, b"domain operation")),
    "an agent's event that is no UTF-8": (6, tagged(0x4141454C, b"a b \xff")),
    "EV_IPL of one byte": (13, b"a"),
    "EV_IPL of odd UTF-16": (13, b".\x00a"),
    "EV_IPL of no UTF-16": (13, b".\x00"),
    "a variable that does not end": (EFI + 1, variable("a", length=2**64 - 1)),
    "a variable with a lone surrogate": (EFI + 2, bytes(16) + struct.pack("<QQ", 1, 0) + b"\0\xd8"),
    "a short variable": (EFI + 0xE0, bytes(20)),
    "an application without a path": (EFI + 3, bytes(31)),
    "an application with a path of three bytes": (EFI + 3, application(3, bytes(3))),
    "an application with an empty path": (EFI + 3, application(4, bytes(4))),
    "an application with a path that does not end": (EFI + 3, application(2**64 - 1)),
    "a blob without a description": (EFI + 0xA, b""),
    "a blob whose description does not end": (EFI + 0xB, b"\xffabc"),
    "a blob whose description is no UTF-8": (EFI + 0xB, b"\x03\xff\xff"),
}


@pytest.mark.parametrize(("kind", "data"), MALFORMED.values(), ids=MALFORMED)
def test_refuses_events_that_are_not_of_their_form(kind: int, data: bytes) -> None:
    """An event that cannot be read is an error of the whole log, not a claim left out."""
    with pytest.raises(MalformedEvidenceError):
        details(kind, data)


@pytest.mark.parametrize("name", EXPECTED)
def test_claims_of_genuine_logs_are_trustees(name: str) -> None:
    """Policies that read event logs find exactly what they would find there."""
    expected = json.loads((LOGS / f"{name}_out.json").read_bytes())["uefi_event_logs"]
    assert event_claims(parse_event_log((LOGS / name).read_bytes())) == expected


def test_six_logs_have_an_expected_output() -> None:
    """The vectors are there, so the test above compares something."""
    assert len(EXPECTED) == 6


DETAILS = {
    "an action": (5, b"Exit Boot Services", {"string": "Exit Boot Services"}),
    "a separator": (4, bytes(4), {}),
    "no action": (3, b"\xff", {}),
    "a tagged text": (6, tagged(1, b"Load\x00Options\xff\x00"), {"string": "LoadOptions�"}),
    "flags": (10, b"a\x10b\x07c", {"string": "a bc"}),
    "flags that are no UTF-8": (10, b"\xff", {"string": ""}),
    "a boot loader's text": (13, b"grub_cmd: ls\x00rest", {"string": "grub_cmd: ls"}),
    "a boot loader's UTF-16": (
        13,
        b".\x00" + "né".encode("utf-16-le") + b"\0\0",
        {"string": "né"},
    ),
    "a boot loader's bytes": (13, b"\xff\xfe", {"string": "fffe"}),
    "an application without a path": (EFI + 3, application(0), {}),
    "a firmware blob": (EFI + 0xA, b"\x05abcdrest", {"string": "abcd"}),
    "a firmware blob of no description": (EFI + 0xA, b"\x00", {"string": ""}),
    "a variable": (
        EFI + 1,
        variable("Boot", b"\x01"),
        {
            "unicode_name": "Boot",
            "unicode_name_length": 4,
            "variable_data": "AQ==",
            "variable_data_length": 1,
            "variable_name": "00010203-0405-0607-0809-0a0b0c0d0e0f",
        },
    ),
}


@pytest.mark.parametrize(("kind", "data", "expected"), DETAILS.values(), ids=DETAILS)
def test_details_depend_on_the_type(kind: int, data: bytes, expected: dict[str, Any]) -> None:
    """Each type has its form; types without one have no details."""
    assert details(kind, data) == expected


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("plain text", "plain text"),
        ('{"key": [1, true]}', {"key": [1, True]}),
        ("17", 17),
        ("", ""),
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        ("[" * 100_000, "[" * 100_000),
        ("NaN", "NaN"),
    ],
    ids=["text", "object", "number", "nothing", "a repeated member", "deep nesting", "no JSON"],
)
def test_the_agents_events_are_read(content: str, value: Any) -> None:
    """The Attestation Agent's events carry JSON, or text; nesting does not recurse."""
    found = details(6, tagged(0x4141454C, f"coco.com pull {content}".encode()))
    assert found["unicode_name"] == "AAEL"
    assert found["data"] == {"domain": "coco.com", "operation": "pull", "content": value}


def test_says_whether_digests_are_of_the_data() -> None:
    """Only then may a policy take the data for what was measured."""
    assert SHA384.hash is not None
    honest = Event(1, 5, ((SHA384, SHA384.hash(b"data")),), b"data")
    other = Event(1, 5, ((SHA384, SHA384.hash(b"data")), (SHA384, bytes(48))), b"data")
    claims = event_claims([honest, other])
    assert [each["digest_matches_event"] for each in claims] == [True, False]
    assert claims[0]["event"] == base64.b64encode(b"data").decode()
    assert claims[0]["digests"] == [{"alg": "SHA-384", "digest": SHA384.hash(b"data").hex()}]
