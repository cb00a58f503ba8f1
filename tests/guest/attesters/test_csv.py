"""The CSV attester, over a stand-in for ``/dev/csv-guest``, to the claims of the verifier."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_paths
from fakes import NOON
from paths import VECTORS
from simulated.collateral import MemoryCollateral
from simulated.device_nodes import CSVGuest, Driver, StandInNodes, refusing
from simulated.hygon import SERIAL, Site

from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.formats.hygon_certificates import encode_chip
from app.attestation.verifiers.csv import CSVVerifier
from app.trust.errors import BindingMismatchError
from guest.aa.events import Event
from guest.aa.measurement import Measurer
from guest.attester import Devices
from guest.attesters.csv import ATTESTER
from guest.devices.hygon_json import chip_json
from guest.errors import DeviceError, MeasurementUnsupportedError, NoTEEError
from guest.hardware_settings import EventLogSettings

SITE = Site()
REPORT_DATA = hashlib.sha384(b"nonce and key").digest()
EVENT = Event("example.org", "start", "a")


def machine(folder: Path, driver: Driver, **options: Any) -> Devices:
    """A guest with the device."""
    path = folder / "csv-guest"
    path.touch()
    paths = bare_paths(folder / "none", csv_guest=path, event_log=folder / "log")
    return Devices(paths, nodes=StandInNodes({path: driver}, **options))


def verify(evidence: Any, report_data: bytes = REPORT_DATA) -> dict[str, Any]:
    """Claims under the simulated Hygon."""
    verifier = CSVVerifier().with_extra_roots(SITE.root())
    source = MemoryCollateral({f"hygon/hsk_cek/{SERIAL.lower()}": SITE.pair()})
    (claims,) = verifier.verify(
        UnverifiedEvidence("csv", evidence), Binding(report_data), Context(NOON, source)
    )
    return claims.values


def flip(at: int) -> Callable[[bytearray], None]:
    """Changes one bit of the answer."""

    def change(answer: bytearray) -> None:
        answer[at] ^= 1

    return change


@pytest.mark.parametrize("registers", [None, [bytes(32)] * 5], ids=["v1", "v2"])
@pytest.mark.parametrize("part", ["nonce", "certificate", "serial", "reserved", "code"])
def test_refuses_an_answer_that_was_changed_on_the_way(
    tmp_path: Path, registers: Any, part: str
) -> None:
    """The nonce is ours, and the signer is under an HMAC."""
    start = 336 if registers is None else 1168
    places = {"certificate": 0, "serial": 2084, "reserved": 2148, "code": 2180}
    at = 128 if part == "nonce" else start + places[part]
    driver = CSVGuest(SITE, registers, change=flip(at))
    with pytest.raises(DeviceError):
        ATTESTER.collect(REPORT_DATA, machine(tmp_path, driver))


@pytest.mark.parametrize("driver", [refusing(errno.EIO), CSVGuest(SITE, change=lambda _: None)])
def test_a_device_that_refuses_or_vanishes_is_an_error(tmp_path: Path, driver: Driver) -> None:
    """And one that is not there is no TEE."""
    devices = machine(tmp_path, driver, gone=True)
    with pytest.raises(DeviceError):
        ATTESTER.collect(REPORT_DATA, devices)
    with pytest.raises(NoTEEError):
        ATTESTER.collect(REPORT_DATA, Devices(devices.paths, nodes=StandInNodes({})))


def test_a_failure_does_not_lead_to_the_older_form(tmp_path: Path) -> None:
    """Firmware that fails when it is asked for its registers is not firmware without."""
    with pytest.raises(DeviceError, match="0x10"):
        ATTESTER.collect(REPORT_DATA, machine(tmp_path, CSVGuest(SITE, fw_error=0x10)))


def test_refuses_zeros(tmp_path: Path) -> None:
    """A device that does nothing has not reported."""

    def idle(request: int, argument: bytearray) -> None:
        pass

    with pytest.raises(DeviceError):
        ATTESTER.collect(REPORT_DATA, machine(tmp_path, idle))


def test_refuses_a_certificate_of_another_size() -> None:
    """2084 bytes."""
    with pytest.raises(DeviceError):
        chip_json(bytes(2083))


@pytest.mark.parametrize("registers", [None, [bytes(32)] * 5], ids=["v1", "v2"])
def test_the_verifier_accepts_the_evidence(tmp_path: Path, registers: Any) -> None:
    """Of firmware with and without registers."""
    devices = machine(tmp_path, CSVGuest(SITE, registers))
    assert ATTESTER.is_present(devices)
    evidence = ATTESTER.collect(REPORT_DATA, devices)
    claims = verify(evidence)
    assert claims["version"] == ("1" if registers is None else "2")
    assert claims["report_data"] == REPORT_DATA.ljust(64, b"\0").hex()
    assert claims["serial_number"] == SERIAL
    with pytest.raises(BindingMismatchError):
        verify(evidence, REPORT_DATA[::-1])


def test_writes_a_certificate_as_genuine_evidence_has_it() -> None:
    """Byte for byte: the certificate of a genuine machine, there and back."""
    genuine = json.loads((VECTORS / "csv" / "csv_evidence.json").read_text())
    pek = genuine["cert_chain"]["pek"]
    data = bytes(genuine["attestation_report"]["data"])
    assert chip_json(encode_chip(pek, "pek")) == pek
    # Genuine evidence carries the signer of the report unmasked, with its reserved bytes cleared.
    assert data[336 : 336 + 2084] == encode_chip(pek, "pek")
    assert data[336 + 2084 : 336 + 2148] == bytes(genuine["serial_number"])
    assert data[336 + 2148 : 336 + 2180] == bytes(32)


def test_measurements_go_along_and_replay(tmp_path: Path) -> None:
    """SM3, and the log names the register by its own number."""
    driver = CSVGuest(SITE)
    devices = machine(tmp_path, driver)
    measurer = Measurer(ATTESTER, devices, EventLogSettings(enabled=True))
    measurer.measure(EVENT)
    measurer.measure(EVENT, 10)
    claims = verify(ATTESTER.collect(REPORT_DATA, devices))
    assert [event["index"] for event in claims["uefi_event_logs"]] == [4, 3]
    assert claims["rtmr4"] == driver.registers[4].hex() != bytes(32).hex()


@pytest.mark.parametrize("pcr", [0, 1, 2, 7])
def test_registers_of_the_firmware_are_closed(tmp_path: Path, pcr: int) -> None:
    """The kernel would refuse them."""
    measurer = Measurer(ATTESTER, machine(tmp_path, CSVGuest(SITE)), EventLogSettings(enabled=True))
    with pytest.raises(MeasurementUnsupportedError):
        measurer.measure(EVENT, pcr)


def test_firmware_that_refuses_a_register_is_an_error(tmp_path: Path) -> None:
    """By its own code, or because it has none."""
    for driver in (CSVGuest(SITE, fw_error=0x10), CSVGuest(SITE, registers=None)):
        measurer = Measurer(ATTESTER, machine(tmp_path, driver), EventLogSettings(enabled=True))
        with pytest.raises(DeviceError):
            measurer.measure(EVENT)
