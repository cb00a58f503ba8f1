"""MRTD and RTMRs, beside a second implementation and genuine logs."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from paths import VECTORS
from simulated.firmware import PAGE, TDX, image, tdx_metadata

from app.attestation.computing.tdx import AddOrder, compute_tdx
from app.lab.tdx import event_log, registers_of
from app.trust.errors import DomainError, MalformedEvidenceError, MalformedFirmwareError

LOGS = VECTORS / "eventlog"


def expected(order: str) -> str:
    """MRTD of the firmware of the tests, as a list of what the TDX module is asked to do."""
    firmware, steps = image(), []
    for offset, raw, address, size, _, attributes in TDX:
        if attributes & 2:
            continue
        adds = [("add", address + page) for page in range(0, size, PAGE)]
        content = firmware[offset : offset + raw] + bytes(size - raw)
        extends = [
            [
                ("extend", address + at, content[at : at + 256])
                for at in range(page, page + PAGE, 256)
            ]
            for page in range(0, size, PAGE)
        ]
        if not attributes & 1:
            extends = [[] for _ in extends]
        if order == "page":
            steps += [
                step for add, some in zip(adds, extends, strict=True) for step in (add, *some)
            ]
        else:
            steps += [*adds, *(step for some in extends for step in some)]
    return hashlib.sha384(b"".join(_buffer(*step) for step in steps)).hexdigest()


def _buffer(kind: str, address: int, content: bytes = b"") -> bytes:
    head = bytearray(128)
    name = {"add": b"MEM.PAGE.ADD", "extend": b"MR.EXTEND"}[kind]
    head[: len(name)] = name
    head[16:24] = address.to_bytes(8, "little")
    return bytes(head) + content


@pytest.mark.parametrize("order", list(AddOrder))
def test_mrtd_is_what_the_host_does(order: AddOrder) -> None:
    """Each page is added, each chunk of the measured ones is hashed, in the order of the host."""
    computed = compute_tdx(image(), None, order)
    assert computed.values == {"mr_td": [expected(order.value)]}


def test_mrtd_does_not_know_what_is_not_measured() -> None:
    """Variables and memory that is added later; the code counts, to the byte."""
    firmware = bytearray(image())
    genuine = compute_tdx(bytes(firmware), None).values
    firmware[0x100] ^= 1
    assert compute_tdx(bytes(firmware), None).values == genuine
    firmware[0x2100] ^= 1
    assert compute_tdx(bytes(firmware), None).values != genuine


@pytest.mark.parametrize("name", ["CCEL_data", "CCEL_data_ovmf", "CCEL_data_grub"])
def test_registers_of_a_genuine_log(name: str) -> None:
    """Read by an independent reader, for every register that the log says something of."""
    log = (LOGS / name).read_bytes()
    events = json.loads((LOGS / f"{name}_out.json").read_text())["uefi_event_logs"]
    found = {name: value for name, value in compute_tdx(None, log).values.items() if "rtmr" in name}
    registers: dict[int, bytes] = {}
    for event in events:
        for digest in event["digests"]:
            before = registers.get(event["index"], bytes(48))
            after = hashlib.sha384(before + bytes.fromhex(digest["digest"])).digest()
            registers[event["index"]] = after
    told = {f"rtmr_{index - 1}": [value.hex()] for index, value in registers.items() if index}
    assert found == told


def test_a_kernel_that_was_handed_over_is_told_apart() -> None:
    """By the names that the default policy asks for; each is one digest and no list."""
    values = compute_tdx(None, (LOGS / "CCEL_data_ovmf").read_bytes()).values
    assert str(values["tdvfkernel"]).startswith("a2ccae1e")
    assert str(values["tdvfkernelparams"]).startswith("4230f848")


def test_both_together() -> None:
    """One message for a whole guest."""
    log = event_log([(1, 5, b"a"), (4, 5, b"b")])
    values = compute_tdx(image(), log).values
    registers = registers_of(log)
    assert values == {
        "mr_td": [expected("page")],
        "rtmr_0": [registers[0].hex()],
        "rtmr_3": [registers[3].hex()],
    }


@pytest.mark.parametrize(
    ("firmware", "log", "refusal"),
    [
        (image(tdx=tdx_metadata([(*TDX[0][:5], 0)])), None, MalformedFirmwareError),
        (image(tdx=tdx_metadata(TDX[4:])), None, MalformedFirmwareError),
        (image(tdx=tdx_metadata(signature=b"none")), None, MalformedFirmwareError),
        (b"", None, MalformedFirmwareError),
        (None, b"", MalformedEvidenceError),
        (None, event_log([]), MalformedEvidenceError),
        (None, event_log([(0, 5, b"a")]), MalformedEvidenceError),
        (None, (LOGS / "CCEL_data_csv").read_bytes(), MalformedEvidenceError),
        (image(), b"\xff" * 64, MalformedEvidenceError),
    ],
    ids=[
        "nothing is measured",
        "nothing is there at launch",
        "no metadata",
        "an empty image",
        "an empty log",
        "a log of nothing",
        "a log of no register",
        "a log of SM3",
        "a good image and a bad log",
    ],
)
def test_refuses_what_tells_nothing(
    firmware: bytes | None, log: bytes | None, refusal: type[DomainError]
) -> None:
    """A value that every guest meets, or none, is worse than none."""
    with pytest.raises(refusal):
        compute_tdx(firmware, log)


def test_the_message_registers_what_was_computed() -> None:
    """Of the type that every RVPS reads."""
    import base64

    computed = compute_tdx(image(), None)
    message: Any = computed.message()
    assert (message["version"], message["type"]) == ("0.1.0", "sample")
    assert json.loads(base64.b64decode(message["payload"])) == computed.values
