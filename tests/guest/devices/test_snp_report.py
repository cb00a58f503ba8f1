"""SEV-SNP structures as JSON."""

from __future__ import annotations

import json
import struct
import uuid

import pytest
from paths import VECTORS

from guest.devices.snp_report import REPORT_BYTES, certificate_table_json, report_json
from guest.errors import DeviceError

SNP = VECTORS / "snp"
GENOA = (SNP / "e2e-report-genoa-v3.bin").read_bytes()
MILAN_V2 = (SNP / "test-report.bin").read_bytes()
VCEK = (SNP / "e2e-vcek-genoa.der").read_bytes()
EVIDENCE = json.loads((SNP / "e2e-evidence-genoa-v3.json").read_text())

VCEK_GUID = "63da758d-e664-4564-adc5-f4b93be8accd"
ARK_GUID = "c0b406a4-a803-4952-9743-3fb6014cd0ae"
ASK_GUID = "4ab7b379-bbac-4fe4-a02f-05aef327c782"
VLEK_GUID = "a8074bc2-a25a-483e-aae6-39c045a0b8a1"
OTHER_GUID = "00000000-0000-0000-0000-000000000001"


def table(*entries: tuple[str, bytes]) -> bytes:
    """A certificate table as hosts write it (GHCB specification)."""
    offset = 24 * (len(entries) + 1)
    head, body = b"", b""
    for guid, data in entries:
        head += uuid.UUID(guid).bytes + struct.pack("<II", offset + len(body), len(data))
        body += data
    return head + bytes(24) + body


def with_version(version: int) -> bytes:
    """The Genoa report, calling itself another version."""
    return version.to_bytes(4, "little") + GENOA[4:]


@pytest.mark.parametrize("size", [0, 4, 1183, 1185, 4000])
def test_refuses_a_report_of_another_size(size: int) -> None:
    """The structure has 1184 bytes."""
    with pytest.raises(DeviceError):
        report_json(GENOA[:1].ljust(size, b"\3")[:size])


@pytest.mark.parametrize("version", [0, 1, 6, 2**32 - 1])
def test_refuses_an_unknown_version(version: int) -> None:
    """A layout that is not known is not guessed."""
    with pytest.raises(DeviceError):
        report_json(with_version(version))


def test_is_the_json_of_the_field() -> None:
    """A real report equals the evidence that was made of it.

    Its writer was older than the mitigation vectors, which are null before version 5.
    """
    made = report_json(GENOA)
    assert made.pop("launch_mit_vector") is None
    assert made.pop("current_mit_vector") is None
    assert json.loads(json.dumps(made)) == EVIDENCE["attestation_report"]


def test_version_2_does_not_say_which_processor() -> None:
    """Its fields are null, and its chip id shows that it is not Turin."""
    made = report_json(MILAN_V2)
    assert made["version"] == 2
    assert [made[name] for name in ("cpuid_fam_id", "cpuid_mod_id", "cpuid_step")] == [None] * 3
    assert made["reported_tcb"]["fmc"] is None


def test_version_5_has_the_mitigation_vectors() -> None:
    """Two words of eight bytes at 0x1F8 and 0x200."""
    report = bytearray(with_version(5))
    report[0x1F8:0x208] = struct.pack("<QQ", 7, 2**63)
    made = report_json(bytes(report))
    assert (made["launch_mit_vector"], made["current_mit_vector"]) == (7, 2**63)


@pytest.mark.parametrize("version", [2, 3])
def test_turin_has_another_tcb(version: int) -> None:
    """Family 0x1A, or before version 3 a chip id of eight bytes, means the layout with fmc."""
    report = bytearray(with_version(version))
    report[0x188] = 0x1A
    report[0x1A0:0x1E0] = b"\1" * 8 + bytes(56)
    report[0x180:0x188] = bytes([1, 2, 3, 4, 0, 0, 0, 8])
    tcb = report_json(bytes(report))["reported_tcb"]
    assert tcb == {"fmc": 1, "bootloader": 2, "tee": 3, "snp": 4, "microcode": 8}


def test_a_masked_chip_id_is_not_turins() -> None:
    """All zeros say nothing about the processor."""
    report = bytearray(with_version(2))
    report[0x1A0:0x1E0] = bytes(64)
    assert report_json(bytes(report))["reported_tcb"]["fmc"] is None


@pytest.mark.parametrize(
    "blob",
    [
        table((VCEK_GUID, VCEK))[:-1],
        table((VCEK_GUID, VCEK))[:23],
        uuid.UUID(VCEK_GUID).bytes + struct.pack("<II", 2**32 - 1, 2**32 - 1) + bytes(24),
    ],
)
def test_refuses_a_table_that_is_cut_off(blob: bytes) -> None:
    """No byte is read beyond the table."""
    with pytest.raises(DeviceError):
        certificate_table_json(blob)


@pytest.mark.parametrize("blob", [b"", bytes(24), bytes(4096)])
def test_no_certificates_are_null(blob: bytes) -> None:
    """As upstream, so that the verifier fetches them."""
    assert certificate_table_json(blob) is None


def test_certificates_have_their_type_by_guid() -> None:
    """And what is unknown is passed on by its GUID."""
    guids = (VCEK_GUID, ASK_GUID, ARK_GUID, VLEK_GUID, OTHER_GUID)
    chain = certificate_table_json(table(*((guid, guid.encode()) for guid in guids)))
    assert chain is not None
    kinds = [entry["cert_type"] for entry in chain]
    assert kinds == ["VCEK", "ASK", "ARK", "VLEK", {"OTHER": OTHER_GUID}]
    assert [bytes(entry["data"]).decode() for entry in chain] == list(guids)


def test_a_real_certificate_is_the_json_of_the_field() -> None:
    """The VCEK of the real evidence, through a table."""
    assert certificate_table_json(table((VCEK_GUID, VCEK))) == EVIDENCE["cert_chain"]


def test_the_size_is_the_specifications() -> None:
    """AMD 56860, table 23."""
    assert len(GENOA) == REPORT_BYTES == 0x4A0
